"""The nearest rows of all rows, as Spark tasks, in one of two plans; both give the same rows, bit for bit.

Shares: what fits a task whole is compared by as many tasks as there are cores. Each meets its share of all pairs, every
pair is met once, and other tasks merge their lists (2 · 8 · k bytes a row and share, written and read once).
Streams: of anything larger a task owns a piece of the rows and streams all blocks past it. Every pair is met twice, and
nothing is merged.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.similarity.matrix import Rows, write_totals
from jobs.similarity.numbering import Numbered
from jobs.similarity.pieces import Piece, measured, owned, pieces, together
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
MOST_SHARES = 16  # each lays out all rows and lists neighbours of all, which more of them would not make up for
TASKS_A_CORE = 2  # that stream: more of them even out what cores do beside; each reads all blocks, or all counts
BATCH_ROWS = 1 << 14  # whose neighbours are named at once
LISTS = pa.schema([("row", pa.int32()), ("similar_row", pa.int32()), ("similarity", pa.float32())])
UNIQUE = {"similar_row": "PLAIN", "similarity": "PLAIN"}  # columns of LISTS that a dictionary makes no smaller

Task = Callable[[], None]


class Comparison(NamedTuple):
    """One method as tasks carry it out."""

    method: str
    rows: Rows
    measure: Measure
    shrinkage: float


class Columns(NamedTuple):
    """The table that tasks write: <entity>_similarity, with the same domain and ds in all rows."""

    entity: str
    domain: str
    ds: str

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return TABLES[f"{self.entity}_similarity"].schema


class Lists(NamedTuple):
    """The lists of the `number`-th method, as tasks write them: named, rows of the table in files of a folder."""

    number: int
    one: Comparison
    ids: Numbered
    k: int
    folder: str
    table: Columns
    threads: int

    @property
    def unmerged(self) -> str:
        """The folder of what shares have found, beside the matrix."""
        return f"{self.one.rows.folder}/lists/method={self.number}"

    def write(self, found: Iterable[tuple[np.ndarray, Neighbours]], part: int) -> None:
        """Writes the lists of some row numbers, in their order. Files stand in the order of method and part."""
        batches = (
            named(self.one.method, rows[at], lists.indices[at], lists.similarity[at], self.ids, self.table)
            for rows, lists in found
            for at in (slice(low, low + BATCH_ROWS) for low in range(0, len(rows), BATCH_ROWS))
        )
        write_batches(batches, self.table.schema, self.folder, f"part-{self.number:03d}-{part:05d}")


def write_neighbours(
    spark: SparkSession, compared: Sequence[Comparison], ids: Numbered, k: int, folder: str, table: Columns
) -> None:
    """Writes the k nearest of all rows by each method, a file a task: the rows of a similarity table, in its order.

    Tasks write themselves, under the same names if they are tried again: no row of a list goes through the JVM.
    """
    create_folder(folder)  # also where there is nothing to write: then the table has no rows tonight
    threads = int(spark.conf.get("spark.task.cpus", "1") or 1)
    every = [Lists(n, one, ids, k, folder, table, threads) for n, one in enumerate(compared) if one.rows.blocks]
    plans = [plan(lists.one.rows, ids.count, k) for lists in every]
    whole, shared, streamed = (
        [lists for lists, its in zip(every, plans, strict=True) if its == name]
        for name in ("whole", "shares", "streams")
    )
    wide = cores(spark) if shared or streamed else 1
    shares = min(wide, MOST_SHARES)
    for folder in {lists.one.rows.folder for lists in streamed}:
        write_totals(spark, folder)
    tasks = streams(spark, streamed, wide) if streamed else []
    tasks += [partial(write_share, lists, share, shares) for lists in shared for share in range(shares)]
    tasks += [partial(write_whole, lists) for lists in whole]
    run(spark, tasks)
    run(spark, [partial(merge_shares, lists, part, shares) for lists in shared for part in range(shares)])


def plan(rows: Rows, count: int, k: int) -> Literal["whole", "shares", "streams"]:
    """How to compare so many rows."""
    if count * k > SHARED_NEIGHBOURS or (entries := rows.entries) > SHARED_ENTRIES:
        return "streams"
    return "shares" if entries * count > WHOLE_PRODUCTS else "whole"


def run(spark: SparkSession, tasks: Sequence[Task]) -> None:
    """Does all of them, as one task of Spark each."""

    def some(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                tasks[number]()
        yield from ()

    if tasks:
        spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(some, "done int").collect()


def cores(spark: SparkSession) -> int:
    """How many tasks Spark runs at once: the partitions that it gives to a range of its own accord."""
    last = spark.range(1 << 16).select(F.spark_partition_id()).tail(1)
    return int(last[0][0]) + 1


def write_whole(lists: Lists) -> None:
    """Writes the lists of all rows."""
    lists.write([share_found(lists, 0, 1)], 0)


def write_share(lists: Lists, share: int, shares: int) -> None:
    """Writes what a share has found, as many files as there are shares: each will merge one of every other."""
    rows, found = share_found(lists, share, shares)
    for part, at in enumerate(np.array_split(np.arange(len(rows)), shares)):
        columns = [np.repeat(rows[at], lists.k), found.indices[at].reshape(-1), found.similarity[at].reshape(-1)]
        write(pa.table(columns, LISTS), lists.unmerged, f"part-{part:02d}-{share:02d}", encodings=UNIQUE)


def share_found(lists: Lists, share: int, shares: int) -> tuple[np.ndarray, Neighbours]:
    """Row numbers, and the nearest among the pairs of a share."""
    one, counts = lists.one, lists.one.rows.counts
    rows = together((one.rows.block(number) for number in one.rows.blocks), one.rows.entries)
    pa.default_memory_pool().release_unused()  # what reading took, before the rows are laid out again
    return rows.rows, share_neighbours(
        rows,
        lists.k,
        share,
        shares,
        feature_counts=counts,
        measure=one.measure,
        shrinkage=one.shrinkage,
        threads=lists.threads,
    )


def merge_shares(lists: Lists, part: int, shares: int) -> None:
    """Writes the lists of a part of the rows."""
    files = [f"{lists.unmerged}/part-{part:02d}-{share:02d}.parquet" for share in range(shares)]
    tables = [read([file], LISTS) for file in files]
    found = [
        Neighbours(*(table[name].to_numpy().reshape(-1, lists.k) for name in ("similar_row", "similarity")))
        for table in tables
    ]
    lists.write([(tables[0]["row"].to_numpy()[:: lists.k], merge_neighbours(found))], part)


def streams(spark: SparkSession, every: Sequence[Lists], cores: int) -> list[Task]:
    """The tasks that compare by streaming, of about equal cost over all methods."""
    sizes = measured(spark, [lists.one.rows for lists in every], TASKS_A_CORE * cores)
    costs = [sum(size.cost for size in found) for found in sizes]
    a_task = sum(costs) / (TASKS_A_CORE * cores)
    tasks: list[Task] = []
    for lists, found, price in zip(every, sizes, costs, strict=True):
        cut, rows = pieces(found, max(round(price / a_task), 1)), sum(size.rows for size in found)
        tasks += [partial(write_piece, lists, number, piece, rows) for number, piece in enumerate(cut)]
    return tasks


def write_piece(lists: Lists, number: int, piece: Piece, every: int) -> None:
    """Writes the lists of the rows of a piece, in the order of their ids. every: how many rows there are in all."""
    rows = lists.one.rows
    found = ((queries.rows, streamed(lists, queries)) for queries in owned(rows, piece, every))
    lists.write(found, number)


def streamed(lists: Lists, queries: RowBlock) -> Neighbours:
    """The nearest of some rows."""
    one, rows = lists.one, lists.one.rows
    return stream_neighbours(
        queries,
        (rows.block(number) for number in rows.blocks),
        lists.k,
        feature_counts=rows.counts,
        measure=one.measure,
        shrinkage=one.shrinkage,
        threads=lists.threads,
    )


def named(
    method: str, rows: np.ndarray, indices: np.ndarray, similarity: np.ndarray, ids: Numbered, table: Columns
) -> pa.RecordBatch:
    """Neighbours padded with -1 as rows of the table."""
    there = indices >= 0
    owner, place = np.nonzero(there)
    columns = {
        "domain": pa.repeat(table.domain, len(owner)),
        "ds": pa.repeat(table.ds, len(owner)),
        "method": pa.repeat(method, len(owner)),
        f"{table.entity}_id": ids.names(rows).take(pa.array(owner)),
        "rank": pa.array((place + 1).astype(np.int32)),
        f"similar_{table.entity}_id": ids.names(indices[there]),
        "similarity": pa.array(similarity[there]),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in table.schema.names], schema=table.schema)
