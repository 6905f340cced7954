"""Genres and tags as numbers."""

from models.data import Catalogue
from models.features.categories import MAX_CATEGORIES, NONE, category_codes


def catalogue(genres: list[tuple[str, ...]], tags: list[tuple[str, ...]]) -> Catalogue:
    nothing = [""] * len(genres)
    return Catalogue(nothing, nothing, genres, tags, nothing)


def test_a_name_has_one_number_wherever_it_stands() -> None:
    codes = category_codes(catalogue([("a",), ("b",), ()], [("b",), ("b", "a"), ()]), 1_000_000)
    assert codes.shape == (3, 2)
    assert sorted(codes[0].tolist()) == sorted(codes[1].tolist())
    assert len(set(codes[0].tolist())) == 2
    assert codes[2].tolist() == [NONE, NONE]
    alone = category_codes(catalogue([("a",)], [()]), 1_000_000)
    assert alone[0, 0] in codes[0]


def test_numbers_stay_within_the_buckets() -> None:
    codes = category_codes(catalogue([(str(row),) for row in range(100)], [()] * 100), 7)
    assert set(codes.ravel().tolist()) == set(range(7))


def test_of_many_the_most_common_count() -> None:
    many = tuple(f"rare{number}" for number in range(MAX_CATEGORIES))
    codes = category_codes(catalogue([(*many, "common"), ("common",)], [(), ()]), 1_000_000)
    assert codes.shape == (2, MAX_CATEGORIES)
    assert codes[1, 0] in codes[0]


def test_nothing_is_known() -> None:
    assert category_codes(catalogue([(), ()], [(), ()]), 10).shape == (2, 0)
    assert category_codes(catalogue([], []), 10).shape == (0, 0)
