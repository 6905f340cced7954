"""Content vectors by eye, and against a dense definition of TF-IDF."""

import numpy as np

from models.data import Catalogue
from models.features.content import content_matrix, terms
from tests.support.dense import FILMS, dense_content


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


def test_the_matrix_is_tf_idf_in_unit_rows() -> None:
    matrix = content_matrix(FILMS)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.toarray(), dense_content(FILMS), rtol=1e-6)


def test_alike_items_are_near_and_empty_ones_are_not() -> None:
    rows = content_matrix(FILMS)
    cosine = (rows @ rows.T).toarray()
    assert cosine[0, 1] > 0.3 > cosine[0, 2] > 0  # of 0 and 2 only the word "a" of a description is the same
    assert not cosine[3].any()


def test_no_items() -> None:
    assert content_matrix(Catalogue([], [], [], [], [])).shape == (0, 0)
