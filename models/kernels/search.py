"""A search for neighbours: rows cut into blocks, blocks compared in tiles by threads, the best kept for every row."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.kernels import candidates
from models.kernels.blocks import MAX_ROWS, Block, fault, prepare
from models.kernels.measures import COSINE, Rule
from models.kernels.tiles import Memory, compare, cost, memory
from models.kernels.vectors import LANES

Array = npt.NDArray[Any]
BLOCKS_A_THREAD = 4  # of equal entries where rows differ much; shares have more tiles to choose from, one is enough


class Side(NamedTuple):
    """A block as one side of a tile; `owner` is -1 where its rows want no neighbours."""

    block: Block
    owner: int


Tile = tuple[Side, Side]


class Search:
    """Rows that want neighbours, prepared, and the best found so far.

    counts: int64 [features], rows having each. shares: of how many searches this is one, with as many threads each.
    """

    def __init__(self, rule: Rule, k: int, counts: npt.NDArray[np.int64], threads: int, shares: int = 1) -> None:
        order = np.argsort(-counts, kind="stable")
        self.rank = np.empty(len(counts), np.int32)
        self.rank[order] = np.arange(len(counts), dtype=np.int32)
        self.counts = counts[order].astype(np.int64)
        self.rule = rule
        self.k = k
        self.threads = threads or len(os.sched_getaffinity(0))
        self.shares = shares
        self.kept = candidates.empty(0, k, rule.least)
        self.owned: list[Side] = []
        self.memory: list[Memory] = []

    def own(self, numbers: Array, matrix: sp.csr_array, norms: Array | None = None) -> None:
        """Take the rows that want neighbours, in small blocks where they are few, so that all threads have some."""
        n, workers = matrix.shape[0], self.threads * self.shares
        self.kept = candidates.empty(n, self.k, self.rule.least)
        most = min(MAX_ROWS, max(LANES, -(-n // (2 * workers * LANES)) * LANES))
        # Cut by rows alone, the fullest rows would be one block with most of the entries, and one thread's work.
        parts = workers * BLOCKS_A_THREAD if self.threads > 1 else self.shares
        entries = -(-matrix.nnz // parts)
        blocks = self._blocks(numbers, matrix, norms, most, entries)
        self.owned = [Side(block, owner) for owner, block in enumerate(blocks)]
        self.memory = [memory(matrix.nnz) for _ in range(self.threads)]

    def meet(self, numbers: Array, matrix: sp.csr_array, norms: Array | None = None) -> None:
        """Compare the owned rows with other rows, which want nothing."""
        visitors = [Side(block, -1) for block in self._blocks(numbers, matrix, norms, MAX_ROWS, matrix.nnz)]
        self._run([queries_first(side, visitor) for visitor in visitors for side in self.owned])

    def meet_itself(self, share: int = 0) -> None:
        """Compare the owned rows with each other: every pair once, in one of the shares; most similar rows first."""
        n = len(self.owned)
        tiles = [queries_first(self.owned[i], self.owned[i + apart]) for apart in range(n) for i in range(n - apart)]
        if self.shares > 1:
            costs = np.array([cost(queries.block, other.block, queries is other) for queries, other in tiles])
            tiles = [tiles[n] for n in np.flatnonzero(assign_shares(costs, self.shares) == share)]
        self._run(tiles)

    def answer(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Row numbers and similarities of the neighbours, [n, k], best first, padded with -1 and 0."""
        n = len(self.kept.filled)
        indices, similarity = np.full((n, self.k), -1, np.int32), np.zeros((n, self.k), np.float32)

        def one(low: int) -> None:
            candidates.write_lists(self.kept, low, min(low + MAX_ROWS, n), indices, similarity)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(one, range(0, n, MAX_ROWS)))
        return indices, similarity

    def _blocks(
        self, numbers: Array, matrix: sp.csr_array, norms: Array | None, rows: int, entries: int
    ) -> list[Block]:
        """The rows, fullest first, in prepared blocks of at most `rows` and about `entries`."""
        matrix = check_matrix(numbers, matrix, self.rule)
        norms = check_norms(numbers, norms, self.rule)
        lengths = np.diff(matrix.indptr)
        order = np.argsort(-lengths, kind="stable")

        def one(part: Array) -> Block:
            csr = (matrix.indptr, matrix.indices, matrix.data)
            given = None if norms is None else norms[part]
            return prepare(*csr, part, numbers[part].astype(np.int32), given, self.rank, self.counts, self.rule)

        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(one, np.split(order, find_cuts(lengths[order], rows, entries))))

    def _run(self, tiles: Sequence[Tile]) -> None:
        """Compare the sides of each tile, queries first."""

        def one(tile: Tile, thread: int) -> None:
            queries, other = tile
            own = queries.owner >= 0, other.owner >= 0
            compare(self.rule, self.kept, queries.block, other.block, *own, queries is other, self.memory[thread])

        run_tiles(one, tiles, self.threads)


def queries_first(side: Side, other: Side) -> Tile:
    """The two sides as a tile: the one with fewer entries as queries, since their entries set the cost."""
    return (side, other) if len(side.block.ranks) <= len(other.block.ranks) else (other, side)


def assign_shares(costs: Array, shares: int) -> Array:
    """Whose of the shares each of the costs [n] is, int64 [n]: the dearest first, each to who has least so far."""
    given, whose = np.zeros(shares), np.zeros(len(costs), np.int64)
    for n in np.argsort(-costs, kind="stable"):
        whose[n] = np.argmin(given)
        given[whose[n]] += costs[n]
    return whose


def find_cuts(lengths: Array, rows: int, entries: int) -> list[int]:
    """Where to cut rows of so many entries, int [n], into blocks of at most `rows`, the last of which brings it to
    `entries` or more; whole lanes, but for the last block."""
    before = np.append(0, np.cumsum(lengths))
    cuts = [0]
    while cuts[-1] < len(lengths):
        low = cuts[-1]
        full = int(np.searchsorted(before, before[low] + entries)) - low
        cuts.append(low + min(rows, max(LANES, -(-full // LANES) * LANES)))
    return cuts[1:-1]


def run_tiles(work: Callable[[Tile, int], None], tiles: Sequence[Tile], threads: int) -> None:
    """Work through the tiles with numbered threads, never on two at once that keep candidates of the same owner."""
    changed = threading.Condition()
    waiting, busy = list(tiles), set[int]()

    def take() -> Tile | None:
        while waiting:
            for n, tile in enumerate(waiting):
                if not any(side.owner in busy for side in tile):
                    busy.update(side.owner for side in tile if side.owner >= 0)
                    return waiting.pop(n)
            changed.wait()
        return None

    def worker(thread: int) -> None:
        while True:
            with changed:
                tile = take()
            if tile is None:
                return
            try:
                work(tile, thread)
            finally:
                with changed:
                    busy.difference_update(side.owner for side in tile)
                    changed.notify_all()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(worker, thread) for thread in range(threads)]:
            done.result()


def check_matrix(numbers: Array, matrix: sp.csr_array, rule: Rule) -> sp.csr_array:
    """The matrix in canonical CSR form, with float values; raises ValueError for values that cannot be compared."""
    matrix = sp.csr_array(matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if matrix.data.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float64)
    row, value = fault(matrix.indptr, matrix.data, rule.measure != COSINE)
    if row >= 0:
        expected = "finite" if not np.isfinite(value) else "1 where sets are compared"
        raise ValueError(f"row {numbers[row]}: values must be {expected}, got {value}")
    return matrix


def check_norms(numbers: Array, norms: Array | None, rule: Rule) -> Array | None:
    """The given norms; raises ValueError where they are no lengths, or no cosine is asked for."""
    if norms is None:
        return None
    if rule.measure != COSINE or rule.shrinkage:
        raise ValueError("norms are for cosine without shrinkage alone")
    if norms.shape != numbers.shape or not ((norms > 0) & np.isfinite(norms)).all():
        raise ValueError(f"norms: expected {len(numbers)} finite numbers above 0, got {norms}")
    return norms
