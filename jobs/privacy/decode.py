"""Every text in a file of any form that Encore, its libraries or Airflow write, down to archives within archives.

A file's form is told by its first bytes, not by its name. What is in none of the forms is searched as bytes.
"""

import io
import json
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from jobs.privacy import avro

USER_COLUMNS = frozenset({"user_id", "similar_user_id"})  # of every table, and of the landing format
MAX_DEPTH = 4  # archives within archives
SQLITE, HDF5, NPY, PARQUET, GZIP = b"SQLite format 3\0", b"\x89HDF\r\n", b"\x93NUMPY", b"PAR1", b"\x1f\x8b"
# What the readers raise where a file is damaged or only looks like one: its bytes are searched then.
DAMAGE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zlib.error, sqlite3.Error, RuntimeError)
DAMAGED = (*DAMAGE, zipfile.BadZipFile, NotImplementedError, pa.ArrowException, RecursionError, MemoryError)


@dataclass(frozen=True)
class Users:
    """Values of a column that holds user ids and nothing else."""

    place: str
    values: pa.Array


@dataclass(frozen=True)
class Text:
    """A text, or many of one column put together by line ends."""

    place: str
    text: str


@dataclass(frozen=True)
class Raw:
    """Bytes as they lie in the file: pages of a database that are free, what no reader knows."""

    place: str
    content: bytes


Part = Users | Text | Raw


def parts(content: bytes, place: str = "", depth: int = 0) -> Iterator[Part]:
    """All that a file holds."""
    parts: list[Part] = []
    try:
        for part in _decode(content, place, depth):
            parts.append(part)
    except DAMAGED:
        parts.append(Raw(place, content))
    yield from parts


def _decode(content: bytes, place: str, depth: int) -> Iterator[Part]:
    if content[:4] == PARQUET and content[-4:] == PARQUET:
        yield from _parquet(pq.ParquetFile(pa.BufferReader(content)), place)
    elif content[:4] == avro.MAGIC:
        yield from _avro(content, place)
    elif content[:2] == b"PK" and depth < MAX_DEPTH:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from parts(archive.read(name), f"{place}!{name}", depth + 1)
    elif content[:2] == GZIP and depth < MAX_DEPTH:
        yield from parts(zlib.decompressobj(31).decompress(content), place, depth + 1)
    elif content[:6] == NPY:
        yield from _array(np.load(io.BytesIO(content), allow_pickle=False), place)
    elif content[:6] == HDF5:
        yield from _hdf5(content, place)
        yield Raw(place, content)
    elif content[:16] == SQLITE:
        yield from _sqlite(content, place)
        yield Raw(place, content)
    elif content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield Text(place, content.decode("utf-16", errors="replace"))
    elif b"\0" in content:
        yield Raw(place, content)
    else:
        yield Text(place, content.decode(errors="replace"))


def _parquet(file: pq.ParquetFile, place: str) -> Iterator[Part]:
    for key, value in (file.schema_arrow.metadata or {}).items():
        yield Text(f"{place}#{key.decode(errors='replace')}", value.decode(errors="replace"))
    for number in range(file.num_row_groups):
        group = file.read_row_group(number)
        for name, column in zip(group.column_names, group.columns, strict=True):
            yield from _column(group, name, column, place)


def _column(group: pa.Table, name: str, column: pa.ChunkedArray, place: str) -> Iterator[Part]:
    texts = _texts(column.combine_chunks())
    if texts is None:
        return
    if name in USER_COLUMNS:
        yield Users(f"{place}#{name}", texts)
    elif name == "id" and "kind" in group.column_names:
        yield Users(f"{place}#{name}", texts.filter(pa.compute.equal(group["kind"].combine_chunks(), "user")))
    else:
        yield Text(f"{place}#{name}", "\n".join(text for text in texts.unique().to_pylist() if text))


def _texts(array: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """The texts of an array, those in lists too; None where it has none."""
    if isinstance(array, pa.ChunkedArray):  # too large for one array
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _texts(array.flatten())
    if pa.types.is_binary(array.type):
        return pa.array([value.decode(errors="replace") for value in array.to_pylist() if value is not None])
    return array if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) else None


def _avro(content: bytes, place: str) -> Iterator[Part]:
    meta, records = avro.header_and_records(content)
    columns = _fields(meta)
    for record in records:
        yield from _values(record, place, columns)


def _fields(meta: dict[str, bytes]) -> dict[int, str]:
    """Number → name of the columns of the table that a manifest is about; empty for another file."""
    schema = json.loads(meta.get("schema", b"{}"))
    return {field["id"]: field["name"] for field in schema.get("fields", [])}


def _values(value: Any, place: str, columns: dict[int, str]) -> Iterator[Part]:
    if isinstance(value, dict):
        column = columns.get(value["key"]) if value.keys() == {"key", "value"} else None
        if column and isinstance(value["value"], bytes):  # the smallest or largest value of a column
            text = value["value"].decode(errors="replace")
            users = column in USER_COLUMNS or column == "id"
            yield Users(f"{place}#{column}", pa.array([text])) if users else Text(f"{place}#{column}", text)
            return
        for name, inner in value.items():
            yield from _values(inner, f"{place}#{name}", columns)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, place, columns)
    elif isinstance(value, bytes):
        yield Text(place, value.decode(errors="replace"))
    elif isinstance(value, str):
        yield Text(place, value)


def _array(array: np.ndarray, place: str) -> Iterator[Part]:
    if array.dtype.kind in "US":
        yield Text(place, "\n".join(str(value) for value in array.ravel().tolist()))
    elif array.dtype.kind == "u" and array.dtype.itemsize == 1:
        yield Raw(place, array.tobytes())


def _hdf5(content: bytes, place: str) -> Iterator[Part]:
    import h5py  # it comes with Keras

    parts: list[Part] = []

    def visit(name: str, node: Any) -> None:
        parts.append(Text(f"{place}!{name}", " ".join([name, *(f"{k}={v}" for k, v in node.attrs.items())])))
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "OSU":
            parts.append(Text(f"{place}!{name}", "\n".join(map(_plain, np.ravel(node[()]).tolist()))))

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(visit)
    yield from parts


def _plain(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _sqlite(content: bytes, place: str) -> Iterator[Part]:
    """The cells of every table; what is deleted but still there, the pages tell."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        copy.write_bytes(content)
        with closing(sqlite3.connect(copy)) as db:
            names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in names:
                quoted = name.replace('"', '""')
                for row in db.execute(f'SELECT * FROM "{quoted}"'):
                    for cell in row:
                        if isinstance(cell, str):
                            yield Text(f"{place}#{name}", cell)
                        elif isinstance(cell, bytes):
                            yield from parts(cell, f"{place}#{name}", MAX_DEPTH)
