"""Reads and writes Parquet files of a table as Arrow tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs.storage.files import create_folder, filesystem

BATCH_ROWS = 1 << 16


def read(addresses: Sequence[str], schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of some Parquet files in the order of the files, with exactly the columns asked for.

    A column that a file does not have yet is null.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    parts = [_read_one(address, wanted) for address in addresses]
    return pa.concat_tables(parts) if parts else wanted.empty_table()


def _read_one(address: str, schema: pa.Schema) -> pa.Table:
    fs, path = filesystem(address)
    with fs.open_input_file(path) as source:
        # Not column by column, which are requests on a store, of so few bytes that a refusal is not tried again.
        file = pq.ParquetFile(source, pre_buffer=not isinstance(fs, arrow_fs.LocalFileSystem))
        table = file.read(columns=[name for name in schema.names if name in file.schema_arrow.names])
    for index, field in enumerate(schema):
        if field.name not in table.column_names:
            table = table.add_column(index, field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)


def read_batches(address: str, schema: pa.Schema, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, so many at a time, with the columns of `schema`; one that it lacks is null."""
    fs, path = filesystem(address)
    with fs.open_input_file(path) as source:
        file = pq.ParquetFile(source, pre_buffer=True)
        there = [name for name in schema.names if name in file.schema_arrow.names]
        for batch in file.iter_batches(rows, columns=there):
            missing = {field: pa.nulls(batch.num_rows, field.type) for field in schema if field.name not in there}
            for field, nulls in missing.items():
                batch = batch.append_column(field, nulls)
            yield batch.select(schema.names).cast(schema)


def write(
    table: pa.Table,
    folder: str,
    name: str = "part-0",
    group_rows: int | None = None,
    encodings: Mapping[str, str] | None = None,
) -> str:
    """Writes one Parquet file into a folder; returns its address.

    group_rows: rows of a row group, the least that a reader looks for and reads; None for Arrow's 1,048,576.
    encodings: Parquet's, of columns that need no dictionary; such a file is read again soon, and compressed by lz4.
    """
    return write_batches([table], table.schema, folder, name, group_rows, encodings)


def write_batches(
    batches: Iterable[pa.RecordBatch | pa.Table],
    schema: pa.Schema,
    folder: str,
    name: str,
    group_rows: int | None = None,
    encodings: Mapping[str, str] | None = None,
) -> str:
    """Writes one Parquet file of rows that come in batches; one batch is in memory at a time."""
    create_folder(folder)
    address = f"{folder}/{name}.parquet"
    fs, path = filesystem(address)
    options: dict[str, Any] = {"compression": "zstd"}
    if encodings is not None:
        dictionaries = [column for column in schema.names if column not in encodings]
        options = {"compression": "lz4", "use_dictionary": dictionaries, "column_encoding": dict(encodings)}
    with fs.open_output_stream(path) as sink, pq.ParquetWriter(sink, schema, **options) as writer:
        for batch in batches:
            writer.write(batch, row_group_size=group_rows)
    return address
