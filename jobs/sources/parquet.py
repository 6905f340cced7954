"""Parquet files of any schema with columns of numbers, text, times, days, truth values and lists of these."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.sources.cells.scalars import as_text, list_array
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder, refuse_bomb
from jobs.sources.records import Records, check_columns
from jobs.sources.signatures import refuse_other_than_parquet

ROWS, BLOCK = 1 << 18, 64 << 20  # most rows and about the most bytes of a block
DENSEST, SMALL = 30, 1_000_000  # rows a byte; rows. Runs of one value take hardly a byte, real columns do not run so
LIST_KINDS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
REFUSED = (pa.types.is_nested, pa.types.is_duration, pa.types.is_interval, pa.types.is_time)


@dataclass(frozen=True)
class Parquet:
    """A Parquet file; the raw text of a row is its wanted cells with tabs between them."""

    def columns(self, folder: Folder, file: str) -> Collection[str]:
        """The names of its columns."""
        with _open(folder, file) as source:
            return list(source.schema_arrow.names)

    def records(self, folder: Folder, file: str, wanted: Collection[str], findings: Findings) -> Iterator[Records]:
        """`line` is the number of the row, from 1."""
        where = folder.where(file)
        with _open(folder, file) as source:
            schema = source.schema_arrow
            check_columns(where, wanted, schema.names, ", ".join(schema.names))
            for name in wanted:
                _check_type(where, name, schema.field(name).type)
            size, total = folder.size(file), source.metadata.num_rows
            rows = max(1, min(ROWS, BLOCK * total // max(1, _plain_bytes(source))))
            first = 1
            for batch in source.iter_batches(rows, columns=list(wanted)):
                cells = {name: _plain(batch.column(name)) for name in wanted}
                shown = [pc.fill_null(_format_cells(column), "") for column in cells.values()]
                raw = pc.binary_join_element_wise(*shown, "\t")
                line = pa.array(range(first, first + len(raw)), pa.int64())
                first += len(raw)
                yield Records(raw, line, None, cells, size * (first - 1) // total)


def _plain_bytes(source: pq.ParquetFile) -> int:
    return sum(source.metadata.row_group(n).total_byte_size for n in range(source.metadata.num_row_groups))


@contextmanager
def _open(folder: Folder, file: str) -> Iterator[pq.ParquetFile]:
    """InputError where it is damaged, or so dense that it must be a bomb."""
    where = folder.where(file)
    with folder.open_seekable(file) as handle:
        refuse_other_than_parquet(where, handle.read(2048))
        handle.seek(0)
        try:
            source = pq.ParquetFile(handle)
            refuse_bomb(where, _plain_bytes(source), folder.size(file))
            if source.metadata.num_rows > max(SMALL, DENSEST * folder.size(file)):
                raise InputError(f"{where}: {source.metadata.num_rows:,} rows in {folder.size(file):,} bytes: a bomb")
            yield source
        except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{where}: truncated or damaged Parquet ({reason}); fetch the file again") from error


def _check_type(where: str, name: str, type: pa.DataType) -> None:
    inner = type.value_type if any(test(type) for test in LIST_KINDS) or pa.types.is_dictionary(type) else type
    if any(test(inner) for test in REFUSED):
        raise InputError(f"{where}: the column {name!r} has the type {type}; give one of numbers, text or times")


def _plain(column: pa.Array) -> pa.Array:
    """The column without what only stores it: dictionaries, other text and list types, nanoseconds."""
    type = column.type
    if pa.types.is_dictionary(type):
        return _plain(column.dictionary_decode())
    if any(test(type) for test in LIST_KINDS):
        return _plain_lists(column)
    if pa.types.is_large_string(type) or pa.types.is_string_view(type):
        return column.cast(pa.string())
    if pa.types.is_binary_view(type):
        return column.cast(pa.binary())
    return column


def _plain_lists(column: pa.Array) -> pa.Array:
    if not pa.types.is_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    elements, _ = as_text(_plain(column.flatten()))
    return list_array(column, elements)


def _format_cells(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        joined = pc.binary_join(list_array(column, pc.fill_null(column.flatten(), "null")), ", ")
        return pc.binary_join_element_wise("[", joined, "]", "")
    if pa.types.is_timestamp(column.type):
        target = pa.timestamp("us", column.type.tz)
        with suppress(pa.ArrowInvalid):  # where a time is beyond microseconds, which would wrap, all stay as they are
            column = pc.cast(column, options=pc.CastOptions(target, allow_time_truncate=True))
    return as_text(column)[0]
