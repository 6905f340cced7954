"""Weightings against their equations entry by entry, and measures against definitions on sets and counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import weighting
from models.kernels.neighbours import Neighbours, top_k_neighbours

DENSE = np.array([[4.0, 0.0, 1.0], [0.0, 0.0, 0.0], [2.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
COUNTS = np.array([3, 1, 1])


def entries(equation: Callable[[int, int, float], float]) -> np.ndarray:
    """The equation, evaluated where DENSE has an entry."""
    weighted = np.zeros_like(DENSE)
    for r, f in zip(*DENSE.nonzero(), strict=True):
        weighted[r, f] = equation(r, f, DENSE[r, f])
    return weighted


LENGTHS = DENSE.sum(axis=1)
CASES: list[tuple[Callable[[sp.csr_array], sp.csr_array], Callable[[int, int, float], float]]] = [
    (weighting.raw, lambda r, f, x: x),
    (weighting.binary, lambda r, f, x: 1.0),
    (weighting.centred, lambda r, f, x: x - DENSE[r][DENSE[r] != 0].mean()),
    (weighting.adjusted, lambda r, f, x: x - DENSE[:, f].sum() / COUNTS[f]),
    (weighting.tf_idf, lambda r, f, x: np.sqrt(x) * (1 + np.log(4 / (1 + COUNTS[f])))),
    (
        weighting.bm25,
        lambda r, f, x: (
            x * 2.2 / (x + 1.2 * (0.25 + 0.75 * LENGTHS[r] / LENGTHS.mean())) * np.log1p(4 / (1 + COUNTS[f]))
        ),
    ),
    (lambda m: weighting.recency(m, np.full(m.nnz, 60.0), 30.0), lambda r, f, x: x / 4),
]


@pytest.mark.parametrize(("weight", "equation"), CASES)
def test_equation(weight: Callable[[sp.csr_array], sp.csr_array], equation: Callable[[int, int, float], float]) -> None:
    weighted = weight(sp.csr_array(DENSE))
    assert weighted.dtype == np.float32
    np.testing.assert_allclose(weighted.toarray(), entries(equation), rtol=1e-6)


@pytest.mark.parametrize("weight", [case[0] for case in CASES])
def test_empty_matrices_stay_empty(weight: Callable[[sp.csr_array], sp.csr_array]) -> None:
    for shape in ((0, 3), (3, 0), (3, 3)):
        assert weight(sp.csr_array(shape)).nnz == 0


def test_weightings_compose_and_leave_their_argument_alone() -> None:
    matrix = sp.csr_array(DENSE)
    weighted = weighting.tf_idf(weighting.binary(matrix))
    assert weighted.shape == matrix.shape
    assert weighted.nnz == matrix.nnz
    np.testing.assert_array_equal(matrix.toarray(), DENSE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: weighting.bm25(-m), "bm25: values must be at least 0, got -4"),
        (lambda m: weighting.recency(m, np.zeros(m.nnz), 0.0), "half_life_days = 0.0: expected more than 0"),
        (lambda m: weighting.recency(m, np.full(m.nnz, -1.0), 1.0), "age_days: expected 5 values of at least 0"),
        (lambda m: weighting.recency(m, np.zeros(2), 1.0), "age_days: expected 5 values"),
        (lambda m: top_k_neighbours(m, 1, measure="jaccard"), "row 0: values must be 1 where sets are compared, got 4"),
        (lambda m: top_k_neighbours(m, 1, measure="pearson"), "measure = 'pearson': expected one of cosine"),
        (lambda m: top_k_neighbours(m, 1, shrinkage=-1.0), "shrinkage = -1.0: expected at least 0"),
    ],
)
def test_errors_name_the_rule(call: Callable[[sp.csr_array], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(sp.csr_array(DENSE))


def log_likelihood(both: int, one: int, other: int, total: int) -> float:
    """G² of a 2 x 2 table, cell by cell (Dunning 1993); 0 unless met more often than by chance."""
    if both * total <= one * other:
        return 0.0
    observed = np.array([[both, one - both], [other - both, total - one - other + both]], dtype=float)
    expected = observed.sum(1, keepdims=True) * observed.sum(0, keepdims=True) / total
    with np.errstate(all="ignore"):
        return 2 * float(np.nansum(np.where(observed > 0, observed * np.log(observed / expected), 0.0)))


def expected_scores(sets: np.ndarray, measure: str, shrinkage: float) -> np.ndarray:
    """The measure of every pair of rows, from the sets themselves."""
    n, total = sets.shape
    scores = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            both, either = (sets[i] & sets[j]).sum(), (sets[i] | sets[j]).sum()
            if i != j and both:
                jaccard = both / (either + shrinkage)
                scores[i, j] = (
                    jaccard if measure == "jaccard" else log_likelihood(both, sets[i].sum(), sets[j].sum(), total)
                )
    return scores


def assert_scores(result: Neighbours, expected: np.ndarray, k: int) -> None:
    """The k best scores of each row, and those of the rows listed."""
    best = -np.sort(-expected, axis=1)[:, :k]
    padded = np.pad(best, ((0, 0), (0, k - best.shape[1])))
    np.testing.assert_allclose(result.similarity, padded, rtol=1e-5, atol=1e-5)
    listed = np.where(result.indices >= 0, np.take_along_axis(expected, np.maximum(result.indices, 0), axis=1), 0)
    np.testing.assert_allclose(result.similarity, listed, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("measure", "most"), [("jaccard", 5.0), ("log_likelihood", 0.0)])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 90), density=st.floats(0.02, 0.9), shrunk=st.floats(0, 1))
def test_measures_of_sets(measure: Any, most: float, seed: int, k: int, density: float, shrunk: float) -> None:
    sets = np.random.default_rng(seed).random((80, 25)) < density
    matrix = weighting.binary(sp.csr_array(sets.astype(np.float32)))
    result = top_k_neighbours(matrix, k, measure=measure, shrinkage=shrunk * most)
    assert_scores(result, expected_scores(sets, measure, shrunk * most), k)


def test_measures_by_eye() -> None:
    """Of four users, items 0 and 1 have the same two; item 2 has one of them and item 3 has the others."""
    sets = sp.csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]], dtype=np.float32))
    jaccard = top_k_neighbours(sets, 2, measure="jaccard")
    assert jaccard.indices.tolist() == [[1, 2], [0, 2], [0, 1], [-1, -1]]
    assert jaccard.similarity.tolist() == [[1, 0.5], [1, 0.5], [0.5, 0.5], [0, 0]]
    ratio = top_k_neighbours(sets, 2, measure="log_likelihood")
    assert ratio.similarity[0, 0] == np.float32(8 * np.log(2))
