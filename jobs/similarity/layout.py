"""Writes sparse matrices as blocks of rows in Parquet; `jobs/similarity/matrix.py` reads them for the comparison.

Tasks put their entries together by block and leave them in a file each; one task each writes a block from all of
these. Spark shuffles only where the parts of a block lie: no entry goes through the JVM, where 22 million took 40
seconds of a core's time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.similarity.matrix import COUNTS, MAX_ENTRIES, STORED, MatrixStore
from jobs.storage.files import create_folder, delete_folder, filesystem
from jobs.storage.frames import write
from models.kernels.merging import argsort_pairs

PARTS = "matrix tinyint, block int, part int, place int"  # parts of blocks: number of the file, place in it
TASKS_PER_PARTITION = 4  # tasks that write blocks for each shuffle partition of Spark: a block each, if they are few
HELD_ENTRIES = 1 << 20  # that a task holds before it writes them: 25 MiB
PARTS_SCHEMA = pa.schema([("matrix", pa.int8()), ("block", pa.int32()), ("part", pa.int32()), ("place", pa.int32())])
ASCENDING = {"feature": "DELTA_BINARY_PACKED"}  # within a row: 1.6 bytes an entry, 2.8 with dictionary and zstd
Batches = Iterator[pa.RecordBatch]
Merge = Callable[[pa.Table], pa.Table]  # all that tasks have left for a block → its entries, sorted


@dataclass(frozen=True)
class BlockWriter:
    """Writes matrices of a store from the entries that tasks hold. schema: what is known of an entry.

    names: of the matrices, by the number that entries have in the column `matrix`.
    """

    store: MatrixStore
    names: tuple[str, ...]
    schema: pa.Schema

    @property
    def parts(self) -> str:
        """Where tasks leave their entries, a file each."""
        return f"{self.store.folder}/parts/{self.names[0]}"

    def pack(self, batches: Batches) -> Batches:
        """What a task does with its entries: it writes a part for each block and yields where these lie."""
        context = TaskContext.get()
        assert context is not None
        yield self.write_parts(batches, context.taskAttemptId())  # two attempts must not write into one file

    def write_parts(self, batches: Batches, number: int) -> pa.RecordBatch:
        """The same for the attempt of that number; PARTS_SCHEMA."""
        written: list[tuple[int, int, int, int]] = []
        create_folder(self.parts)
        fs, path = filesystem(self._file(number))
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with fs.open_output_stream(path) as sink, pa.ipc.new_file(sink, self.schema, options=options) as file:
            for some in _chunks(batches):
                for matrix, block, part in self._by_block(some):
                    written.append((matrix, block, number, len(written)))
                    file.write_batch(part)
        rows = [dict(zip(PARTS_SCHEMA.names, one, strict=True)) for one in written]
        return pa.RecordBatch.from_pylist(rows, schema=PARTS_SCHEMA)

    def _file(self, number: int) -> str:
        return f"{self.parts}/{number:05d}.arrow"

    def _by_block(self, table: pa.Table) -> Iterator[tuple[int, int, pa.RecordBatch]]:
        """By row, too: the task that sorts a block then reads each part from its begin to its end."""
        at = pa.array(argsort_pairs(table["matrix"].to_numpy(), table["row"].to_numpy()))
        entries = table.take(at).combine_chunks()
        matrix, block = entries["matrix"].to_numpy(), entries["row"].to_numpy() // self.store.block_rows
        cuts = np.flatnonzero(np.diff(matrix) | np.diff(block)) + 1
        parts = entries.select(self.schema.names).cast(self.schema).combine_chunks()
        for low, high in pairwise([0, *cuts, len(block)] if len(block) else []):
            yield matrix[low], block[low], parts.slice(low, high - low).to_batches()[0]

    def read_parts(self, name: str, block: int, parts: pa.Table) -> pa.Table:
        """All that tasks have left for a block; MemoryError where it is too much for one."""
        batches: list[pa.RecordBatch] = []
        for number in np.unique(parts["part"].to_numpy()):
            places = parts.filter(pc.field("part") == number)["place"].to_pylist()
            fs, path = filesystem(self._file(number))
            with fs.open_input_file(path) as source:
                file = pa.ipc.open_file(source)
                batches += [file.get_batch(place) for place in sorted(places)]
        if (entries := sum(part.num_rows for part in batches)) > MAX_ENTRIES:
            raise MemoryError(
                f"similarity: block {block} of {name} has {entries} entries, a task has memory for {MAX_ENTRIES}; "
                "lower block_rows of the domain, or set max_events_per_item"
            )
        return pa.Table.from_batches(batches).combine_chunks()


def _chunks(batches: Batches) -> Iterator[pa.Table]:
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        kept.append(batch)
        if sum(one.num_rows for one in kept) >= HELD_ENTRIES:
            yield pa.Table.from_batches(kept).combine_chunks()
            kept = []
    if kept:
        yield pa.Table.from_batches(kept).combine_chunks()


def write_matrices(spark: SparkSession, store: MatrixStore, matrices: Mapping[str, DataFrame]) -> None:
    """Adds matrices by their names, sorted by row and feature, without zeros.

    How many rows of each block hold each feature is written beside them. Each matrix is (row, feature, value), and
    age_days where all have it. A value that is NaN or infinite is an error that names it, and so is a block with more
    than MAX_ENTRIES.
    """
    columns = [name for name in STORED.names if all(name in entries.columns for entries in matrices.values())]
    writer = BlockWriter(store, tuple(matrices), pa.schema([STORED.field(name) for name in columns]))
    numbered = [_finite(entries, columns, number) for number, entries in enumerate(matrices.values())]
    entries = reduce(lambda some, more: some.union(more), numbered)
    write_blocks(spark, entries.mapInArrow(writer.pack, PARTS), writer, sort_entries)


def write_blocks(spark: SparkSession, parts: DataFrame, writer: BlockWriter, merge: Merge) -> None:
    """Adds matrices whose entries, or what `merge` makes entries of, lie in parts."""
    most = TASKS_PER_PARTITION * int(spark.conf.get("spark.sql.shuffle.partitions", "4") or 4)
    blocks = writer.store.blocks
    tasks = max(min(most, len(writer.names) * blocks), 1)
    number = F.col("matrix").cast("long") * blocks + F.col("block")
    by_block = parts.repartitionById(tasks, F.pmod(number, F.lit(tasks)).cast("int"))
    by_block.mapInArrow(partial(merge_blocks, writer, merge), "done int").collect()
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


def merge_blocks(writer: BlockWriter, merge: Merge, batches: Batches) -> Batches:
    """What a task does with its blocks: writes each, under the same name if it is tried again, and counts features."""
    parts = pa.Table.from_batches(batches, PARTS_SCHEMA)
    keys = {(part["matrix"], part["block"]) for part in parts.to_pylist()}
    for matrix, block in sorted(keys):
        name, folder = writer.names[matrix], writer.store.folder
        mine = parts.filter((pc.field("matrix") == matrix) & (pc.field("block") == block))
        table = merge(writer.read_parts(name, block, mine))
        write(table, f"{folder}/blocks/block={name}.{block}", encodings=ASCENDING)
        counts = np.unique(table["feature"].to_numpy(), return_counts=True)  # a row has a feature once
        write(pa.table(counts, COUNTS), f"{folder}/counts/matrix={name}", f"block-{block}")
    yield from ()
