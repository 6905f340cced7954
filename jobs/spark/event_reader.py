"""Reads events from Parquet in Spark's tasks, with numbers in place of ids.

What tasks read themselves does not go through the JVM, where 22 million events took 20 s of two cores.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.spark.parts import PARTS, PARTS_SCHEMA, PartWriter
from jobs.storage.files import filesystem, sizes_and_groups
from jobs.storage.frames import read, write

EVENT = pa.schema(
    [("row", pa.int32()), ("feature", pa.int32()), ("kind", pa.int8()),
     ("value", pa.float64()), ("ts", pa.int64()), ("ordinal", pa.int64())]
)  # fmt: skip
NONE = np.iinfo(np.int64).min  # a time or an ordinal that is not there: before all others
NUMBERS = pa.schema([("id", pa.string()), ("number", pa.int32())])
READ_BYTES = 1 << 24  # of the files of events that one task reads, or more where that would be over MAX_TASKS tasks
MAX_TASKS = 1 << 12
BATCH_ROWS = 1 << 20

Array = npt.NDArray[Any]
Batches = Iterator[pa.RecordBatch]
RowGroups = list[tuple[str, int, int]]  # (address, part, parts) of the row groups of files


@dataclass(frozen=True)
class EventReader:
    """How tasks read events: which ids are rows and which features, where their numbers are, and what kinds there are.

    row, feature: columns of `interactions`, user_id and item_id or the other way round. numbers: a folder.
    """

    row: str
    feature: str
    numbers: str
    kinds: tuple[str, ...]

    def write_numbers(self, column: str, ids: pa.Array, numbers: Array) -> None:
        """Stores the number of each id of a column; events with other ids do not count."""
        table = pa.table([ids, pa.array(numbers, pa.int32())], schema=NUMBERS)
        write(table, f"{self.numbers}/{column}")

    def pack(self, spark: SparkSession, files: Sequence[str], writer: PartWriter) -> DataFrame:
        """The parts of blocks that tasks make of the events in some files."""
        shares = split_files(files)

        def pack(numbers: Batches) -> Batches:
            wanted = (shares[number] for batch in numbers for number in batch.column(0).to_pylist())
            return writer.pack(batch for share in wanted for batch in self.read(share))

        return spark.range(0, len(shares), 1, max(len(shares), 1)).mapInArrow(pack, PARTS)

    def pack_here(self, files: Sequence[str], writer: PartWriter) -> pa.Table:
        """The same parts, made by this process; PARTS_SCHEMA."""
        shares = enumerate(split_files(files))
        return pa.Table.from_batches([writer.write_parts(self.read(some), n) for n, some in shares], PARTS_SCHEMA)

    def read(self, share: RowGroups) -> Batches:
        """Events of some row groups with numbers in place of their ids: EVENT, and `matrix` 0."""
        number_of = {column: self._load_numbers(column) for column in (self.row, self.feature)}
        kind_of = _lookup(pa.array(self.kinds), pa.array(range(len(self.kinds)), pa.int8()))
        for batch in read_columns(share):
            row, feature = (number_of[column](batch[column]) for column in (self.row, self.feature))
            ts = batch["ts"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            columns = [row, feature, kind_of(batch["kind"]), batch["value"], ts, batch["ordinal"]]
            events = pa.RecordBatch.from_arrays(columns, schema=EVENT)
            if row.null_count or feature.null_count:
                events = events.filter(pc.and_(row.is_valid(), feature.is_valid()))
            yield events.append_column("matrix", pa.array(np.zeros(events.num_rows, np.int8)))

    def _load_numbers(self, column: str) -> Callable[[pa.Array], pa.Array]:
        """Ids to int32 numbers, null for those that have none."""
        table = read([f"{self.numbers}/{column}/part-0.parquet"], NUMBERS)
        return _lookup(*(table[name].combine_chunks() for name in NUMBERS.names))


def split_files(files: Sequence[str]) -> list[RowGroups]:
    """The row groups of files, in about equal shares for tasks."""
    known = sizes_and_groups(files)
    most = max(READ_BYTES, sum(size for size, _ in known) // MAX_TASKS)
    shares: list[RowGroups] = []
    room = 0
    for address, (size, groups) in zip(files, known, strict=True):
        parts = max(min(round(size / most), groups), 1)
        for part in range(parts):
            if size / parts > room:
                shares.append([])
                room = most
            shares[-1].append((address, part, parts))
            room -= size // parts
    return shares


def read_columns(share: RowGroups) -> Iterator[Mapping[str, pa.Array]]:
    """Columns of `interactions` of some row groups; one that a file lacks is null."""
    ids = ["user_id", "item_id", "kind"]
    wanted = {
        **dict.fromkeys(ids, pa.string()),
        "value": pa.float64(),
        "ts": pa.timestamp("us", "UTC"),
        "ordinal": pa.int64(),
    }
    for address, part, parts in share:
        fs, path = filesystem(address)
        with fs.open_input_file(path) as source:
            file = pq.ParquetFile(source, read_dictionary=ids)
            groups = range(part, file.num_row_groups, parts)
            present = [name for name in wanted if name in file.schema_arrow.names]
            for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=present, use_threads=False):
                nulls = {name: pa.nulls(batch.num_rows, kind) for name, kind in wanted.items() if name not in present}
                yield nulls | {name: batch[name] for name in present}


def _lookup(ids: pa.Array, numbers: pa.Array) -> Callable[[pa.Array], pa.Array]:
    def numbers_of(column: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(column.type):
            return numbers.take(pc.index_in(column.dictionary, value_set=ids)).take(column.indices)
        return numbers.take(pc.index_in(column, value_set=ids))

    return numbers_of


def pack_frame(events: DataFrame, kinds: Sequence[str], writer: PartWriter) -> DataFrame:
    """The parts of blocks that tasks make of interactions that have `row`, `feature` and what else is written."""
    kind = F.array_position(F.array(*map(F.lit, kinds)), F.col("kind")) - 1
    columns = {
        "matrix": F.lit(0).cast("tinyint"),
        "row": F.col("row").cast("int"),
        "feature": F.col("feature").cast("int"),
        "kind": kind.cast("tinyint"),
        "value": F.col("value"),
        "ts": F.unix_micros("ts"),
        "ordinal": F.col("ordinal"),
    }
    columns |= {name: F.col(name) for name in writer.schema.names if name not in columns}
    return events.select(*(column.alias(name) for name, column in columns.items())).mapInArrow(writer.pack, PARTS)


def columns_of(events: pa.Table) -> dict[str, Array]:
    """The columns of EVENT; a value that is missing counts 1, a time or an ordinal is NONE."""
    missing = {"value": 1.0, "ts": NONE, "ordinal": NONE}

    def column(name: str) -> Array:
        values = events[name]
        filled: Array = (values.fill_null(missing[name]) if values.null_count else values).to_numpy()
        return filled

    return {name: column(name) for name in EVENT.names}
