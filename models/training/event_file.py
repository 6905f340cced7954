"""Curves for TensorBoard: a file of events in its own format, written without TensorFlow or TensorBoard."""

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, reversed
MASK = 0xA282EAD8
CURVES = "curves"  # folder of such files in a training's workspace
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # wire types of protocol buffers


class EventFile:
    """Appends scalars by step to a new file of a folder.

    A TFRecord file: every record is its length (uint64), the length's checksum, an `Event` as a protocol buffer, and
    its checksum; a checksum is the CRC-32C turned right by 15 bits plus MASK (TensorFlow, `record_writer.cc`).
    """

    def __init__(self, folder: Path) -> None:
        """Makes `events.out.tfevents.<nanoseconds since 1970>`: TensorBoard reads a folder's files by name."""
        folder.mkdir(parents=True, exist_ok=True)
        self.file: BinaryIO = (folder / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._write(_field(3, BYTES, b"brain.Event:2"))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes one event with the scalars of a step, to the disk at once."""
        values = (
            _field(1, BYTES, tag.encode()) + _field(2, FOUR_BYTES, struct.pack("<f", x)) for tag, x in scalars.items()
        )
        summary = b"".join(_field(1, BYTES, value) for value in values)
        self._write(_field(2, VARINT, _varint(step)) + _field(5, BYTES, summary))

    def close(self) -> None:
        """Closes the file."""
        self.file.close()

    def _write(self, event: bytes) -> None:
        data = _field(1, EIGHT_BYTES, struct.pack("<d", time.time())) + event
        length = struct.pack("<Q", len(data))
        self.file.write(length + _checksum(length) + data + _checksum(data))
        self.file.flush()


def _field(number: int, kind: int, content: bytes) -> bytes:
    return _varint(number << 3 | kind) + (_varint(len(content)) if kind == BYTES else b"") + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CASTAGNOLI if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF)
