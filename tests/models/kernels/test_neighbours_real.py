"""The kernel on MovieLens-1M: against float64 NumPy, and against the libraries that others compute similarity with."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from models.kernels.neighbours import top_k_neighbours
from tests.support.data import data_file

K, TOLERANCE = 50, 1e-5
Scores = npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=["items", "users"])
def rows(request: pytest.FixtureRequest) -> sp.csr_array:
    """Items by users, or users by items: 1 to 5 where one met the other, made from the ids."""
    users, items = np.loadtxt(data_file("movielens-1m/ml-1m.txt"), dtype=np.int64, unpack=True)
    values = (1 + (users * 7 + items) % 5).astype(np.float32)
    matrix = sp.csr_array((values, (users, items)))
    return sp.csr_array(matrix.T) if request.param == "items" else matrix


def test_agrees_with_dense_float64(rows: sp.csr_array) -> None:
    """Every ninth row: its scores, and that those it lists have them."""
    unit = rows.toarray().astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-300)
    some = np.arange(0, len(unit), 9)
    cosine = unit[some] @ unit.T
    cosine[np.arange(len(some)), some] = -1
    result = top_k_neighbours(rows, K)
    there = result.indices[some] >= 0
    listed = np.take_along_axis(cosine, np.maximum(result.indices[some], 0), axis=1)
    np.testing.assert_allclose(result.similarity[some][there], listed[there], atol=TOLERANCE)
    best = np.maximum(-np.sort(-cosine, axis=1)[:, :K], 0)
    np.testing.assert_allclose(result.similarity[some], best, atol=TOLERANCE)


def test_agrees_with_scikit_learn(rows: sp.csr_array) -> None:
    """In float64: in float32 its own scores are off by 2e-5."""
    neighbors = pytest.importorskip("sklearn.neighbors", reason="needs scikit-learn (the extra `benchmarks`)")
    model = neighbors.NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute")
    distances, _ = model.fit(sp.csr_matrix(rows.astype(np.float64))).kneighbors()
    known = np.diff(rows.indptr) > 0
    np.testing.assert_allclose(top_k_neighbours(rows, K).similarity[known], 1 - distances[known], atol=TOLERANCE)


def test_agrees_with_implicit(rows: sp.csr_array) -> None:
    """Its lists hold the row itself, with 1."""
    nearest = pytest.importorskip("implicit.nearest_neighbours", reason="needs implicit (the extra `benchmarks`)")
    model = nearest.CosineRecommender(K=K + 1)
    model.fit(sp.csr_matrix(rows.T), show_progress=False)
    similarity = sp.csr_array(model.similarity)
    similarity.setdiag(0)
    result = top_k_neighbours(rows, K).similarity
    for row in range(rows.shape[0]):
        theirs = -np.sort(-similarity.data[similarity.indptr[row] : similarity.indptr[row + 1]])[:K]
        np.testing.assert_allclose(result[row, : len(theirs)], theirs, atol=TOLERANCE)
