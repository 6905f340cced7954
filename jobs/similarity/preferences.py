"""Events as the matrix of preferences: r_ui = Σ over the kinds of weight(kind) · the newest value of that kind.

Tasks read the files of events themselves and look the ids up, or take events that Spark has joined with their numbers;
either way they leave the events of each block in files (`jobs/similarity/layout.py`), and the task that writes the
block makes preferences of them. What tasks read themselves does not go through the JVM, where 22 million took 20 s of
two cores.
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

from jobs.errors import InputError
from jobs.similarity.layout import PACKED, Packing
from jobs.similarity.numbering import Numbered
from jobs.storage.files import filesystem, sizes_and_groups
from jobs.storage.frames import read, write
from models.kernels import merging

EVENT = pa.schema(
    [("row", pa.int32()), ("feature", pa.int32()), ("kind", pa.int8()),
     ("value", pa.float64()), ("ts", pa.int64()), ("ordinal", pa.int64())]
)  # fmt: skip
NUMBERED = pa.schema([("id", pa.string()), ("number", pa.int32())])
SHARE_BYTES = 1 << 24  # of the files of events that one task reads, or more where that would be over MOST_SHARES tasks
MOST_SHARES = 1 << 12
BATCH_ROWS = 1 << 20
NONE = np.iinfo(np.int64).min  # a time or an ordinal that is not there: before all others
DAY_MICROSECONDS = 86_400_000_000

Array = npt.NDArray[Any]
Batches = Iterator[pa.RecordBatch]
Share = list[tuple[str, int, int]]


@dataclass(frozen=True)
class Reading:
    """How tasks read events: which ids are rows and which features, where their numbers are, and what kinds there are.

    row, feature: columns of `interactions`, user_id and item_id or the other way round. numbers: a folder.
    """

    row: str
    feature: str
    numbers: str
    kinds: tuple[str, ...]

    def write_numbers(self, column: str, ids: pa.Array, numbers: Array) -> None:
        """Says what number each id of a column has; events with other ids do not count."""
        table = pa.table([ids, pa.array(numbers, pa.int32())], schema=NUMBERED)
        write(table, f"{self.numbers}/{column}")

    def looked_up(self, column: str) -> Callable[[pa.Array], pa.Array]:
        """Ids to int32 numbers, null for those that have none."""
        table = read([f"{self.numbers}/{column}/part-0.parquet"], NUMBERED)
        ids, numbers = (table[name].combine_chunks() for name in NUMBERED.names)
        return _places(ids, numbers)


@dataclass(frozen=True)
class Merging:
    """How the events of a pair become a preference.

    weights: of the kinds, in the order of their numbers. end: the microsecond to which ages are counted; None for a
    matrix without ages. names, setting: what an error names where a time is missing.
    """

    weights: tuple[float, ...]
    names: Numbered
    end: int | None = None
    setting: str = ""

    @property
    def columns(self) -> list[str]:
        """Of the matrix."""
        return ["row", "feature", "value"] + ([] if self.end is None else ["age_days"])

    def __call__(self, events: pa.Table) -> pa.Table:
        """Events of a block to its entries, sorted by row and feature."""
        row, feature, value, newest = merged(events, self.weights)
        if not value.all():
            kept = value != 0
            row, feature, value, newest = row[kept], feature[kept], value[kept], newest[kept]
        if not np.isfinite(value).all():
            wrong = np.flatnonzero(~np.isfinite(value))[0]
            raise InputError(f"similarity: values must be finite, got {value[wrong]} in row {row[wrong]}")
        columns = {"row": row, "feature": feature, "value": value}
        if self.end is not None:
            if len(missing := np.flatnonzero(newest == NONE)):
                name = self.names.names(row[missing[:1]].astype(np.int64))[0]
                raise InputError(
                    f"recency needs the time of every event; {self.names.column.removesuffix('_id')} {name} has "
                    f"{int((row == row[missing[0]])[missing].sum())} without; take recency out of {self.setting}"
                )
            columns["age_days"] = np.maximum((self.end - newest) / DAY_MICROSECONDS, 0.0)
        return pa.table(columns)


def merged(events: pa.Table, weights: Sequence[float]) -> tuple[Array, Array, Array, Array]:
    """Row, feature, value and newest time of each pair, sorted by both; NONE where no event of the pair has a time.

    A value that is missing counts 1; of several values of a kind the newest counts, by time, then ordinal.
    """
    missing = {"value": 1.0, "ts": NONE, "ordinal": NONE}
    columns = {name: _filled(events[name], missing.get(name)) for name in EVENT.names}
    by_pair = merging.argsort_pairs(columns["row"], columns["feature"])
    found: tuple[Array, Array, Array, Array] = merging.merge_events(
        by_pair, *columns.values(), np.asarray(weights, float)
    )
    return found


def _filled(column: pa.ChunkedArray, missing: float | None) -> Array:
    filled: Array = (column.fill_null(missing) if column.null_count else column).to_numpy()
    return filled


def from_files(spark: SparkSession, files: Sequence[str], reading: Reading, packing: Packing) -> DataFrame:
    """Events packed, read by the tasks themselves."""
    every = shares(files)

    def pack(numbers: Batches) -> Batches:
        wanted = (every[number] for batch in numbers for number in batch.column(0).to_pylist())
        return packing.pack(batch for share in wanted for batch in numbered_events(share, reading))

    return spark.range(0, len(every), 1, max(len(every), 1)).mapInArrow(pack, PACKED)


def from_frame(events: DataFrame, kinds: Sequence[str], packing: Packing) -> DataFrame:
    """The same of interactions that have `row` and `feature`."""
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
    return events.select(*(column.alias(name) for name, column in columns.items())).mapInArrow(packing.pack, PACKED)


def shares(files: Sequence[str]) -> list[Share]:
    """Files for tasks, each as (address, part, parts) of its row groups."""
    known = sizes_and_groups(files)
    most = max(SHARE_BYTES, sum(size for size, _ in known) // MOST_SHARES)
    found: list[Share] = []
    room = 0
    for address, (size, groups) in zip(files, known, strict=True):
        parts = max(min(round(size / most), groups), 1)
        for part in range(parts):
            if size / parts > room:
                found.append([])
                room = most
            found[-1].append((address, part, parts))
            room -= size // parts
    return found


def numbered_events(share: Share, reading: Reading) -> Batches:
    """Events of a share with numbers in place of their ids: EVENT, and `matrix` 0."""
    looked_up = {column: reading.looked_up(column) for column in (reading.row, reading.feature)}
    kinds = _places(pa.array(reading.kinds), pa.array(range(len(reading.kinds)), pa.int8()))
    for batch in _events(share):
        row, feature = (looked_up[column](batch[column]) for column in (reading.row, reading.feature))
        ts = batch["ts"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        columns = [row, feature, kinds(batch["kind"]), batch["value"], ts, batch["ordinal"]]
        found = pa.RecordBatch.from_arrays(columns, schema=EVENT)
        if row.null_count or feature.null_count:
            found = found.filter(pc.and_(row.is_valid(), feature.is_valid()))
        yield found.append_column("matrix", pa.array(np.zeros(found.num_rows, np.int8)))


def _events(share: Share) -> Iterator[Mapping[str, pa.Array]]:
    """Columns of `interactions` of the row groups of a share; one that a file lacks is null."""
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
            there = [name for name in wanted if name in file.schema_arrow.names]
            for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=there, use_threads=False):
                nulls = {name: pa.nulls(batch.num_rows, kind) for name, kind in wanted.items() if name not in there}
                yield nulls | {name: batch[name] for name in there}


def _places(ids: pa.Array, numbers: pa.Array) -> Callable[[pa.Array], pa.Array]:
    def looked_up(column: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(column.type):
            return numbers.take(pc.index_in(column.dictionary, value_set=ids)).take(column.indices)
        return numbers.take(pc.index_in(column, value_set=ids))

    return looked_up
