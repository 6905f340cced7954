"""Parquet files of any schema with columns of numbers, text, times, days, truth values and lists of these."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.sources.cells import LIST
from jobs.sources.folder import Folder, refuse_bomb
from jobs.sources.records import Records, check_columns

ROWS = 1 << 18
DENSEST, SMALL = 30, 1_000_000  # rows a byte; rows. Runs of one value take hardly a byte, real columns do not run so


@dataclass(frozen=True)
class Parquet:
    """A Parquet file; the raw text of a row is its cells with tabs between them."""

    def columns(self, folder: Folder, file: str) -> Collection[str]:
        """The names of its columns."""
        with _opened(folder, file) as source:
            return list(source.schema_arrow.names)

    def records(self, folder: Folder, file: str, wanted: Collection[str]) -> Iterator[Records]:
        """`line` is the number of the row, from 1."""
        with _opened(folder, file) as source:
            check_columns(folder.where(file), wanted, source.schema_arrow.names, ", ".join(source.schema_arrow.names))
            first, size, total = 1, folder.size(file), source.metadata.num_rows
            for batch in source.iter_batches(ROWS, columns=list(wanted)):
                cells = {name: _cells(batch.column(name), name, folder.where(file)) for name in wanted}
                raw = pc.binary_join_element_wise(*cells.values(), "\t")
                yield Records(raw, first, None, cells, size * (first - 1 + len(raw)) // total)
                first += len(raw)


@contextmanager
def _opened(folder: Folder, file: str) -> Iterator[pq.ParquetFile]:
    """InputError where it is damaged, or so dense that it must be a bomb."""
    where = folder.where(file)
    with folder.open_seekable(file) as handle:
        try:
            source = pq.ParquetFile(handle)
            groups = [source.metadata.row_group(n) for n in range(source.metadata.num_row_groups)]
            refuse_bomb(where, sum(group.total_byte_size for group in groups), folder.size(file))
            if source.metadata.num_rows > max(SMALL, DENSEST * folder.size(file)):
                raise InputError(f"{where}: {source.metadata.num_rows:,} rows in {folder.size(file):,} bytes: a bomb")
            yield source
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{where}: truncated or damaged Parquet ({error}); fetch the file again") from error


def _cells(column: pa.Array, name: str, where: str) -> pa.Array:
    """The column as the text that the parsers of cells.py read."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        column = pc.divide(micros.cast(pa.float64()), 1e6)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        texts = column.cast(pa.list_(pa.string()))
        return pc.fill_null(pc.binary_join(texts, LIST), "")
    if pa.types.is_nested(column.type):
        raise InputError(f"{where}: the column {name!r} has the type {column.type}; give one of numbers, text or times")
    return pc.fill_null(column.cast(pa.string()), "")
