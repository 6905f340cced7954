"""Balances the comparison over tasks: pieces of the rows of equal work, so that rows with much of it do not stall one.

A row costs 2 Σ n_f + n: a multiply-add for each of the n_f rows that share its feature f, and one look, at half the
price, at the product with each of all n rows. Rows line up in their order; a piece owns those whose cost begins in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import SparkSession

from jobs.similarity.matrix import ComparedRows
from models.kernels.neighbours import RowBlock

PASS_ROWS = 1 << 16  # rows that a task compares at once: with 100 neighbours their lists take 100 MiB
PASS_ENTRIES = 1 << 24  # and their entries; more rows take another pass over the blocks


@dataclass(frozen=True)
class BlockSize:
    """A block: how many rows it has, and what they cost."""

    block: int
    rows: int
    cost: int


@dataclass(frozen=True)
class Piece:
    """The rows that begin at cost low..high of the line; `blocks`: (block, cost of all rows before it)."""

    low: int
    high: int
    blocks: tuple[tuple[int, int], ...]


def feature_work(block: RowBlock, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 [n]: Σ n_f over the features f of each row."""
    summed = np.concatenate(([0], np.cumsum(counts[block.matrix.indices])))
    sums: npt.NDArray[np.int64] = np.diff(summed[block.matrix.indptr])
    return sums


def cost(work: Any, rows: Any, every: int) -> Any:
    """What rows with so much work cost, among `every` rows."""
    return 2 * work + rows * every


def measure_blocks(spark: SparkSession, compared: Sequence[ComparedRows], tasks: int) -> list[list[BlockSize]]:
    """The sizes of the blocks of each in their order: a few numbers a block, from so many tasks or fewer."""
    every = [(n, number) for n, one in enumerate(compared) for number in one.blocks]

    def sizes(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                n, at = every[number]
                block, counts = compared[n].block(at), compared[n].counts
                size = {"n": n, "block": at, "rows": len(block.rows), "work": int(feature_work(block, counts).sum())}
                yield pa.RecordBatch.from_pylist([size])

    numbers = spark.range(0, len(every), 1, min(tasks, len(every)))
    measured = numbers.mapInArrow(sizes, "n long, block long, rows long, work long").collect()
    by_method = [  # sorted here: a sort of Spark would measure twice
        sorted((row for row in measured if row.n == n), key=lambda row: row.block) for n in range(len(compared))
    ]
    rows = [sum(row.rows for row in some) for some in by_method]
    return [
        [BlockSize(row.block, row.rows, cost(row.work, row.rows, rows[n])) for row in some]
        for n, some in enumerate(by_method)
    ]


def cut_pieces(sizes: Sequence[BlockSize], count: int) -> list[Piece]:
    """About `count` pieces of equal cost."""
    before = np.concatenate(([0], np.cumsum([size.cost for size in sizes]))).tolist()
    cut = []
    for n in range(count):
        low, high = before[-1] * n // count, before[-1] * (n + 1) // count
        over = [(s.block, b) for s, b, e in zip(sizes, before, before[1:], strict=False) if b < high and e > low]
        cut.append(Piece(low, high, tuple(over)))
    return cut


def read_piece(rows: ComparedRows, piece: Piece, every: int) -> Iterator[RowBlock]:
    """The rows of a piece, as many at once as a task has memory for. every: how many rows there are in all."""
    kept: list[RowBlock] = []
    entries = 0
    for number, before in piece.blocks:
        block = rows.block(number)
        each = cost(feature_work(block, rows.counts), 1, every)
        starts = before + np.cumsum(each) - each
        mine = np.flatnonzero((starts >= piece.low) & (starts < piece.high))
        if len(mine):
            low, high = mine[0], mine[-1] + 1
            kept.append(_part(block, low, high))
        entries = sum(b.matrix.nnz for b in kept)
        if sum(len(b.rows) for b in kept) >= PASS_ROWS or entries >= PASS_ENTRIES:
            yield concatenate(kept, entries)
            kept = []
    if kept:
        yield concatenate(kept, entries)


def _part(block: RowBlock, low: int, high: int) -> RowBlock:
    norms = None if block.norms is None else block.norms[low:high]
    return RowBlock(block.rows[low:high], sp.csr_array(block.matrix[low:high]), norms)


def concatenate(blocks: Iterable[RowBlock], entries: int) -> RowBlock:
    """All rows of some blocks, at least one, as one block: filled while they are read, so that it alone is in memory.

    entries: how many they have, or more.
    """
    features, data = np.empty(entries, np.int32), np.empty(entries)
    rows: list[npt.NDArray[np.int32]] = []
    norms: list[npt.NDArray[np.float64]] = []
    lengths: list[npt.NDArray[np.int32]] = []
    end = width = 0
    for block in blocks:
        begin, end, width = end, end + block.matrix.nnz, block.matrix.shape[1]
        features[begin:end], data[begin:end] = block.matrix.indices, block.matrix.data
        lengths.append(np.diff(block.matrix.indptr))
        rows.append(block.rows)
        if block.norms is not None:
            norms.append(block.norms)
    indptr = np.append(0, np.cumsum(np.concatenate(lengths), dtype=np.int64)).astype(np.int32)
    matrix = sp.csr_array((data[:end], features[:end], indptr), (len(indptr) - 1, width))
    return RowBlock(np.concatenate(rows), matrix, np.concatenate(norms) if norms else None)
