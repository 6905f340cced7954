"""Parquet files as DataFrames and back: through Spark's own reader where Hadoop knows the address, else through Arrow.

Object stores are read and written by the tasks' Python, with the file system that every other job uses: no jar of
Hadoop or AWS is needed on a cluster, and endpoint and credentials are given once (docs/object-storage.md).
"""

import re
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.storage import frames
from jobs.storage.files import create_folder, filesystem, listing

HADOOP = ("file://", "hdfs://")  # what Spark reads and writes without a jar
PATTERN = re.compile(r"[][{}*?%\\]")  # what Hadoop takes in a path for a pattern or an escape
TASKS_A_PARTITION = 4  # that read files, for each of Spark's shuffle partitions: a file each, if they are few
Batches = Iterator[pa.RecordBatch]


def of_hadoop(address: str) -> bool:
    """Whether Spark's own reader and writer find an address as it is written."""
    return address.startswith(HADOOP) and not PATTERN.search(address)


def read_files(spark: SparkSession, addresses: Sequence[str], schema: pa.Schema) -> DataFrame:
    """The rows of some files with exactly the columns of `schema`; a column that a file lacks is null."""
    wanted = from_arrow_schema(schema)
    if not addresses:
        return spark.createDataFrame([], wanted)
    if of_hadoop(addresses[0]):
        return spark.read.schema(wanted).parquet(*addresses)
    return _numbers(spark, len(addresses)).mapInArrow(_reading([*addresses], schema), wanted)


def read_folder(spark: SparkSession, folder: str, schema: pa.Schema, partition: str = "") -> DataFrame:
    """The rows of all files below a folder; the column `partition` has what follows `<partition>=` in their paths."""
    if of_hadoop(folder):
        return spark.read.schema(from_arrow_schema(schema)).parquet(folder)
    files = listing(folder, ".parquet", recursive=True)
    if not files:
        return spark.createDataFrame([], from_arrow_schema(schema))
    reading = _reading(files, schema, partition)
    return _numbers(spark, len(files)).mapInArrow(reading, from_arrow_schema(schema))


def write_folder(frame: DataFrame, folder: str, schema: pa.Schema, partition: str = "", group_bytes: int = 0) -> None:
    """Writes the columns of `schema`, a file a task, or one a task and value of `partition` in `<partition>=<value>/`.

    The folder must be new: a task that is tried again writes the same files. group_bytes: of
    a row group as Spark's own writer counts them; 0 for its 128 MiB. Arrow's has the rows of a batch.
    """
    if of_hadoop(folder):
        writer = frame.write.mode("error")
        if group_bytes:
            writer = writer.option("parquet.block.size", group_bytes)
        (writer.partitionBy(partition) if partition else writer).parquet(folder)
        return
    written = frame.mapInArrow(_writing(folder, schema, partition), "files int").collect()
    if not partition and not any(row.files for row in written):
        frames.write(schema.empty_table(), folder)  # a folder without a file does not exist


def _numbers(spark: SparkSession, count: int) -> DataFrame:
    partitions = int(spark.conf.get("spark.sql.shuffle.partitions", "4") or 4)
    return spark.range(0, count, 1, min(count, TASKS_A_PARTITION * partitions))


def _reading(addresses: Sequence[str], schema: pa.Schema, partition: str = "") -> Callable[[Batches], Batches]:
    """What a task does with the numbers of files: reads these. A partition's value is cast to its column's type."""
    stored = pa.schema([field for field in schema if field.name != partition])

    def read(numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                for rows in frames.read_batches(addresses[number], stored):
                    yield _with_value(rows, addresses[number], schema, partition) if partition else rows

    return read


def _with_value(rows: pa.RecordBatch, address: str, schema: pa.Schema, partition: str) -> pa.RecordBatch:
    value = address.rpartition(f"/{partition}=")[2].partition("/")[0]
    column = pa.repeat(pa.scalar(value), rows.num_rows).cast(schema.field(partition).type)
    return rows.append_column(partition, column).select(schema.names)


def _writing(folder: str, schema: pa.Schema, partition: str) -> Callable[[Batches], Batches]:
    """What a task does with its rows: a file named after its partition, which two tries of it have in common."""
    stored = pa.schema([field for field in schema if field.name != partition])

    def write(batches: Batches) -> Batches:
        context = TaskContext.get()
        assert context is not None
        name = f"part-{context.partitionId():05d}.parquet"
        writers: dict[str, pq.ParquetWriter] = {}
        for batch in batches:
            if batch.num_rows:
                for place, rows in _parts(batch, folder, partition):
                    if place not in writers:
                        writers[place] = _writer(place, name, stored)
                    writers[place].write_batch(rows.select(stored.names).cast(stored))
        for writer in writers.values():
            writer.close()  # of an object store, this makes the file: one that a dying task began never shows
        yield pa.RecordBatch.from_pydict({"files": pa.array([len(writers)], pa.int32())})

    return write


def _parts(batch: pa.RecordBatch, folder: str, partition: str) -> Iterator[tuple[str, pa.RecordBatch]]:
    if not partition:
        yield folder, batch
        return
    for value in batch.column(partition).unique().to_pylist():
        yield f"{folder}/{partition}={value}", batch.filter(pc.equal(batch.column(partition), value))


def _writer(folder: str, name: str, schema: pa.Schema) -> pq.ParquetWriter:
    create_folder(folder)
    fs, path = filesystem(f"{folder}/{name}")
    return pq.ParquetWriter(path, schema, filesystem=fs, compression="zstd")
