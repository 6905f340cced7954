"""Exact nearest neighbours of sparse rows: the top-k most similar rows of every row.

Rows are the things compared (items, or users), columns are their features (users, or items). Every pair sums its
products in one global order of the features, the one that most rows have first, in float32 (integers are exact to
2^24), so that neither threads, nor blocks, nor a cluster changes a bit of the answer.

`search` plans, `blocks` lays rows out, `tiles` multiplies, `candidates` keeps the best, `measures` turns a product
into a similarity; `vectors` are the few operations that numba is told in LLVM code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.kernels import candidates
from models.kernels.measures import COSINE, JACCARD, LOG_LIKELIHOOD, Rule
from models.kernels.search import Search

Measure = Literal["cosine", "jaccard", "log_likelihood"]
MEASURES: dict[Measure, int] = {"cosine": COSINE, "jaccard": JACCARD, "log_likelihood": LOG_LIKELIHOOD}


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of n rows, best first; equal similarities by smaller row number.

    indices: int32 [n, k], row numbers of the neighbours, padded with -1.
    similarity: float32 [n, k], padded with 0.
    """

    indices: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RowBlock:
    """Some rows of the compared matrix: `matrix` [n, features] and their row numbers `rows`, int32 [n].

    norms: float64 [n] > 0, lengths that cosine divides by in place of the rows' own; see `models.features.hybrid`.
    """

    rows: npt.NDArray[np.int32]
    matrix: sp.csr_array
    norms: npt.NDArray[np.float64] | None = None


def top_k_neighbours(
    matrix: sp.csr_array,
    k: int,
    *,
    measure: Measure = "cosine",
    norms: npt.NDArray[np.float64] | None = None,
    shrinkage: float = 0.0,
    min_similarity: float = -np.inf,
    start: int = 0,
    stop: int | None = None,
    threads: int = 0,
) -> Neighbours:
    """Exact top-k neighbours of rows start..stop of `matrix` [rows, features] among all its rows.

    measure, shrinkage: see `models.kernels.measures.similarity`; jaccard and log_likelihood take binary data.
    norms: float64 [rows] > 0, lengths that cosine divides by in place of the rows' own; see `models.features.hybrid`.
    A row is never its own neighbour; pairs of similarity 0 (no shared feature) are not listed, negative ones are.
    min_similarity: the least to list, rounded to float32. threads: 0 takes all cores that this process may use.
    Where all rows are asked for, each pair is computed once and kept for both of its ends.
    Memory: 14 bytes an entry, 16 · k bytes a row that wants neighbours (k >= 64), up to 17 MiB a thread.
    Raises ValueError, naming row and value, for values that are not finite (for sets: not 1).
    """
    stop = matrix.shape[0] if stop is None else stop
    if not 0 <= start <= stop <= matrix.shape[0]:
        raise ValueError(f"rows {start}..{stop}: expected 0 <= start <= stop <= {matrix.shape[0]}")
    rows = np.arange(matrix.shape[0], dtype=np.int32)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    search = Search(_rule(matrix, k, measure, shrinkage, min_similarity), k, counts, threads)
    if stop - start < matrix.shape[0]:
        search.own(rows[start:stop], matrix[start:stop], None if norms is None else norms[start:stop])
        search.meet(rows, matrix, norms)
    else:
        search.own(rows, matrix, norms)
        search.meet_itself()
    return Neighbours(*search.answer())


def stream_neighbours(
    queries: RowBlock,
    blocks: Iterable[RowBlock],
    k: int,
    *,
    feature_counts: npt.NDArray[np.int64],
    measure: Measure = "cosine",
    shrinkage: float = 0.0,
    min_similarity: float = -np.inf,
    threads: int = 0,
) -> Neighbours:
    """Exact top-k neighbours of the query rows among the rows of `blocks`, which pass by once.

    feature_counts: int [features], how many rows of the whole matrix hold each feature; it fixes the order of
    summation, so that every task, whatever its queries and blocks, gives the bits of `top_k_neighbours`.
    Memory: that of the queries and of one block; blocks of 4,096 rows, or some times that, are best.
    Arguments and errors as in `top_k_neighbours`.
    """
    rule = _rule(queries.matrix, k, measure, shrinkage, min_similarity)
    search = Search(rule, k, _check_counts(feature_counts, queries.matrix), threads)
    search.own(queries.rows, queries.matrix, queries.norms)
    for block in blocks:
        if block.matrix.shape[1] != queries.matrix.shape[1]:
            raise ValueError(f"block: expected {queries.matrix.shape[1]} features, got {block.matrix.shape[1]}")
        search.meet(block.rows, block.matrix, block.norms)
    return Neighbours(*search.answer())


def share_neighbours(
    rows: RowBlock,
    k: int,
    share: int,
    shares: int,
    *,
    feature_counts: npt.NDArray[np.int64],
    measure: Measure = "cosine",
    shrinkage: float = 0.0,
    min_similarity: float = -np.inf,
    threads: int = 1,
) -> Neighbours:
    """The top-k neighbours of all rows among the pairs of one share.

    Every pair is in one of the shares 0..shares - 1, which are of about equal work; `merge_neighbours` makes one
    answer of theirs, with the bits of `top_k_neighbours`. Which pairs are in a share follows from all arguments,
    threads too: they must be the same for all shares.
    Memory: 14 bytes an entry, 24 · k bytes a row (k >= 64), up to 17 MiB a thread.
    Other arguments and errors as in `stream_neighbours`.
    """
    if not 0 <= share < shares or threads < 1:
        raise ValueError(f"share {share} of {shares}, threads = {threads}: expected 0 <= share < shares, threads >= 1")
    rule = _rule(rows.matrix, k, measure, shrinkage, min_similarity)
    search = Search(rule, k, _check_counts(feature_counts, rows.matrix), threads, shares)
    search.own(rows.rows, rows.matrix, rows.norms)
    search.meet_itself(share)
    return Neighbours(*search.answer())


def merge_neighbours(parts: Sequence[Neighbours]) -> Neighbours:
    """The best k of the lists that each row has in the parts, at least one, all [n, k] and with no pair in common."""
    n, k = parts[0].indices.shape
    kept = candidates.empty(n, k, -np.inf)
    for part in parts:
        candidates.add_lists(kept, part.indices, part.similarity)
    best = Neighbours(np.full((n, k), -1, np.int32), np.zeros((n, k), np.float32))
    candidates.write_lists(kept, 0, n, best.indices, best.similarity)
    return best


def _check_counts(counts: npt.NDArray[np.int64], matrix: sp.csr_array) -> npt.NDArray[np.int64]:
    if counts.shape != (matrix.shape[1],):
        raise ValueError(f"feature_counts: expected {matrix.shape[1]} counts, got {counts.shape}")
    return counts


def _rule(matrix: sp.csr_array, k: int, measure: Measure, shrinkage: float, least: float) -> Rule:
    if k < 1:
        raise ValueError(f"k = {k}: expected at least 1")
    if measure not in MEASURES:
        raise ValueError(f"measure = {measure!r}: expected one of {', '.join(MEASURES)}")
    if not 0 <= shrinkage < np.inf or (shrinkage and measure == "log_likelihood"):
        raise ValueError(f"shrinkage = {shrinkage}: expected at least 0, and 0 for log_likelihood")
    if np.isnan(least):
        raise ValueError("min_similarity = nan: expected a number")
    return Rule(MEASURES[measure], float(shrinkage), float(matrix.shape[1]), float(least))
