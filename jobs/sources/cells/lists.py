"""Cells that hold several things: lists of texts, ids elsewhere, region codes, flags in columns of their own.

Missing, empty and holes stay apart: no list is null, a list without elements is empty, and an element that is null,
empty or unknown is dropped. The mask marks the rows that lost an element; their other elements stay.
"""

import ast
import csv
import json
import re
import warnings
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sources.cells.scalars import Parsed, as_text, bits, either, missing, some, text
from schemas.countries import ALIASES, CODES

TEXTS = pa.list_(pa.string())
SURROGATE = re.compile(r"[\ud800-\udfff]")  # half a character, which UTF-8 has not
BRACKETS = r"(?s)^(\[.*\]|\{.*\})$"
APART = re.compile(r"(?<=['\"])\s+(?=['\"])")  # NumPy prints a list's texts without commas


def parts(cells: pa.Array, separator: str = "", none: str = "", known: Mapping[str, str] | None = None) -> Parsed:
    """A list of texts, from a list of the file or from one cell with `separator` between its elements.

    `[]` and the cell `none` are the empty list; a cell that is a list as JSON, Python, NumPy or PostgreSQL (`{a,b}`)
    write it is that list. Where elements are codes, `known` has the code for each way of writing it in upper case.
    """
    if pa.types.is_list(cells.type):
        return _clean(cells, known)
    texts, bad = text(cells)
    given = missing(pc.utf8_trim_whitespace(texts))
    lists = pc.split_pattern(given, separator) if separator else _singles(given)
    if pc.any(pc.match_substring_regex(given, BRACKETS)).as_py():
        lists = _with_printed(given, lists)
    if none:
        lists = pc.if_else(pc.equal(given, none), pa.array([[]] * len(cells), TEXTS), lists)
    values, holes = _clean(lists, known)
    return values, either(bad, holes)


def _singles(given: pa.Array) -> pa.Array:
    """Each text as a list of one."""
    offsets = np.arange(len(given) + 1, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), given, mask=given.is_null())


def _with_printed(given: pa.Array, lists: pa.Array) -> pa.Array:
    rows = lists.to_pylist()
    for row, cell in enumerate(given.to_pylist()):
        if cell is not None and (cell[0], cell[-1]) in (("[", "]"), ("{", "}")):
            rows[row] = _parse_printed(cell, rows[row])
    return pa.array(rows, TEXTS)


def _parse_printed(cell: str, otherwise: list[str | None]) -> list[str | None]:
    """The elements of a list as programs print it, null for those that are no texts or numbers."""
    for read in (json.loads, _python_list, _postgres_array):
        try:
            elements = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError, csv.Error):
            continue
        if isinstance(elements, list):
            return [_element(element) for element in elements]
        return [None] if elements else []  # an object; {} is PostgreSQL's empty array too
    return otherwise


def _element(value: object) -> str | None:
    if not isinstance(value, str | int | float):  # also `...`, bytes and complex numbers
        return None
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except ValueError:  # a number with more digits than Python writes
        return None
    return None if SURROGATE.search(text) else text


def _python_list(cell: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of escapes that Python does not know
        try:
            value = ast.literal_eval(APART.sub(", ", cell))
        except TypeError:  # a set of lists or of sets, which Python cannot make
            return [None]
    return sorted(value, key=str) if isinstance(value, set) else value


def _postgres_array(cell: str) -> list[str | None]:
    if cell.startswith("{{"):
        return [None]  # its elements are arrays
    if cell[0] != "{" or "{" in cell[1:]:
        raise ValueError("no array of one dimension")
    rows = list(csv.reader([cell[1:-1]], escapechar="\\", doublequote=False, strict=True))
    return [None if element == "NULL" else element for row in rows for element in row]


def _clean(lists: pa.Array, known: Mapping[str, str] | None) -> Parsed:
    """The lists without elements that are null, empty, not UTF-8 or unknown, and which lists lost some."""
    elements, _ = as_text(lists.flatten())
    elements = pc.utf8_trim_whitespace(elements)
    if known is None:
        good = pc.fill_null(pc.not_equal(elements, ""), False)
    else:
        places = pc.index_in(pc.utf8_upper(elements), pa.array(list(known), pa.string()))
        elements = pa.array(list(known.values()), pa.string()).take(places)
        good = places.is_valid()
    keep = bits(good)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    kept = np.concatenate([[0], np.cumsum(keep)])
    offsets = kept[np.concatenate([[0], ends])].astype(np.int32)
    values = pa.ListArray.from_arrays(pa.array(offsets), elements.filter(pa.array(keep)), mask=lists.is_null())
    return values, some(np.diff(offsets) < lengths)


def regions(cells: pa.Array, separator: str = "") -> Parsed:
    """Countries by their ISO 3166-1 codes; `uk` is GB, three letters become two. An empty list is nowhere."""
    return parts(cells, separator, known=ALIASES)


def country(cells: pa.Array) -> Parsed:
    """One country by its ISO 3166-1 code."""
    given, bad = text(cells)
    places = pc.index_in(pc.utf8_upper(pc.utf8_trim_whitespace(given)), pa.array(list(ALIASES), pa.string()))
    values = pa.array(list(ALIASES.values()), pa.string()).take(places)
    return values, either(bad, bits(pc.and_(given.is_valid(), places.is_null())))


def links(*cells: pa.Array, names: tuple[str, ...]) -> Parsed:
    """Ids elsewhere as `name:id`, one from each column that has one; null where none has."""
    rows = [
        [f"{name}:{value}" for name, value in zip(names, row, strict=True) if value] or None
        for row in zip(*(cell.to_pylist() for cell in cells), strict=True)
    ]
    return pa.array(rows, TEXTS), None


def flags(*cells: pa.Array, names: tuple[str, ...]) -> Parsed:
    """The names of the cells that hold 1, as a list; any other than 0 and 1 is unreadable."""
    rows = list(zip(*(cell.to_pylist() for cell in cells), strict=True))
    good = [set(row) <= {"0", "1"} for row in rows]
    lists = [
        [name for name, cell in zip(names, row, strict=True) if cell == "1"] if ok else None
        for row, ok in zip(rows, good, strict=True)
    ]
    return pa.array(lists, TEXTS), some(~np.array(good, dtype=np.bool_))


assert set(ALIASES.values()) == set(CODES)
