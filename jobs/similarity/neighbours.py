"""Exact k-nearest neighbours of all rows as Spark tasks, in one of three plans that give the same rows, bit for bit.

Whole: what is small is compared by one task.
Shares: what fits a task is compared by as many tasks as there are cores. Each meets its share of all pairs, every
pair is met once, and other tasks merge their lists (2 · 8 · k bytes a row and share, written and read once).
Streams: of anything larger a task owns a piece of the rows and streams all blocks past it. Every pair is met twice, and
nothing is merged.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.similarity.matrix import ComparedRows, write_totals
from jobs.similarity.numbering import NumberedIds
from jobs.similarity.pieces import Piece, concatenate, cut_pieces, measure_blocks, read_piece
from jobs.spark.parts import run_tasks
from jobs.storage.files import create_folder
from jobs.storage.frames import read, write, write_batches
from models.kernels.neighbours import (
    Measure,
    Neighbours,
    RowBlock,
    merge_neighbours,
    share_neighbours,
    stream_neighbours,
)
from schemas.tables import TABLES

# A share holds 26 bytes an entry, as it was read and as it is compared, and 24 a neighbour: 1.2 GiB where both bounds
# are met, 1.5 with Python and its libraries (measured).
SHARED_ENTRIES = 1 << 25
SHARED_NEIGHBOURS = 1 << 24  # rows · k
WHOLE_PRODUCTS = 1 << 34  # entries · rows is the most there can be: so few take one task less than a merge does
MAX_SHARES = 16  # each lays out all rows and lists neighbours of all, which more of them would not make up for
TASKS_PER_CORE = 2  # that stream: more of them even out what cores do beside; each reads all blocks, or all counts
BATCH_ROWS = 1 << 14  # whose neighbours are named at once
Array = npt.NDArray[Any]
LISTS = pa.schema([("row", pa.int32()), ("similar_row", pa.int32()), ("similarity", pa.float32())])
PLAIN = {"similar_row": "PLAIN", "similarity": "PLAIN"}  # columns of LISTS that a dictionary makes no smaller

Task = Callable[[], None]


class Comparison(NamedTuple):
    """One method as tasks carry it out."""

    method: str
    rows: ComparedRows
    measure: Measure
    shrinkage: float


@dataclass(frozen=True)
class SimilarityTable:
    """The table that tasks write: the `k` nearest of every entity, with the same domain and ds in all rows.

    ids: of the entities by row. folder: of its files.
    """

    entity: str
    domain: str
    ds: str
    ids: NumberedIds
    k: int
    folder: str

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table."""
        return TABLES[f"{self.entity}_similarity"].schema

    def rows(self, method: str, rows: Array, lists: Neighbours) -> pa.RecordBatch:
        """Neighbours of some row numbers, padded with -1, as rows of the table."""
        present = lists.indices >= 0
        owner, place = np.nonzero(present)
        columns = {
            "domain": pa.repeat(self.domain, len(owner)),
            "ds": pa.repeat(self.ds, len(owner)),
            "method": pa.repeat(method, len(owner)),
            f"{self.entity}_id": self.ids.names(rows).take(pa.array(owner)),
            "rank": pa.array((place + 1).astype(np.int32)),
            f"similar_{self.entity}_id": self.ids.names(lists.indices[present]),
            "similarity": pa.array(lists.similarity[present]),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in self.schema.names], schema=self.schema)


@dataclass(frozen=True)
class Lists:
    """The lists of the `number`-th method, as tasks write them: rows of the table in files of its folder."""

    number: int
    comparison: Comparison
    table: SimilarityTable
    threads: int

    @property
    def compared(self) -> ComparedRows:
        """The rows that are compared."""
        return self.comparison.rows

    @property
    def unmerged(self) -> str:
        """The folder of the lists of shares, beside the matrix."""
        return f"{self.compared.folder}/lists/method={self.number}"

    def write(self, lists: Iterable[tuple[Array, Neighbours]], part: int) -> None:
        """Writes the lists of some row numbers, in their order. Files stand in the order of method and part."""
        batches = (
            self.table.rows(self.comparison.method, rows[at], Neighbours(some.indices[at], some.similarity[at]))
            for rows, some in lists
            for at in (slice(low, low + BATCH_ROWS) for low in range(0, len(rows), BATCH_ROWS))
        )
        write_batches(batches, self.table.schema, self.table.folder, f"part-{self.number:03d}-{part:05d}")


def write_neighbours(spark: SparkSession | None, comparisons: Sequence[Comparison], table: SimilarityTable) -> None:
    """Writes the table, a file a task: the k nearest of all rows by each method, in the table's order.

    Tasks write themselves, under the same names if they are tried again: no row of a list goes through the JVM. Without
    Spark this process compares all rows whole.
    """
    create_folder(table.folder)  # also where there is nothing to write: then the table has no rows tonight
    threads = len(os.sched_getaffinity(0)) if spark is None else int(spark.conf.get("spark.task.cpus", "1") or 1)
    every = [Lists(n, one, table, threads) for n, one in enumerate(comparisons) if one.rows.blocks]
    if spark is None:
        run_tasks(None, [partial(write_whole, lists) for lists in every])
        return
    plans = [choose_plan(lists.compared, table) for lists in every]
    whole, shared, streamed = (
        [lists for lists, plan in zip(every, plans, strict=True) if plan == name]
        for name in ("whole", "shares", "streams")
    )
    wide = count_cores(spark) if shared or streamed else 1
    shares = min(wide, MAX_SHARES)
    for folder in {lists.compared.folder for lists in streamed}:
        write_totals(spark, folder)
    tasks = plan_streams(spark, streamed, wide) if streamed else []
    tasks += [partial(write_share, lists, share, shares) for lists in shared for share in range(shares)]
    tasks += [partial(write_whole, lists) for lists in whole]
    run_tasks(spark, tasks)
    run_tasks(spark, [partial(merge_shares, lists, part, shares) for lists in shared for part in range(shares)])


def choose_plan(rows: ComparedRows, table: SimilarityTable) -> Literal["whole", "shares", "streams"]:
    """How to compare so many rows."""
    count = table.ids.count
    if count * table.k > SHARED_NEIGHBOURS or (entries := rows.entries) > SHARED_ENTRIES:
        return "streams"
    return "shares" if entries * count > WHOLE_PRODUCTS else "whole"


def count_cores(spark: SparkSession) -> int:
    """How many tasks Spark runs at once: the partitions that it gives to a range of its own accord."""
    last = spark.range(1 << 16).select(F.spark_partition_id()).tail(1)
    return int(last[0][0]) + 1


def write_whole(lists: Lists) -> None:
    """Writes the lists of all rows."""
    lists.write([compare_share(lists, 0, 1)], 0)


def write_share(lists: Lists, share: int, shares: int) -> None:
    """Writes the lists of a share of the pairs as a file for each share, which will merge those of all others."""
    rows, nearest = compare_share(lists, share, shares)
    for part, at in enumerate(np.array_split(np.arange(len(rows)), shares)):
        similar = [nearest.indices[at].reshape(-1), nearest.similarity[at].reshape(-1)]
        columns = [np.repeat(rows[at], lists.table.k), *similar]
        write(pa.table(columns, LISTS), lists.unmerged, f"part-{part:02d}-{share:02d}", encodings=PLAIN)


def compare_share(lists: Lists, share: int, shares: int) -> tuple[Array, Neighbours]:
    """Row numbers, and the nearest among the pairs of a share."""
    compared, counts = lists.compared, lists.compared.counts
    rows = concatenate((compared.block(number) for number in compared.blocks), compared.entries)
    pa.default_memory_pool().release_unused()  # what reading took, before the rows are laid out again
    return rows.rows, share_neighbours(
        rows,
        lists.table.k,
        share,
        shares,
        feature_counts=counts,
        measure=lists.comparison.measure,
        shrinkage=lists.comparison.shrinkage,
        threads=lists.threads,
    )


def merge_shares(lists: Lists, part: int, shares: int) -> None:
    """Writes the lists of a part of the rows."""
    k = lists.table.k
    files = [f"{lists.unmerged}/part-{part:02d}-{share:02d}.parquet" for share in range(shares)]
    tables = [read([file], LISTS) for file in files]
    by_share = [
        Neighbours(*(table[name].to_numpy().reshape(-1, k) for name in ("similar_row", "similarity")))
        for table in tables
    ]
    lists.write([(tables[0]["row"].to_numpy()[::k], merge_neighbours(by_share))], part)


def plan_streams(spark: SparkSession, every: Sequence[Lists], cores: int) -> list[Task]:
    """The tasks that compare by streaming, of about equal cost over all methods."""
    sizes = measure_blocks(spark, [lists.compared for lists in every], TASKS_PER_CORE * cores)
    costs = [sum(size.cost for size in blocks) for blocks in sizes]
    a_task = sum(costs) / (TASKS_PER_CORE * cores)
    tasks: list[Task] = []
    for lists, blocks, price in zip(every, sizes, costs, strict=True):
        pieces, rows = cut_pieces(blocks, max(round(price / a_task), 1)), sum(size.rows for size in blocks)
        tasks += [partial(write_piece, lists, number, piece, rows) for number, piece in enumerate(pieces)]
    return tasks


def write_piece(lists: Lists, number: int, piece: Piece, every: int) -> None:
    """Writes the lists of the rows of a piece, in the order of their ids. every: how many rows there are in all."""
    passes = read_piece(lists.compared, piece, every)
    lists.write(((queries.rows, compare_stream(lists, queries)) for queries in passes), number)


def compare_stream(lists: Lists, queries: RowBlock) -> Neighbours:
    """The nearest of some rows among all rows."""
    compared = lists.compared
    return stream_neighbours(
        queries,
        (compared.block(number) for number in compared.blocks),
        lists.table.k,
        feature_counts=compared.counts,
        measure=lists.comparison.measure,
        shrinkage=lists.comparison.shrinkage,
        threads=lists.threads,
    )
