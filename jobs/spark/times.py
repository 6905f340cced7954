"""What a night's events know of time, from the footers of their Parquet files: rows are read only where a writer has
left no statistics."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.spark.splits import Times
from jobs.storage.files import filesystem
from models.histories import DAY_MICROSECONDS

TIME = pa.timestamp("us", "UTC")


class Known(NamedTuple):
    """Of a column in some rows: how many have a value, and the largest one (None without one)."""

    rows: int
    largest: pa.Scalar | None


def known_times(files: Sequence[str]) -> Times:
    """How many events files of `interactions` hold, how many have a time and an ordinal, and the newest day."""
    with ThreadPoolExecutor(16) as pool:  # an object store answers each in its own time
        every = list(pool.map(_of_file, files))
    newest = max((times.newest for times in every if times.newest is not None), default=None)
    return Times(sum(t.events for t in every), sum(t.timed for t in every), sum(t.ranked for t in every), newest)


def _of_file(address: str) -> Times:
    fs, path = filesystem(address)
    with fs.open_input_file(path) as source:
        file = pq.ParquetFile(source)
        groups = range(file.metadata.num_row_groups)
        timed, ranked = ([_of_group(file, group, name) for group in groups] for name in ("ts", "ordinal"))
        newest = [one.largest.cast(TIME).value // DAY_MICROSECONDS for one in timed if one.largest is not None]
        counts = [sum(one.rows for one in column) for column in (timed, ranked)]
        return Times(file.metadata.num_rows, counts[0], counts[1], max(newest, default=None))


def _of_group(file: pq.ParquetFile, group: int, name: str) -> Known:
    if name not in file.schema_arrow.names:  # a column that is newer than the file
        return Known(0, None)
    rows = file.metadata.row_group(group)
    column = rows.column(file.schema_arrow.names.index(name))
    known = column.statistics
    if known is not None and known.has_null_count and known.null_count == rows.num_rows:
        return Known(0, None)
    if known is not None and known.has_null_count and known.has_min_max:
        return Known(rows.num_rows - known.null_count, pa.scalar(known.max, file.schema_arrow.field(name).type))
    values = file.read_row_group(group, columns=[name])[name]
    return Known(len(values) - values.null_count, pc.max(values) if values.null_count < len(values) else None)
