"""Content vectors by eye, and against a dense definition of TF-IDF."""

import numpy as np

from models.data import Catalogue
from models.features.content import content_matrix, terms

FILMS = Catalogue(
    titles=["Toy Story", "toy story 2", "Heat", ""],
    descriptions=["A toy and a toy cowboy.", "", "A thief.", ""],
    genres=[("Animation", "Children"), ("Animation",), ("Crime", "Sci-Fi"), ()],
    tags=[("pixar",), (), ("mafia",), ()],
    posters=[""] * 4,
)


def test_terms_of_an_item() -> None:
    assert terms("Toy Story (1995)", "A toy.", ["Sci-Fi"], ["Film Noir"]) == [
        *("t:toy", "t:story", "t:1995"),
        *("d:a", "d:toy"),
        "g:sci-fi",
        "#:film noir",
    ]


def test_cases_and_compatibility_forms_are_one() -> None:
    assert terms("STRASSE Ⅻ", "", [], []) == terms("Straße xii", "", [], [])
    assert terms("Ｔｏｙ", "", [], []) == ["t:toy"]
    assert terms("Амели 天使", "", [], []) == ["t:амели", "t:天使"]


def test_an_item_without_anything_has_no_terms() -> None:
    assert terms("", " …!", [], []) == []


def dense(catalogue: Catalogue) -> np.ndarray:
    """√count · (1 + ln(N / (1 + items with the term))), in rows of length 1; columns by term."""
    rows = [
        terms(*row)
        for row in zip(catalogue.titles, catalogue.descriptions, catalogue.genres, catalogue.tags, strict=True)
    ]
    columns = sorted({term for row in rows for term in row})
    counts = np.array([[row.count(term) for term in columns] for row in rows], float)
    weights = np.sqrt(counts) * (1 + np.log(len(rows) / (1 + (counts > 0).sum(axis=0))))
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(lengths > 0, lengths, 1)


def test_the_matrix_is_tf_idf_in_unit_rows() -> None:
    matrix = content_matrix(FILMS)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.toarray(), dense(FILMS), rtol=1e-6)


def test_alike_items_are_near_and_empty_ones_are_not() -> None:
    rows = content_matrix(FILMS)
    cosine = (rows @ rows.T).toarray()
    assert cosine[0, 1] > 0.3 > cosine[0, 2] > 0  # of 0 and 2 only the word "a" of a description is the same
    assert not cosine[3].any()


def test_no_items() -> None:
    assert content_matrix(Catalogue([], [], [], [], [])).shape == (0, 0)
