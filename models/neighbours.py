"""Exact nearest neighbours of sparse rows: the top-k most similar rows of every row.

Rows are the things compared (items, or users), columns are their features (users, or items). Every pair sums its
products in one global order of the features, most frequent first, so that neither threads, nor blocks, nor a
cluster changes a bit of the answer.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models import candidates
from models.blocks import MOST_ROWS, Block, fault, prepare
from models.measures import COSINE, JACCARD, LOG_LIKELIHOOD, Rule
from models.tiles import compare
from models.vectors import LANES

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
    """Some rows of the compared matrix: `matrix` [n, features] and their row numbers `rows`, int32 [n]."""

    rows: npt.NDArray[np.int32]
    matrix: sp.csr_array


class _Side(NamedTuple):
    """A prepared block as one side of a tile; `owner` is -1 where its rows want no neighbours."""

    block: Block
    limits: candidates.Limits
    owner: int


def top_k_neighbours(
    matrix: sp.csr_array,
    k: int,
    *,
    measure: Measure = "cosine",
    shrinkage: float = 0.0,
    min_similarity: float = -np.inf,
    start: int = 0,
    stop: int | None = None,
    threads: int = 0,
) -> Neighbours:
    """Exact top-k neighbours of rows start..stop of `matrix` [rows, features] among all its rows.

    measure, shrinkage: see `models.measures.similarity`; jaccard and log_likelihood take binary data.
    A row is never its own neighbour; pairs of similarity 0 (no shared feature) are not listed, negative ones are.
    min_similarity: the least to list. threads: 0 takes all the cores that this process may use.
    All rows: each pair is computed once, and kept for both of its ends.
    Raises ValueError, naming row and value, for values that are not finite (for sets: not 1).
    """
    stop = matrix.shape[0] if stop is None else stop
    if not 0 <= start <= stop <= matrix.shape[0]:
        raise ValueError(f"rows {start}..{stop}: expected 0 <= start <= stop <= {matrix.shape[0]}")
    rows = np.arange(matrix.shape[0], dtype=np.int32)
    search = _Search(matrix.shape[1], k, measure, shrinkage, min_similarity, threads, _feature_counts(matrix))
    if stop - start < matrix.shape[0]:
        search.own(RowBlock(rows[start:stop], matrix[start:stop]))
        search.meet(RowBlock(rows, matrix))
    else:
        search.own(RowBlock(rows, matrix))
        search.meet_itself()
    return search.answer()


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
    Memory: queries (14 bytes an entry), n × k neighbours (8 bytes each) and one block; blocks of 4,096 rows or a
    few times that are best. Arguments and errors as in `top_k_neighbours`.
    """
    search = _Search(queries.matrix.shape[1], k, measure, shrinkage, min_similarity, threads, feature_counts)
    search.own(queries)
    for block in blocks:
        search.meet(block)
    return search.answer()


def _feature_counts(matrix: sp.csr_array) -> npt.NDArray[np.int64]:
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


class _Search:
    """A search under way: the rows that want neighbours, prepared, and the best found so far."""

    def __init__(
        self,
        features: int,
        k: int,
        measure: Measure,
        shrinkage: float,
        least: float,
        threads: int,
        feature_counts: npt.NDArray[np.int64],
    ) -> None:
        if k < 1:
            raise ValueError(f"k = {k}: expected at least 1")
        if measure not in MEASURES:
            raise ValueError(f"measure = {measure!r}: expected one of {', '.join(MEASURES)}")
        if not 0 <= shrinkage < np.inf or (shrinkage and measure == "log_likelihood"):
            raise ValueError(f"shrinkage = {shrinkage}: expected at least 0, and 0 for log_likelihood")
        if len(feature_counts) != features:
            raise ValueError(f"feature_counts: expected {features} of them, got {len(feature_counts)}")
        order = np.argsort(-feature_counts, kind="stable")
        self.rank = np.empty(features, np.int32)
        self.rank[order] = np.arange(features, dtype=np.int32)
        self.counts = feature_counts[order].astype(np.int64)
        self.k = k
        self.rule = Rule(MEASURES[measure], float(shrinkage), float(features), float(least))
        self.threads = threads or len(os.sched_getaffinity(0))
        self.kept = candidates.empty(0, k, least)
        self.owned: list[_Side] = []

    def own(self, queries: RowBlock) -> None:
        """Take the rows that want neighbours. Smaller blocks where there are few rows, so that all threads have some."""
        n = queries.matrix.shape[0]
        self.kept = candidates.empty(n, self.k, self.rule.least)
        rows = min(MOST_ROWS, max(LANES, -(-n // (4 * self.threads * LANES)) * LANES))
        for block in self._blocks(queries, rows):
            limits = candidates.limits(self.rule, self.kept, block.slots, block.size, block.bound_scale)
            self.owned.append(_Side(block, limits, len(self.owned)))

    def meet(self, other: RowBlock) -> None:
        """Compare the owned rows with other rows, which want nothing."""
        for block in self._blocks(other, MOST_ROWS):
            visitor = _Side(block, candidates.closed(len(block.bound_size)), -1)
            self._run([(side, visitor) for side in self.owned])

    def meet_itself(self) -> None:
        """Compare the owned rows with each other: every pair of blocks once, neighbouring tiles sharing no block."""
        n = len(self.owned)
        tiles = [(self.owned[i], self.owned[i + apart]) for apart in range(1, n) for i in range(n - apart)]
        self._run([(side, _Side(side.block, candidates.closed(len(side.block.bound_size)), -1)) for side in self.owned] + tiles)

    def answer(self) -> Neighbours:
        """The neighbours, sorted."""
        n = len(self.kept.filled)
        indices, similarity = np.full((n, self.k), -1, np.int32), np.zeros((n, self.k), np.float32)

        def one(low: int) -> None:
            candidates.listed(self.kept, low, min(low + MOST_ROWS, n), indices, similarity)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(one, range(0, n, MOST_ROWS)))
        return Neighbours(indices, similarity)

    def _blocks(self, rows: RowBlock, most: int) -> Iterator[Block]:
        """The rows, fullest first, in prepared blocks."""
        matrix = _checked(rows, self.rule)
        order = np.argsort(-np.diff(matrix.indptr), kind="stable")
        parts = [order[low : low + most] for low in range(0, len(order), most)]
        numbers = rows.rows.astype(np.int32)

        def one(part: Any) -> Block:
            entries = (matrix.indptr, matrix.indices, matrix.data)
            return prepare(*entries, part, numbers[part], part, self.rank, self.counts, self.rule)

        with ThreadPoolExecutor(self.threads) as pool:
            return iter(list(pool.map(one, parts)))

    def _run(self, tiles: list[tuple[_Side, _Side]]) -> None:
        """Compare the tiles' sides; the side with fewer entries is the sparse one, since its entries set the cost."""

        def one(tile: tuple[_Side, _Side]) -> None:
            sparse, dense = sorted(tile, key=lambda side: len(side.block.ranks))
            compare(self.rule, self.kept, sparse.block, sparse.limits, dense.block, dense.limits)

        _in_turn(one, tiles, self.threads)


def _in_turn(work: Callable[[Any], None], tiles: list[tuple[_Side, _Side]], threads: int) -> None:
    """Work through the tiles with threads, never on two at once that write to the same owner's heaps."""
    changed = threading.Condition()
    waiting, busy = list(tiles), set[int]()

    def take() -> tuple[_Side, _Side] | None:
        while waiting:
            for n, tile in enumerate(waiting):
                if not any(side.owner in busy for side in tile):
                    busy.update(side.owner for side in tile if side.owner >= 0)
                    return waiting.pop(n)
            changed.wait()
        return None

    def worker() -> None:
        while True:
            with changed:
                tile = take()
            if tile is None:
                return
            try:
                work(tile)
            finally:
                with changed:
                    busy.difference_update(side.owner for side in tile)
                    changed.notify_all()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(worker) for _ in range(threads)]:
            done.result()


def _checked(rows: RowBlock, rule: Rule) -> sp.csr_array:
    """The rows as a canonical CSR matrix of floats; raises ValueError for values that cannot be compared."""
    matrix = sp.csr_array(rows.matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    data = matrix.data if matrix.data.dtype in (np.float32, np.float64) else matrix.data.astype(np.float64)
    row, value = fault(matrix.indptr, data, rule.measure != COSINE)
    if row >= 0:
        expected = "finite" if rule.measure == COSINE or not np.isfinite(value) else "1 where sets are compared"
        raise ValueError(f"row {rows.rows[row]}: values must be {expected}, got {value}")
    parts = (data, matrix.indices.astype(np.int32, copy=False), matrix.indptr.astype(np.int64, copy=False))
    return sp.csr_array(parts, shape=matrix.shape, copy=False)
