"""A reader of Avro container files (Apache Avro 1.11 specification) that yields every text and its place.

Iceberg's manifests are Avro: they hold the smallest and largest values of columns, ids of users among them. Only what
Iceberg writes is read: records, unions, arrays, maps and primitive types, blocks as they are or deflated or zstd.
"""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

MAGIC = b"Obj\x01"
_META = {"type": "map", "values": "bytes"}


def header_and_records(content: bytes) -> tuple[dict[str, bytes], Iterator[Any]]:
    """The header's metadata and the records of a container; ValueError, EOFError or struct.error for a damaged one."""
    stream = io.BytesIO(content)
    if stream.read(4) != MAGIC:
        raise ValueError("no Avro container")
    meta: dict[str, bytes] = _read(_META, stream, {})
    return meta, _records(stream, meta)


def _records(stream: io.BytesIO, meta: dict[str, bytes]) -> Iterator[Any]:
    schema = json.loads(meta["avro.schema"])
    opened = _CODECS[meta.get("avro.codec", b"null").decode()]
    sync, named = stream.read(16), dict[str, Any]()
    while stream.tell() < len(stream.getbuffer()):
        count, size = _long(stream), _long(stream)
        block = io.BytesIO(opened(stream.read(size)))
        for _ in range(count):
            yield _read(schema, block, named)
        if stream.read(16) != sync:
            raise ValueError("a block does not end with the file's marker")


_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda block: block,
    "deflate": lambda block: zlib.decompress(block, -15),
    "zstandard": lambda block: pa.input_stream(pa.py_buffer(block), compression="zstd").read(),
}


def _long(stream: io.BytesIO) -> int:
    shift = value = 0
    while True:
        (byte,) = stream.read(1) or _end()
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7


def _end() -> bytes:
    raise EOFError("the file ends in the middle of a value")


def _bytes(stream: io.BytesIO) -> bytes:
    size = _long(stream)
    content = stream.read(size)
    if len(content) != size:
        raise EOFError("the file ends in the middle of a value")
    return content


_PRIMITIVE: dict[str, Callable[[io.BytesIO], Any]] = {
    "null": lambda stream: None,
    "boolean": lambda stream: stream.read(1) != b"\0",
    "int": _long,
    "long": _long,
    "float": lambda stream: struct.unpack("<f", stream.read(4))[0],
    "double": lambda stream: struct.unpack("<d", stream.read(8))[0],
    "bytes": _bytes,
    "string": lambda stream: _bytes(stream).decode(errors="replace"),
}


def _read(schema: Any, stream: io.BytesIO, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return _read(schema[_long(stream)], stream, named)
    if isinstance(schema, str):
        return _PRIMITIVE[schema](stream) if schema in _PRIMITIVE else _read(named[schema], stream, named)
    kind = schema["type"]
    if "name" in schema:
        named[schema["name"]] = schema
    if kind == "record":
        return {field["name"]: _read(field["type"], stream, named) for field in schema["fields"]}
    if kind == "array":
        return [_read(schema["items"], stream, named) for _ in _items(stream)]
    if kind == "map":
        return {_bytes(stream).decode(): _read(schema["values"], stream, named) for _ in _items(stream)}
    if kind == "fixed":
        return stream.read(schema["size"])
    if kind == "enum":
        return schema["symbols"][_long(stream)]
    return _read(kind, stream, named)  # a primitive with a logical type


def _items(stream: io.BytesIO) -> Iterator[None]:
    """As many as the blocks of an array or a map say."""
    while count := _long(stream):
        if count < 0:
            _long(stream)  # bytes of the block
        yield from [None] * abs(count)
