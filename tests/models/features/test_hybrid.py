"""Hybrid rows against the sum of two cosines in float64; parts side by side; profiles against a dense product."""

import numpy as np
import pytest
import scipy.sparse as sp

from models.features.hybrid import hybrid, norms, side_by_side
from models.features.profiles import profiles
from models.kernels.neighbours import RowBlock, stream_neighbours, top_k_neighbours

N = 300


def unit(matrix: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(lengths > 0, lengths, 1)


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray, np.ndarray]:
    """Ratings and terms of 300 items; 40 popular ones have thousands of ratings, some items lack one part or both."""
    random = np.random.default_rng(3)
    ratings = np.where(random.random((N, 4000)) < 0.01, random.integers(1, 11, (N, 4000)) / 2, 0)
    ratings[:40] = random.integers(1, 11, (40, 4000)) / 2
    terms = np.where(random.random((N, 200)) < 0.05, random.random((N, 200)) * 8, 0)
    ratings[50:60], terms[55:65] = 0, 0
    return ratings, terms


@pytest.mark.parametrize("alpha", [1e-3, 0.3, 0.5, 0.97])
def test_is_the_weighted_sum_of_both_cosines(parts: tuple[np.ndarray, np.ndarray], alpha: float) -> None:
    ratings, terms = parts
    rows, lengths = hybrid(sp.csr_array(ratings), sp.csr_array(terms), alpha)
    result = top_k_neighbours(rows, N, norms=lengths)
    expected = alpha * unit(ratings) @ unit(ratings).T + (1 - alpha) * unit(terms) @ unit(terms).T
    np.fill_diagonal(expected, 0)
    dense = np.zeros((N, N))
    for row in range(N):
        there = result.indices[row] >= 0
        dense[row, result.indices[row][there]] = result.similarity[row][there]
    np.testing.assert_allclose(dense, expected, atol=1e-5)
    assert (dense[50, 100:] <= (1 - alpha) * 1.00001).all()  # without ratings: content alone
    assert dense[50].max() > 0
    assert dense[57].max() == 0  # neither ratings nor terms


def test_streamed_rows_keep_their_norms(parts: tuple[np.ndarray, np.ndarray]) -> None:
    rows, lengths = hybrid(*map(sp.csr_array, parts), 0.6)
    numbers = np.arange(N, dtype=np.int32)
    whole = top_k_neighbours(rows, 20, norms=lengths)
    cuts = (slice(0, 90), slice(90, 91), slice(91, N))
    blocks = [RowBlock(numbers[cut], rows[cut], lengths[cut]) for cut in cuts]
    counts = np.bincount(rows.indices, minlength=rows.shape[1])
    result = stream_neighbours(blocks[2], blocks, 20, feature_counts=counts)
    np.testing.assert_array_equal(result.indices, whole.indices[91:])
    np.testing.assert_array_equal(result.similarity.view(np.int32), whole.similarity[91:].view(np.int32))


def test_parts_side_by_side_count_alike() -> None:
    pictures, texts = (
        sp.csr_array([[3.0, 0.0], [0.0, 5.0], [1.0, 1.0], [0.0, 0.0]]),
        sp.csr_array([[2.0], [7.0], [0], [0]]),
    )
    rows = side_by_side([pictures, texts])
    np.testing.assert_allclose((rows @ rows.T).toarray()[0], [1.0, 0.5, 0.5, 0.0], atol=1e-12)


def test_norms_do_not_overflow() -> None:
    assert norms(sp.csr_array([[3e300, 4e300], [0.0, 0.0], [3e-300, 4e-300]])).tolist() == [5e300, 0.0, 5e-300]


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_alpha_at_its_ends_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=f"alpha = {alpha}: expected more than 0 and less than 1"):
        hybrid(sp.csr_array((2, 2)), sp.csr_array((2, 2)), alpha)


@pytest.mark.parametrize("wrong", [[1.0, 0.0], [1.0, np.inf], [1.0]])
def test_norms_must_be_lengths(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="norms: expected 2 finite numbers above 0"):
        top_k_neighbours(sp.csr_array(np.eye(2)), 1, norms=np.array(wrong))


@pytest.mark.parametrize("arguments", [{"measure": "jaccard"}, {"shrinkage": 1.0}])
def test_norms_are_for_plain_cosine(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="norms are for cosine without shrinkage alone"):
        top_k_neighbours(sp.csr_array(np.eye(2)), 1, norms=np.ones(2), **arguments)  # type: ignore[arg-type]


def test_profiles_keep_the_largest_sums() -> None:
    random = np.random.default_rng(6)
    values = np.where(random.random((1100, 12)) < 0.3, random.integers(1, 6, (1100, 12)), 0)
    content = np.where(random.random((12, 30)) < 0.3, random.integers(-4, 5, (12, 30)), 0)
    expected = (values @ content).astype(float)
    for row in expected:
        row[np.argsort(-np.abs(row), kind="stable")[5:]] = 0
    result = profiles(sp.csr_array(values.astype(float)), sp.csr_array(content.astype(float)), 5)
    np.testing.assert_array_equal(result.toarray(), expected)


def test_profiles_of_nobody() -> None:
    assert profiles(sp.csr_array((0, 3)), sp.csr_array((3, 4))).shape == (0, 4)
