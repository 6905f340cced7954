"""Sparse matrices on storage, as blocks of rows in Parquet: what the tasks that compare rows read.

`jobs/similarity/layout.py` writes them.

<folder>/parts/<name>/*.arrow                  what tasks have for each block, until the blocks are written
<folder>/blocks/block=<name>.<b>/*.parquet     entries of block_rows rows from b · block_rows on
<folder>/counts/matrix=<name>/*.parquet        how many rows of each block hold each feature
<folder>/totals/matrix=<name>/*.parquet        the same of all blocks, where they are many
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.spark.parquet import read_folder, write_folder
from jobs.spark.parts import BlockStore
from jobs.storage.files import count_rows, folders, listing, parquet_rows
from jobs.storage.frames import read
from models.features.hybrid import hybrid, side_by_side
from models.kernels.neighbours import RowBlock
from models.sorting import distinct

ENTRIES = pa.schema([("row", pa.int32()), ("feature", pa.int32()), ("value", pa.float64())])
STORED = ENTRIES.append(pa.field("age_days", pa.float64()))
COUNTS = pa.schema([("feature", pa.int32()), ("rows", pa.int64())])
MAX_COUNTS = 1 << 22  # that each task adds up itself: read in 0.3 s

BLOCK_ENTRIES = 1 << 22  # that a block is to have, on average
MIN_BLOCK_ROWS = 64

Ints = npt.NDArray[np.int64]


def choose_block_rows(most: int, entries: int, rows: int) -> int:
    """How many rows a block gets: `most`, or fewer where rows are so full that its entries would be too many.

    So a task needs the same memory whatever the number of features. No block size changes a row of the lists.
    """
    full = BLOCK_ENTRIES * rows // max(entries, 1)
    return max(min(most, full // MIN_BLOCK_ROWS * MIN_BLOCK_ROWS), MIN_BLOCK_ROWS)


def read_matrix(spark: SparkSession, store: BlockStore, name: str) -> DataFrame:
    """The entries of a matrix: (row, feature, value, age_days), the last null where it was not written."""
    stored = read_folder(spark, f"{store.folder}/blocks", STORED.append(pa.field("block", pa.string())), "block")
    return stored.where(F.substring_index("block", ".", 1) == name).drop("block")


def write_totals(spark: SparkSession, folder: str) -> None:
    """Adds up how many rows hold each feature, for tasks that would else all do it; few they do in less than Spark."""
    if count_rows(listing(f"{folder}/counts", ".parquet", recursive=True)) <= MAX_COUNTS:
        return
    schema = COUNTS.append(pa.field("matrix", pa.string()))
    counted = read_folder(spark, f"{folder}/counts", schema, "matrix")
    totals = counted.groupBy("matrix", "feature").agg(F.sum("rows").alias("rows"))
    write_folder(totals, f"{folder}/totals", schema, "matrix")


@dataclass(frozen=True)
class ComparedRows:
    """The rows of one comparison: of the matrix `events`, the parts of `content` side by side, or both as a hybrid.

    `events` is '' where only content counts, `content` empty where only events do; alpha: see `models.features.hybrid`.
    """

    folder: str
    events: str
    content: tuple[str, ...] = ()
    alpha: float = 0.5

    @property
    def matrices(self) -> tuple[str, ...]:
        """All of them, in the order of their features."""
        return (self.events, *self.content) if self.events else self.content

    @cached_property
    def blocks(self) -> list[int]:
        """Numbers of the blocks in which a matrix has entries."""
        names = [name.removeprefix("block=").split(".") for name in folders(f"{self.folder}/blocks")]
        return sorted({int(block) for matrix, block in names if matrix in self.matrices})

    @property
    def entries(self) -> int:
        """How many entries the matrices have together, by the footers of their files."""
        blocks = (f"{self.folder}/blocks/block={name}.{number}" for name in self.matrices for number in self.blocks)
        return sum(parquet_rows(file) for block in blocks for file in listing(block, ".parquet"))

    @cached_property
    def counts(self) -> Ints:
        """int64 [features]: how many rows hold each feature."""
        return np.concatenate([self._counts[name] for name in self.matrices])

    @property
    def features(self) -> int:
        """How many features there are."""
        return len(self.counts)

    @cached_property
    def _counts(self) -> dict[str, Ints]:
        counts = {}
        for name in self.matrices:
            folders = (f"{self.folder}/{some}/matrix={name}" for some in ("totals", "counts"))
            counted = read(next(filter(None, (listing(some, ".parquet") for some in folders)), []), COUNTS)
            feature = counted["feature"].to_numpy()
            counts[name] = np.zeros(feature.max(initial=-1) + 1, np.int64)
            np.add.at(counts[name], feature, counted["rows"].to_numpy())
        return counts

    def block(self, number: int) -> RowBlock:
        """One block; a row without entries does not appear."""
        stored = [self._entries(name, number) for name in self.matrices]
        if len(stored) == 1:
            return RowBlock(*stored[0])
        rows = distinct(np.concatenate([some for some, _ in stored]))
        parts = [_expand(*part, rows) for part in stored]
        if not self.events:
            return RowBlock(rows, side_by_side(parts))
        content = parts[1] if len(parts) == 2 else side_by_side(parts[1:])
        return RowBlock(rows, *hybrid(parts[0], content, self.alpha))

    def _entries(self, name: str, number: int) -> tuple[npt.NDArray[np.int32], sp.csr_array]:
        entries = read(listing(f"{self.folder}/blocks/block={name}.{number}", ".parquet"), ENTRIES)
        row = entries["row"].to_numpy()
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        indptr = np.append(starts, len(row)).astype(np.int32)  # 64 bits would make the indices as wide
        feature = entries["feature"].to_numpy()
        shape = (len(starts), max(len(self._counts[name]), feature.max(initial=-1) + 1))  # before counts are written
        return row[starts], sp.csr_array((entries["value"].to_numpy(), feature, indptr), shape)


def _expand(rows: npt.NDArray[np.int32], part: sp.csr_array, wanted: npt.NDArray[np.int32]) -> sp.csr_array:
    """The part with an empty row for each of the `wanted` that it lacks."""
    lengths = np.zeros(len(wanted), np.int64)
    lengths[np.searchsorted(wanted, rows)] = np.diff(part.indptr)
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(part.indptr.dtype)
    return sp.csr_array((part.data, part.indices, indptr), shape=(len(wanted), part.shape[1]))
