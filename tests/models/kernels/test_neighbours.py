"""The kernel against a dense float64 definition, and against itself: symmetric, streamed, split in any way."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kernels.blocks import DENSE_COST
from models.kernels.measures import COSINE, Rule
from models.kernels.neighbours import (
    Neighbours,
    RowBlock,
    merge_neighbours,
    share_neighbours,
    stream_neighbours,
    top_k_neighbours,
)
from models.kernels.search import Search, assign_shares, find_cuts
from models.kernels.tiles import BAND, SUMS
from models.kernels.vectors import LANES

ratings = st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])
anything = st.one_of(ratings, st.floats(-1e3, 1e3).filter(lambda v: abs(v) > 1e-3), st.sampled_from([-1e300, 1e300]))


@st.composite
def sparse_matrices(draw: Any, values: Any = anything) -> sp.csr_array:
    """Small matrices with empty rows, equal rows, one row, one feature."""
    rows, features = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    pool = np.array(draw(st.lists(values, min_size=1, max_size=6)))
    dense = random.choice(pool, (rows, features)) * (random.random((rows, features)) < draw(st.floats(0.05, 1.0)))
    copied = random.integers(0, rows, rows // 4)
    dense[random.integers(0, rows, rows // 4)] = dense[copied]
    return sp.csr_array(dense)


def dense_cosine(matrix: sp.csr_array, shrinkage: float = 0.0) -> np.ndarray:
    """Cosine in float64, with the diagonal and rows of zeros left out as 0."""
    x = matrix.toarray()
    largest = np.maximum(np.abs(x).max(axis=1, keepdims=True), np.finfo(float).tiny)
    unit = x / largest
    norms = np.sqrt((unit**2).sum(axis=1))
    with np.errstate(all="ignore"):
        below = norms[:, None] * norms[None, :] + shrinkage / largest / largest.T
        similarity = np.where(norms[:, None] * norms[None, :] > 0, unit @ unit.T / below, 0.0)
    np.fill_diagonal(similarity, 0.0)
    return similarity


def assert_top_k(result: Neighbours, similarity: np.ndarray, k: int, tolerance: float = 2e-6) -> None:
    """Every listed score is right, in order, and no pair left out is better than the last one listed."""
    assert result.indices.dtype == np.int32
    assert result.similarity.dtype == np.float32
    assert result.indices.shape == result.similarity.shape == (len(similarity), k)
    for row, (indices, scores) in enumerate(zip(result.indices, result.similarity, strict=True)):
        listed = indices >= 0
        n = listed.sum()
        assert listed[:n].all()
        assert (scores[n:] == 0).all()
        assert len(set(indices[:n])) == n
        assert row not in indices[:n]
        np.testing.assert_allclose(scores[:n], similarity[row, indices[:n]], atol=tolerance, rtol=tolerance)
        order = np.lexsort((indices[:n], -scores[:n]))
        assert (order == np.arange(n)).all()
        rest = np.delete(similarity[row], indices[:n])
        rest = rest[np.abs(rest) > tolerance]
        if n < k:
            assert rest.size == 0
        elif rest.size:
            assert rest.max() <= scores[n - 1] + tolerance


def assert_same(left: Neighbours, right: Neighbours) -> None:
    """The same bits."""
    np.testing.assert_array_equal(left.indices, right.indices)
    np.testing.assert_array_equal(left.similarity.view(np.int32), right.similarity.view(np.int32))


def streamed(matrix: sp.csr_array, k: int, tasks: int, size: int, **arguments: Any) -> Neighbours:
    """The answer of `tasks` tasks, each owning a stride of rows and reading blocks of `size` rows, last block first."""
    rows = np.arange(matrix.shape[0], dtype=np.int32)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    indices, similarity = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    for task in range(tasks):
        blocks = [RowBlock(rows[low : low + size], matrix[low : low + size]) for low in range(0, len(rows), size)]
        mine = RowBlock(rows[task::tasks], matrix[task::tasks])
        result = stream_neighbours(mine, reversed(blocks), k, feature_counts=counts, **arguments)
        indices[task::tasks], similarity[task::tasks] = result.indices, result.similarity
    return Neighbours(indices, similarity)


def in_shares(matrix: sp.csr_array, k: int, shares: int, norms: Any = None, **arguments: Any) -> list[Neighbours]:
    """What each of the shares finds."""
    rows = RowBlock(np.arange(matrix.shape[0], dtype=np.int32), matrix, norms)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return [share_neighbours(rows, k, n, shares, feature_counts=counts, **arguments) for n in range(shares)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sparse_matrices(), st.integers(1, 45))
def test_agrees_with_dense_float64(matrix: sp.csr_array, k: int) -> None:
    assert_top_k(top_k_neighbours(matrix, k), dense_cosine(matrix), k)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sparse_matrices(), st.integers(1, 10), st.integers(1, 5), st.integers(1, 45), st.sampled_from([1, 2]))
def test_any_split_gives_the_same_bits(matrix: sp.csr_array, k: int, tasks: int, size: int, threads: int) -> None:
    whole = top_k_neighbours(matrix, k, threads=threads)
    assert_same(whole, streamed(matrix, k, tasks, size))
    assert_same(whole, merge_neighbours(in_shares(matrix, k, tasks, threads=threads)[::-1]))
    start, stop = sorted(np.random.default_rng(size).integers(0, matrix.shape[0] + 1, 2))
    part = top_k_neighbours(matrix, k, start=start, stop=stop)
    assert_same(part, Neighbours(whole.indices[start:stop], whole.similarity[start:stop]))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(sparse_matrices(values=ratings), st.floats(0, 100))
def test_shrinkage_is_added_to_the_product_of_the_norms(matrix: sp.csr_array, shrinkage: float) -> None:
    assert_top_k(top_k_neighbours(matrix, 7, shrinkage=shrinkage), dense_cosine(matrix, shrinkage), 7)


@pytest.mark.parametrize(
    "arguments",
    [
        {"shrinkage": 20.0},
        {"min_similarity": 0.3},
        {"norms": np.linspace(3, 9, 700)},
        {"measure": "jaccard", "shrinkage": 2.0},
        {"measure": "log_likelihood", "min_similarity": 1.0},
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_shares_give_the_same_bits_by_every_measure(arguments: Any) -> None:
    random = np.random.default_rng(11)
    dense = random.random((700, 90)) < 1 / (2 + np.arange(90)) ** 0.6
    values = dense * (1.0 if "measure" in arguments else random.normal(size=dense.shape))
    matrix = sp.csr_array(values)
    whole = top_k_neighbours(matrix, 9, threads=1, **arguments)
    assert (whole.indices >= 0).sum() > 700
    assert_same(whole, merge_neighbours(in_shares(matrix, 9, shares=4, **arguments)))


def test_every_pair_is_in_one_share() -> None:
    """With lists of all other rows, the shares' similarities lie side by side in the whole."""
    random = np.random.default_rng(12)
    matrix = sp.csr_array(random.integers(1, 6, (300, 8)))
    dense = []
    for part in in_shares(matrix, 299, 3):
        row, place = np.nonzero(part.indices >= 0)
        dense.append(np.zeros((300, 300)))
        dense[-1][row, part.indices[row, place]] = part.similarity[row, place]
    met = np.array(dense) > 0
    assert (met.sum(axis=0) == 1 - np.eye(300)).all()
    assert (met.sum(axis=(1, 2)) > 20_000).all()  # of 89,700
    np.testing.assert_allclose(sum(dense), dense_cosine(matrix), atol=2e-6)


def test_costs_are_dealt_evenly() -> None:
    assert assign_shares(np.array([1, 5, 4, 3, 3, 2]), 2).tolist() == [0, 0, 1, 1, 0, 1]
    assert assign_shares(np.array([2.0]), 3).tolist() == [0]


@pytest.mark.parametrize("arguments", [(2, 2, 1), (-1, 2, 1), (0, 1, 0)])
def test_a_share_is_one_of_the_shares(arguments: tuple[int, int, int]) -> None:
    share, shares, threads = arguments
    block = RowBlock(np.arange(3, dtype=np.int32), sp.csr_array(np.eye(3)))
    with pytest.raises(ValueError, match="expected 0 <= share < shares"):
        share_neighbours(block, 1, share, shares, feature_counts=np.ones(3, np.int64), threads=threads)


def test_checkerboard() -> None:
    """Even rows share all features with even rows and none with odd ones."""
    board = sp.csr_array(np.indices((6, 8)).sum(axis=0) % 2 == 0, dtype=np.float32)
    result = top_k_neighbours(board, 3)
    assert result.indices.tolist() == [[2, 4, -1], [3, 5, -1], [0, 4, -1], [1, 5, -1], [0, 2, -1], [1, 3, -1]]
    assert result.similarity.tolist() == [[1.0, 1.0, 0.0]] * 6


def test_equal_similarities_are_listed_by_row_number() -> None:
    result = top_k_neighbours(sp.csr_array(np.ones((9, 1))), 3)
    assert result.indices[0].tolist() == [1, 2, 3]
    assert result.indices[8].tolist() == [0, 1, 2]


def test_ties_survive_any_number_of_candidates() -> None:
    """More equal rows than the kernel keeps candidates, in more than one block."""
    result = top_k_neighbours(sp.csr_array(np.ones((700, 3), np.float32)), 5, threads=2)
    for row in (0, 3, 350, 699):
        assert result.indices[row].tolist() == [other for other in range(6) if other != row][:5]
    assert (result.similarity == 1).all()


def test_larger_matrix_any_split() -> None:
    """Dense head, scattered tail, full lists, several blocks, more rows than one block of the kernel."""
    random = np.random.default_rng(3)
    popular = 1 / (1 + np.arange(300)) ** 0.8
    dense = (random.random((4500, 300)) < popular) * random.normal(size=(4500, 300)).astype(np.float32)
    matrix = sp.csr_array(dense)
    whole = top_k_neighbours(matrix, 20, threads=2)
    assert_same(whole, top_k_neighbours(matrix, 20, threads=1))
    assert_same(whole, streamed(matrix, 20, tasks=2, size=1700, threads=2))
    assert_same(whole, merge_neighbours(in_shares(matrix, 20, shares=3)))
    assert_same(whole, merge_neighbours(in_shares(matrix, 20, shares=2, threads=2)))
    part = slice(4000, 4100)
    unit = dense.astype(np.float64) / np.linalg.norm(dense, axis=1, keepdims=True).clip(1e-30)
    best = unit[part] @ unit.T
    best[np.arange(100), np.arange(4000, 4100)] = -2
    np.testing.assert_allclose(whole.similarity[part], -np.sort(-best, axis=1)[:, :20], atol=2e-6)


def test_a_head_of_many_bands_for_many_groups_of_queries() -> None:
    matrix = sp.random_array((4200, 2500), density=0.1, random_state=np.random.default_rng(4), format="csr")
    search = Search(Rule(COSINE, 0.0, 2500.0, -np.inf), 5, np.bincount(matrix.indices, minlength=2500), 1)
    search.own(np.arange(4200, dtype=np.int32), matrix)
    for block, _ in search.owned:
        assert np.median(block.depths) > 2 * BAND
        assert len(block.numbers) > SUMS / len(block.bound_size)
    whole = top_k_neighbours(matrix, 5, threads=1)
    assert_same(whole, streamed(matrix, 5, tasks=3, size=1700))
    unit = matrix.toarray()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    best = unit[:100] @ unit.T
    np.fill_diagonal(best, -2)
    np.testing.assert_allclose(whole.similarity[:100], -np.sort(-best, axis=1)[:, :5], atol=2e-6)


def test_fuller_panels_keep_more_features_dense() -> None:
    """Depths are the cheapest that do not grow, by trying all; what is left to scatter, and the answer, by NumPy."""
    random = np.random.default_rng(5)
    share = np.minimum(random.lognormal(-2.5, 1.2, (400, 1)), 1) / (1 + np.arange(200)) ** 0.3
    dense = (random.random((400, 200)) < share) * random.integers(1, 6, (400, 200)).astype(float)
    matrix = sp.csr_array(dense)
    counts = (dense != 0).sum(axis=0)
    search = Search(Rule(COSINE, 0.0, 200.0, -np.inf), 5, counts, 1)
    search.own(np.arange(400, dtype=np.int32), matrix)
    search.meet_itself()
    result = set()
    for block, _ in search.owned:
        held = dense[block.slots][:, np.argsort(search.rank)] != 0
        most = 200
        for panel, depth in enumerate(block.depths):
            lanes = held[panel * LANES : (panel + 1) * LANES]
            cost = np.append(0, np.cumsum(search.counts * (DENSE_COST - lanes.sum(axis=0))))[: most + 1]
            assert depth == cost.argmin()
            most = depth
        own = np.repeat(block.depths, LANES)[: len(held), None]
        scattered = (held & (np.arange(200) >= own)).sum(axis=0)
        assert (block.runs[:, 1].astype(int) - block.runs[:, 0] == scattered).all()
        result |= set(block.depths.tolist())
    assert len(result) > 3
    assert_top_k(Neighbours(*search.answer()), dense_cosine(matrix), 5)
    assert_same(top_k_neighbours(matrix, 5, threads=1), streamed(matrix, 5, tasks=2, size=150))


def test_blocks_are_cut_by_entries_and_by_rows() -> None:
    """Three times LANES full rows bring a block to its entries; rows of one entry fill it by their number."""
    lengths = np.array([100] * (10 * LANES) + [1] * (10 * LANES))
    result = find_cuts(lengths, rows=4 * LANES, entries=100 * 3 * LANES)
    assert result == [3 * LANES, 6 * LANES, 9 * LANES, 13 * LANES, 17 * LANES]
    assert find_cuts(lengths[:0], 64, 1) == []
    assert find_cuts(np.array([7]), 64, 1) == []


def test_negative_similarity_is_listed_last_and_zero_never() -> None:
    result = top_k_neighbours(sp.csr_array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), 3)
    assert result.indices.tolist() == [[2, 1, -1], [0, 2, -1], [0, 1, -1], [-1, -1, -1]]
    assert result.similarity[1].tolist() == [-1.0, -1.0, 0.0]


def test_min_similarity_is_included() -> None:
    matrix = sp.csr_array([[1.0, 0.0], [3.0, 4.0], [4.0, 3.0]])
    assert top_k_neighbours(matrix, 2, min_similarity=0.8).indices.tolist() == [[2, -1], [2, -1], [1, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="row 1: values must be finite, got"):
        top_k_neighbours(sp.csr_array([[1.0, 0.0], [2.0, value]]), 1)


@pytest.mark.parametrize("arguments", [{"k": 0}, {"k": 1, "start": 2, "stop": 1}, {"k": 1, "stop": 9}])
def test_arguments_out_of_range(arguments: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        top_k_neighbours(sp.csr_array(np.eye(3)), **arguments)


def test_no_rows() -> None:
    assert top_k_neighbours(sp.csr_array((0, 5)), 2).indices.shape == (0, 2)
    assert top_k_neighbours(sp.csr_array((3, 0)), 2).indices.tolist() == [[-1, -1]] * 3
