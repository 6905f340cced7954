"""What lists are like: counted by hand, and against the definition pair by pair."""

from itertools import combinations

import numpy as np
import pytest

from models.data import Catalogue
from models.evaluation.beyond_accuracy import (
    PER_USER,
    ItemFacts,
    cold_items,
    coverage,
    describe_items,
    diversity,
    novelty,
    popularity,
    tail_items,
)
from tests.support.examples import histories_of

# Item 0 has 4 users, 1 and 2 have 2, 3 has 1 (twice), 4 nobody; user 4 has no events.
TRAIN = histories_of([0, 1], [0, 2, 1], [0, 3, 3], [0, 2], [], n_items=5)
GENRES = [("a",), ("a", "b"), ("b",), (), ("c", "c")]


def catalogue(genres: list[tuple[str, ...]], tags: list[tuple[str, ...]]) -> Catalogue:
    nothing = [""] * len(genres)
    return Catalogue(nothing, nothing, genres, tags, nothing)


@pytest.fixture
def known() -> ItemFacts:
    return describe_items(TRAIN, catalogue(GENRES, [()] * 5))


def test_items_by_hand(known: ItemFacts) -> None:
    assert known.share.tolist() == [1, 0.5, 0.5, 0.25, 0]
    assert known.cold.tolist() == [False, False, False, False, True]
    # 9 pairs: item 0 has 4 of them, 0 and 1 have 6: these two are the fewest that hold half
    assert known.tail.tolist() == [False, False, True, True, True]


def test_lists_by_hand(known: ItemFacts) -> None:
    lists = np.array([[0, 1], [3, 4], [2, -1], [-1, -1]])
    np.testing.assert_allclose(novelty(lists, known), [0.5, 2.5, 1, np.nan])  # bits: 0, 1, 1, 2; nobody has: 3
    np.testing.assert_allclose(popularity(lists, known), [0.75, 0.125, 0.5, np.nan])
    np.testing.assert_allclose(cold_items(lists, known), [0, 0.5, 0, np.nan])
    np.testing.assert_allclose(tail_items(lists, known), [0, 1, 1, np.nan])
    assert coverage(lists, 8) == 5 / 8


def test_diversity_is_the_mean_over_pairs(known: ItemFacts) -> None:
    """Of the items that have genres; unknown is not different."""
    rows = {0: [1, 0, 0], 1: [0.5**0.5, 0.5**0.5, 0], 2: [0, 1, 0], 4: [0, 0, 1]}
    lists = [[0, 1, 2, 4], [0, 3, 1, -1], [3, 4, -1, -1]]
    expected = []
    for items in lists:
        pairs = [1 - np.dot(rows[i], rows[j]) for i, j in combinations([i for i in items if i in rows], 2)]
        expected.append(np.mean(pairs) if pairs else np.nan)
    np.testing.assert_allclose(diversity(np.array(lists), known), expected, atol=1e-12)


@pytest.mark.parametrize("words", range(1, 8))
def test_items_of_one_kind_are_not_less_than_alike(words: int) -> None:
    """A catalogue whose items all have the same genres: rounding made it -2e-16, which publication refuses."""
    n_items = 20
    genres = [tuple("abcdefg"[:words])] * n_items
    known = describe_items(histories_of([0], n_items=n_items), catalogue(genres, [()] * n_items))
    for size in range(2, n_items + 1):
        (value,) = diversity(np.arange(size)[None], known)
        assert 0 <= value < 1e-12, size


def test_tags_say_what_is_alike_where_no_item_has_a_genre() -> None:
    lists = np.array([[0, 1], [0, 2]])
    known = describe_items(TRAIN, catalogue([()] * 5, [("x",), ("x",), ("y",), (), ()]))
    np.testing.assert_allclose(diversity(lists, known), [0, 1], atol=1e-12)
    nothing = describe_items(TRAIN, catalogue([()] * 5, [()] * 5))
    assert np.isnan(diversity(lists, nothing)).all()


def test_nothing_learned_and_nobody_to_judge() -> None:
    known = describe_items(histories_of([], n_items=5), catalogue(GENRES, [()] * 5))
    for measure in PER_USER.values():
        assert measure(np.zeros((0, 3), np.int64), known).shape == (0,)
        assert not np.isinf(measure(np.array([[0, 1, 2]]), known)).any()
