"""JSON Lines: one object a line."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.errors import InputError
from jobs.sources.cells.scalars import Mask, some
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder
from jobs.sources.lines import Lines, lines
from jobs.sources.records import Records, check_columns

WHOLE = re.compile(r"(-?\d+)\.0+")
_BLANK: dict[str, Any] = {}


@dataclass(frozen=True)
class JsonLines:
    """One object a line; a key that an object does not have is a missing value. `required` keys must occur at all.

    Numbers stay the digits that the file has: no id passes through a float.
    """

    required: tuple[str, ...] = ()

    def columns(self, folder: Folder, file: str) -> None:
        """Returns None: every record has its own columns."""

    def records(self, folder: Folder, file: str, wanted: Collection[str], findings: Findings) -> Iterator[Records]:
        """A line that is no JSON object, or has a key twice, is broken; objects within objects are unreadable."""
        with folder.open(file) as stream:
            for block in lines(stream):
                objects = [_object(line) if line.strip() else _BLANK for line in block.text.to_pylist()]
                if block.first == 1:
                    there = dict.fromkeys(key for one in objects if one is not None for key in one)
                    shown = ", ".join(there) or _no_objects(block)
                    check_columns(stream.where, self.required, there, shown)
                    _refuse_nested(stream.where, objects, wanted)
                yield _records(block, objects, wanted, findings)


def _no_objects(block: Lines) -> str:
    line = block.text[0].as_py()
    start = line.lstrip()[:1]
    if start == "[":
        return "a JSON array, not an object a line (`jq -c '.[]'` makes it so)"
    if start != "{":
        return "no JSON object a line"
    try:
        json.dumps(_DECODER.decode(line), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return f"no JSON object a line (line 1: {error}; is it one object over several lines? `jq -c .`)"
    return "no JSON object a line"


def _refuse_nested(where: str, objects: list[dict[str, Any] | None], wanted: Collection[str]) -> None:
    """InputError for a column whose every value is an object, or a list of objects."""
    for name in wanted:
        given = [one[name] for one in objects if one and one.get(name) not in (None, [])]
        if given and all(isinstance(value[0] if isinstance(value, list) else value, dict | list) for value in given):
            raise InputError(
                f"{where}: the column {name!r} holds objects, as {json.dumps(given[0])[:100]}; give it texts, numbers "
                "or lists of these, for example with jq"
            )


def _records(
    block: Lines, objects: list[dict[str, Any] | None], wanted: Collection[str], findings: Findings
) -> Records:
    blank = np.array([one is _BLANK for one in objects])
    if blank.any():
        findings.add("blank lines left out", int(blank.sum()), block.first + int(np.flatnonzero(blank)[0]), None)
        objects = [one for one in objects if one is not _BLANK]
    keep = pa.array(~blank)
    broken = np.array([one is None for one in objects], dtype=np.bool_)
    kept = block.text.filter(keep)
    line = pa.array(block.first + np.arange(len(block.text))).filter(keep)
    if broken.any():
        at = int(np.flatnonzero(broken)[0])
        what = "lines that are no JSON object, or have a key twice, which are rejected"
        findings.add(what, int(broken.sum()), line[at].as_py(), kept[at].as_py())
    cells: dict[str, pa.Array] = {}
    unreadable: dict[str, Mask] = {}
    for name in wanted:
        values = [_cell((one or {}).get(name)) for one in objects]
        unreadable[name] = some(np.array([value is _NESTED for value in values]))
        cells[name] = _array([None if value is _NESTED else value for value in values])
    return Records(kept, line, some(broken), cells, block.read, unreadable)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = _DECODER.decode(line)
        if "\\ud" in line or "\\uD" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # a lone surrogate is a ValueError too
        return None
    return value if isinstance(value, dict) else None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    there = dict(pairs)
    if len(there) < len(pairs):
        raise ValueError("a key stands there twice")
    return there


def _float(digits: str) -> str:
    """7.0 is the whole number 7, as pandas writes ids where some are missing; all else stays as it stands."""
    whole = WHOLE.fullmatch(digits)
    return whole[1] if whole else digits


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_float, parse_int=str, parse_constant=str)
_NESTED = object()


def _cell(value: Any) -> Any:
    """The value as text, or as a list of texts with its holes; _NESTED for objects and for lists in lists."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        elements = [_cell(element) for element in value]
        return _NESTED if any(isinstance(e, list) or e is _NESTED for e in elements) else elements
    return _NESTED


def _array(values: list[Any]) -> pa.Array:
    """Texts, or lists of texts where any value is a list."""
    if any(isinstance(value, list) for value in values):
        lists = [value if value is None or isinstance(value, list) else [value] for value in values]
        return pa.array(lists, pa.list_(pa.string()))
    return pa.array(values, pa.string())
