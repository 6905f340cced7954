"""Writes sparse matrices as blocks of rows, for the tasks that compare rows (`jobs/matrix.py` reads them).

Tasks put their entries together by block, as bytes, and one task each writes a block: what Spark shuffles is a few
large rows. Sorting and writing 5.5 million entries took 22 s in the JVM and takes 2 here (two cores).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.matrix import MOST_ENTRIES, STORED
from jobs.spark import hadoop
from jobs.storage.frames import write

PACKED = "matrix tinyint, block int, entries binary"
PACKED_ENTRIES = 1 << 20  # that a task holds before it passes them on: 25 MiB
COUNTED = "matrix string, feature int, rows long"
Batches = Iterator[pa.RecordBatch]


def write_blocks(matrices: Mapping[str, DataFrame], folder: str, block_rows: int) -> None:
    """Adds matrices by their names, without zeros, sorted by row and feature, and how many rows hold each feature.

    Each is (row, feature, value), and age_days where all have it. A value that is NaN or infinite is an error that
    names it, and so is a block with more than MOST_ENTRIES.
    """
    columns = [name for name in STORED.names if all(name in entries.columns for entries in matrices.values())]
    schema = pa.schema([STORED.field(name) for name in columns])
    numbered = [_finite(entries, columns, number) for number, entries in enumerate(matrices.values())]
    entries = reduce(lambda some, more: some.union(more), numbered)
    grouped = entries.mapInArrow(packed(schema, block_rows), PACKED).groupBy("matrix", "block")
    counted = grouped.applyInArrow(stored(schema, list(matrices), folder), COUNTED)
    counts = counted.groupBy("matrix", "feature").agg(F.sum("rows").alias("rows"))
    counts.write.mode("append").partitionBy("matrix").parquet(hadoop(f"{folder}/counts"))


def _finite(entries: DataFrame, columns: Sequence[str], number: int) -> DataFrame:
    """The number of the matrix, and its columns in the types that are stored."""
    wrong = F.concat(F.lit("similarity: values must be finite, got "), "value", F.lit(" in row "), "row")
    infinite = F.isnan("value") | (F.abs("value") == float("inf"))
    checked = entries.where("value <> 0").withColumn(
        "value", F.when(infinite, F.raise_error(wrong)).otherwise(F.col("value"))
    )
    types = {pa.int32(): "int", pa.float64(): "double"}
    cast = [F.col(name).cast(types[STORED.field(name).type]).alias(name) for name in columns]
    return checked.select(F.lit(number).cast("tinyint").alias("matrix"), *cast)


def packed(schema: pa.Schema, block_rows: int) -> Callable[[Batches], Batches]:
    """What a task does with its entries: passes on those of each block as bytes."""

    def pack(batches: Batches) -> Batches:
        kept: list[pa.RecordBatch] = []
        for batch in batches:
            kept.append(batch)
            if sum(one.num_rows for one in kept) >= PACKED_ENTRIES:
                yield _by_block(kept, schema, block_rows)
                kept = []
        if kept:
            yield _by_block(kept, schema, block_rows)

    return pack


def _by_block(batches: Sequence[pa.RecordBatch], schema: pa.Schema, block_rows: int) -> pa.RecordBatch:
    """One row for each (matrix, block), with its entries in Arrow's format."""
    table = pa.Table.from_batches(batches).combine_chunks()
    matrix, block = table["matrix"].to_numpy(), table["row"].to_numpy() // block_rows
    key = matrix * (block.max(initial=0) + 1) + block
    key = key.astype(np.min_scalar_type(key.max(initial=0)))  # NumPy sorts 16 bits by radix
    order = np.argsort(key, kind="stable")
    entries = table.select(schema.names).take(pa.array(order)).combine_chunks()
    ends = np.append(np.flatnonzero(np.diff(key[order])) + 1, len(order)) if len(order) else np.empty(0, np.int64)
    starts = np.append(0, ends)[:-1]
    parts = [
        entries.slice(low, high - low).to_batches()[0].serialize().to_pybytes()
        for low, high in zip(starts, ends, strict=True)
    ]
    first = order[starts]
    columns = [pa.array(matrix[first]), pa.array(block[first]), pa.array(parts, pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["matrix", "block", "entries"])


def stored(
    schema: pa.Schema, names: Sequence[str], folder: str
) -> Callable[[tuple[pa.Scalar, ...], pa.Table], pa.Table]:
    """What a task does with a block: writes it, under the same name if it is tried again, and counts its features."""

    def store(key: tuple[pa.Scalar, ...], packed: pa.Table) -> pa.Table:
        number, block = (one.as_py() for one in key)
        name = names[number]
        parts = [pa.ipc.read_record_batch(part.as_buffer(), schema) for part in packed["entries"]]
        if (entries := sum(part.num_rows for part in parts)) > MOST_ENTRIES:
            raise MemoryError(
                f"similarity: block {block} of {name} has {entries} entries, a task has memory for {MOST_ENTRIES}; "
                "lower block_rows of the domain, or set max_events_per_item"
            )
        table = pa.Table.from_batches(parts).combine_chunks()
        row, feature = (table[column].to_numpy().astype(np.int64) for column in ("row", "feature"))
        write(table.take(pa.array(np.argsort(row << 32 | feature))), f"{folder}/blocks/block={name}.{block}")
        features, rows = np.unique(table["feature"].to_numpy(), return_counts=True)  # a row has a feature once
        return pa.table({"matrix": pa.repeat(name, len(features)), "feature": features, "rows": rows})

    return store
