"""A shuffle past the JVM: tasks leave what they have of each block of rows in files, and one task each reads a block.

Spark shuffles only where the parts of a block lie: no entry goes through the JVM, where 22 million took 40 seconds of a
core's time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.storage.files import create_folder, filesystem
from models.kernels.merging import argsort_pairs

PARTS = "matrix tinyint, block int, part int, place int"  # parts of blocks: number of the file, place in it
PARTS_SCHEMA = pa.schema([("matrix", pa.int8()), ("block", pa.int32()), ("part", pa.int32()), ("place", pa.int32())])
TASKS_PER_PARTITION = 4  # tasks that read blocks for each shuffle partition of Spark: a block each, if they are few
HELD_ENTRIES = 1 << 20  # that a task holds before it writes them: 25 MiB
Batches = Iterator[pa.RecordBatch]
Finish = Callable[[str, int, pa.Table], pa.RecordBatch | None]  # (matrix, block, all its entries) → what is reported


@dataclass(frozen=True)
class BlockStore:
    """A folder of matrices over the same rows. rows: how many, with and without entries; block_rows: of each block."""

    folder: str
    rows: int
    block_rows: int

    @property
    def blocks(self) -> int:
        """How many blocks the rows make."""
        return -(-self.rows // self.block_rows)


@dataclass(frozen=True)
class PartWriter:
    """Parts the entries of matrices by blocks of rows. schema: what is known of an entry.

    names: of the matrices, by the number that entries have in the column `matrix`. max_entries: of a block, for which a
    task has memory; remedy: what to do where one has more.
    """

    store: BlockStore
    names: tuple[str, ...]
    schema: pa.Schema
    max_entries: int
    remedy: str

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
        """Writes the parts as the attempt of that number; PARTS_SCHEMA."""
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
        if (entries := sum(part.num_rows for part in batches)) > self.max_entries:
            raise MemoryError(
                f"block {block} of {name} has {entries} entries, a task has memory for "
                f"{self.max_entries}; {self.remedy}"
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


def finish_blocks(
    spark: SparkSession, parts: DataFrame, writer: PartWriter, finish: Finish, schema: str = "done int"
) -> DataFrame:
    """What `finish` reports of each block, which one task has read: rows of `schema`."""
    blocks = writer.store.blocks
    most = TASKS_PER_PARTITION * int(spark.conf.get("spark.sql.shuffle.partitions", "4") or 4)
    tasks = max(min(most, len(writer.names) * blocks), 1)
    number = F.col("matrix").cast("long") * blocks + F.col("block")
    by_block = parts.repartitionById(tasks, F.pmod(number, F.lit(tasks)).cast("int"))
    return by_block.mapInArrow(partial(finish_parts, writer, finish), schema)


def finish_all(
    spark: SparkSession | None,
    parts: DataFrame | pa.Table,
    writer: PartWriter,
    finish: Finish,
    schema: str = "done int",
) -> list[dict[str, Any]]:
    """All that `finish` reports, as rows of `schema`. Without Spark this process does it, of parts in a table."""
    if spark is None:
        reports = finish_parts(writer, finish, iter(parts.to_batches()))
        return [row for report in reports for row in report.to_pylist()]
    return [row.asDict() for row in finish_blocks(spark, parts, writer, finish, schema).collect()]


def finish_parts(writer: PartWriter, finish: Finish, batches: Batches) -> Batches:
    """What a task does with its blocks."""
    parts = pa.Table.from_batches(batches, PARTS_SCHEMA)
    for matrix, block in sorted({(part["matrix"], part["block"]) for part in parts.to_pylist()}):
        mine = parts.filter((pc.field("matrix") == matrix) & (pc.field("block") == block))
        name = writer.names[matrix]
        report = finish(name, block, writer.read_parts(name, block, mine))
        if report is not None:
            yield report


def run_tasks(spark: SparkSession | None, tasks: Sequence[Callable[[], None]]) -> None:
    """Does all of them, as one task of Spark each, or without Spark in this process."""
    if spark is None:
        for task in tasks:
            task()
        return

    def run(numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                tasks[number]()
        yield from ()

    if tasks:
        spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(run, "done int").collect()
