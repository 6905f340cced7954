"""Writes sparse matrices as blocks of rows in Parquet; `jobs/similarity/matrix.py` reads them for the comparison.

Tasks put their entries together by block and leave them in a file each; one task each writes a block from all of
these. Spark shuffles only where the parts of a block lie: no entry goes through the JVM, where 22 million took 40
seconds of a core's time.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.similarity.matrix import COUNTS, ENTRIES, STORED
from jobs.spark.parts import PARTS, PARTS_SCHEMA, BlockStore, PartWriter, finish_all
from jobs.storage.files import delete_folder
from jobs.storage.frames import write
from models.kernels.merging import argsort_pairs

MAX_ENTRIES = 1 << 24  # of a matrix in one block: at 110 bytes each, measured, 1.7 GiB while it is read and compared
ASCENDING = {"feature": "DELTA_BINARY_PACKED"}  # within a row: 1.6 bytes an entry, 2.8 with dictionary and zstd
Merge = Callable[[pa.Table], pa.Table]  # all that tasks have left for a block → its entries, sorted


def part_writer(store: BlockStore, names: Sequence[str], schema: pa.Schema) -> PartWriter:
    """For matrices of a store; a block with more than MAX_ENTRIES is an error."""
    remedy = "lower block_rows of the domain, or set max_events_per_item"
    return PartWriter(store, tuple(names), schema, MAX_ENTRIES, remedy)


def write_matrices(spark: SparkSession, store: BlockStore, matrices: Mapping[str, DataFrame]) -> None:
    """Adds matrices by their names, sorted by row and feature, without zeros.

    How many rows of each block hold each feature is written beside them. Each matrix is (row, feature, value), and
    age_days where all have it. A value that is NaN or infinite is an error that names it, and so is a block with more
    than MAX_ENTRIES.
    """
    columns = [name for name in STORED.names if all(name in entries.columns for entries in matrices.values())]
    writer = part_writer(store, tuple(matrices), pa.schema([STORED.field(name) for name in columns]))
    numbered = [_finite(entries, columns, number) for number, entries in enumerate(matrices.values())]
    entries = reduce(lambda some, more: some.union(more), numbered)
    write_blocks(spark, entries.mapInArrow(writer.pack, PARTS), writer, sort_entries)


def write_tables(store: BlockStore, matrices: Mapping[str, pa.Table]) -> None:
    """Adds matrices of ENTRIES that this process has in memory, by their names; without Spark, else as the above."""
    writer = part_writer(store, tuple(matrices), ENTRIES)
    numbered = (entries for number, table in enumerate(matrices.values()) for entries in _numbered(table, number))
    parts = pa.Table.from_batches([writer.write_parts(numbered, 0)], PARTS_SCHEMA)
    write_blocks(None, parts, writer, sort_entries)


def _numbered(entries: pa.Table, number: int) -> list[pa.RecordBatch]:
    """The entries that are not 0, with the number of their matrix."""
    kept = entries.filter(pc.field("value") != 0)
    value = kept["value"].to_numpy()
    if len(wrong := np.flatnonzero(~np.isfinite(value))):
        row = kept["row"][int(wrong[0])].as_py()
        raise InputError(f"similarity: values must be finite, got {value[wrong[0]]} in row {row}")
    matrix = pa.repeat(number, kept.num_rows).cast(pa.int8())
    batches: list[pa.RecordBatch] = kept.append_column("matrix", matrix).to_batches()
    return batches


def write_blocks(spark: SparkSession | None, parts: DataFrame | pa.Table, writer: PartWriter, merge: Merge) -> None:
    """Adds matrices whose entries, or what `merge` makes entries of, lie in parts."""
    finish_all(spark, parts, writer, partial(store_block, writer.store.folder, merge))
    delete_folder(writer.parts)


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


def sort_entries(entries: pa.Table) -> pa.Table:
    """Entries sorted by row and feature."""
    return entries.take(pa.array(argsort_pairs(*(entries[column].to_numpy() for column in ("row", "feature")))))


def store_block(folder: str, merge: Merge, name: str, block: int, parts: pa.Table) -> None:
    """Writes a block, under the same name if its task is tried again, and counts its features."""
    table = merge(parts)
    write(table, f"{folder}/blocks/block={name}.{block}", encodings=ASCENDING)
    counts = np.unique(table["feature"].to_numpy(), return_counts=True)  # a row has a feature once
    write(pa.table(counts, COUNTS), f"{folder}/counts/matrix={name}", f"block-{block}")
