"""JSON Lines: one object a line."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.sources.cells import LIST, Mask
from jobs.sources.folder import Folder
from jobs.sources.lines import Lines, lines
from jobs.sources.records import Records, check_columns


@dataclass(frozen=True)
class JsonLines:
    """One object a line; a key that an object does not have is a missing value. `required` keys must occur at all."""

    required: tuple[str, ...] = ()

    def columns(self, folder: Folder, file: str) -> None:
        """None: every record has its own."""

    def records(self, folder: Folder, file: str, wanted: Collection[str]) -> Iterator[Records]:
        """A line that is no JSON object is broken."""
        with folder.open(file) as stream:
            for block in lines(stream):
                objects = [_object(line) for line in block.text.to_pylist()]
                if block.first == 1:
                    there = dict.fromkeys(key for one in objects if one is not None for key in one)
                    check_columns(stream.where, self.required, there, ", ".join(there) or "no JSON object a line")
                yield _records(block, objects, wanted)


def _records(block: Lines, objects: list[dict[str, Any] | None], wanted: Collection[str]) -> Records:
    broken: Mask = np.array([one is None for one in objects])
    cells = {name: [_cell((one or {}).get(name)) for one in objects] for name in wanted}
    arrays = {name: pa.array(column, pa.string()) for name, column in cells.items()}
    return Records(block.text, block.first, broken if np.any(broken) else None, arrays, block.read)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
        if "\\ud" in line or "\\uD" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # a lone surrogate is a ValueError too
        return None
    return value if isinstance(value, dict) else None


def _cell(value: Any) -> str:
    """The value as the text that the parsers of cells.py read."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return LIST.join(map(_cell, value))
    return json.dumps(value)
