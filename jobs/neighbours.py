"""The nearest rows of all rows, as Spark tasks: each owns a piece of the rows and streams all blocks past it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.matrix import Rows
from jobs.numbering import Numbered
from jobs.pieces import Piece, Size, cost, owned, pieces, work
from jobs.storage.files import create_folder
from jobs.storage.frames import write_batches
from models.neighbours import Measure, stream_neighbours
from schemas.tables import TABLES

TASKS_A_CORE = 2  # more of them even out what cores do beside; each reads all blocks
BATCH_ROWS = 1 << 14  # whose neighbours are named at once


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


def write_neighbours(
    spark: SparkSession, compared: Sequence[Comparison], ids: Numbered, k: int, folder: str, table: Columns
) -> None:
    """Writes the k nearest of all rows by each method, a file a task: the rows of a similarity table, in its order.

    Tasks write themselves, under the same names if they are tried again: no row of a list goes through the JVM.
    """
    create_folder(folder)  # also where there is nothing to write: then the table has no rows tonight
    sizes = measured(spark, compared)
    every = [sum(size.rows for size in found) for found in sizes]
    costs = [sum(size.cost for size in found) for found in sizes]
    if not sum(costs):
        return
    a_task = sum(costs) / (TASKS_A_CORE * cores(spark))
    shares = [pieces(found, max(round(price / a_task), 1)) for found, price in zip(sizes, costs, strict=True)]
    tasks = [(n, piece) for n, share in enumerate(shares) for piece in share]
    threads = int(spark.conf.get("spark.task.cpus", "1") or 1)

    def write(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                n, piece = tasks[number]
                found = nearest(compared[n], piece, every[n], ids, table, k, threads)
                write_batches(found, table.schema, folder, f"part-{number:05d}")
        yield from ()

    spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(write, "done int").collect()


def cores(spark: SparkSession) -> int:
    """How many tasks Spark runs at once: the partitions that it gives to a range of its own accord."""
    found = spark.range(1 << 16).select(F.spark_partition_id().alias("part")).agg(F.max("part")).collect()
    return int(found[0][0]) + 1


def measured(spark: SparkSession, compared: Sequence[Comparison]) -> list[list[Size]]:
    """The sizes of each method's blocks: a few numbers a block, from the tasks that will read it again."""
    every = [(n, number) for n, one in enumerate(compared) for number in one.rows.blocks]
    if not every:
        return [[] for _ in compared]

    def sizes(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                n, at = every[number]
                block, counts = compared[n].rows.block(at), compared[n].rows.counts
                size = {"n": n, "block": at, "rows": len(block.rows), "work": int(work(block, counts).sum())}
                yield pa.RecordBatch.from_pylist([size])

    numbers = spark.range(0, len(every), 1, len(every))
    found = numbers.mapInArrow(sizes, "n long, block long, rows long, work long").orderBy("n", "block").collect()
    by_method = [[row for row in found if row.n == n] for n in range(len(compared))]
    rows = [sum(row.rows for row in some) for some in by_method]
    return [
        [Size(row.block, row.rows, cost(row.work, row.rows, rows[n])) for row in some]
        for n, some in enumerate(by_method)
    ]


def nearest(
    one: Comparison, piece: Piece, every: int, ids: Numbered, table: Columns, k: int, threads: int
) -> Iterator[pa.RecordBatch]:
    """The lists of the rows of a piece, in the order of their ids."""
    for queries in owned(one.rows, piece, every):
        blocks = (one.rows.block(number) for number in one.rows.blocks)
        counts = one.rows.counts
        found = stream_neighbours(
            queries, blocks, k, feature_counts=counts, measure=one.measure, shrinkage=one.shrinkage, threads=threads
        )
        for low in range(0, len(queries.rows), BATCH_ROWS):
            part = slice(low, low + BATCH_ROWS)
            yield named(one.method, queries.rows[part], found.indices[part], found.similarity[part], ids, table)


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
