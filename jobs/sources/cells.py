"""Text as it stands in files → values of the landing columns, a block at a time.

Every parser takes cells (string arrays without nulls; an empty cell is a missing value) and returns the values, null
where missing or unparsable, with a mask of the unparsable ones (None: there are none). What a cell becomes depends on
its own text alone, never on its neighbours in the block.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Mask = np.ndarray[Any, np.dtype[np.bool_]] | None
Parsed = tuple[pa.Array, Mask]
Parser = Callable[..., Parsed]

LIST = "\x1f"  # between the elements of a list that a reader (JSON, Parquet) turned into one cell
NUMBER = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan(\([a-z0-9_]*\))?)$"  # what Arrow's cast reads
FIRST, LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999 in epoch seconds
EXACT = 2.0**53
TIME = pa.timestamp("us", tz="UTC")
YEAR_1, YEAR_10000 = pa.scalar(FIRST * 10**6, TIME), pa.scalar((LAST + 1) * 10**6, TIME)


def text(cells: pa.Array) -> Parsed:
    """The text itself."""
    return _missing(cells), None


def number(cells: pa.Array) -> Parsed:
    """A float64; `nan` and `inf` are numbers (that clean rejects)."""
    given = _missing(cells)
    try:
        return given.cast(pa.float64()), None
    except pa.ArrowInvalid:  # a cast is all or nothing: leave out what is no number, then cast the rest
        trimmed = _missing(pc.utf8_trim_whitespace(given))
        readable = pc.match_substring_regex(trimmed, NUMBER)
        values = pc.if_else(readable, trimmed, None).cast(pa.float64())
        return values, _some(_mask(pc.equal(readable, False)))


def integer(cells: pa.Array, type: pa.DataType) -> Parsed:
    """A whole number that `type` holds; `4.0` is one, `4.5` is not."""
    values, bad = number(cells)
    floats = values.to_numpy(zero_copy_only=False)
    limit = min(EXACT, 2.0 ** (type.bit_width - 1) - 1)
    wrong = _mask(values.is_valid()) & ~((np.abs(floats) <= limit) & (np.floor(floats) == floats))
    return _without(values, wrong).cast(type), _either(bad, wrong)


def moment(cells: pa.Array) -> Parsed:
    """A time in UTC from epoch seconds or ISO 8601 (without a zone: UTC), years 1 to 9999."""
    seconds, no_number = number(cells)
    floats = seconds.to_numpy(zero_copy_only=False)
    outside = _mask(seconds.is_valid()) & ~((floats >= FIRST) & (floats <= LAST))
    micros = np.rint(np.where(np.isnan(floats) | outside, 0, floats) * 1e6).astype(np.int64)
    known = _mask(seconds.is_valid()) & ~outside
    times = pa.array(micros, mask=~known).cast(TIME)
    if no_number is None:
        return times, _some(outside)
    iso = _times(cells.filter(pa.array(no_number)))
    times = pc.replace_with_mask(times, pa.array(no_number), iso)
    unreadable = no_number.copy()
    unreadable[no_number] = _mask(iso.is_null())
    return times, _either(unreadable, outside)


def day(cells: pa.Array) -> Parsed:
    """A day: `1995` (its first of January), `1995-11-22`, or as MovieLens 100k writes it `22-Nov-1995`."""
    days = [_day(cell.strip()) for cell in cells.to_pylist()]
    values = pa.array(days, pa.date32())
    return values, _some(_mask(pc.and_(values.is_null(), pc.not_equal(pc.utf8_trim_whitespace(cells), ""))))


def flag(cells: pa.Array) -> Parsed:
    """true, yes, 1 or false, no, 0, in any case."""
    given = pc.utf8_lower(_missing(pc.utf8_trim_whitespace(cells)))
    true = pc.is_in(given, pa.array(["true", "yes", "1"]))
    known = pc.or_(true, pc.is_in(given, pa.array(["false", "no", "0"])))
    return pc.if_else(known, true, None), _some(_mask(pc.and_(given.is_valid(), pc.invert(known))))


def available(cells: pa.Array) -> Parsed:
    """A flag; true where nothing is said."""
    values, bad = flag(cells)
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(cells), ""), True, values), bad


def parts(cells: pa.Array, separator: str, none: str = "") -> Parsed:
    """A list of texts from one cell; the cell `none` is the empty list."""
    given = _missing(pc.utf8_trim(cells, separator))
    once = pc.replace_substring_regex(given, rf"\x{{{ord(separator):x}}}{{2,}}", separator)
    lists = pc.split_pattern(once, separator)
    if none:
        empty = pa.array([[]] * len(cells), lists.type)
        lists = pc.if_else(pc.equal(cells, none), empty, lists)
    return lists, None


def links(*cells: pa.Array, names: tuple[str, ...]) -> Parsed:
    """Ids elsewhere as `name:id`, one from each column that has one; null where none has."""
    named = [pc.binary_join_element_wise(name, _missing(cell), ":") for name, cell in zip(names, cells, strict=True)]
    return parts(pc.binary_join_element_wise(*named, LIST, null_handling="replace", null_replacement=""), LIST)


def named(cells: pa.Array, names: Mapping[str, str], then: Parser) -> Parsed:
    """What `then` makes of the name that stands for a code; a code without a name is unparsable."""
    given = _missing(cells)
    found = pc.index_in(given, pa.array(list(names), pa.string()))
    values, _ = then(pc.fill_null(pa.array(list(names.values()), pa.string()).take(found), ""))
    return values, _some(_mask(pc.and_(given.is_valid(), found.is_null())))


def flags(*cells: pa.Array, names: tuple[str, ...]) -> Parsed:
    """The names of the cells that hold 1, as a list; any other than 0 and 1 is unparsable."""
    rows = list(zip(*(cell.to_pylist() for cell in cells), strict=True))
    good = [set(row) <= {"0", "1"} for row in rows]
    lists = [
        [name for name, cell in zip(names, row, strict=True) if cell == "1"] if ok else None
        for row, ok in zip(rows, good, strict=True)
    ]
    return pa.array(lists, pa.list_(pa.string())), _some(~np.array(good, dtype=np.bool_))


def year_of_title(cells: pa.Array) -> Parsed:
    """The first of January of the year that ends a title, as in `Toy Story (1995)`."""
    found = pc.struct_field(pc.extract_regex(cells, r"\((?P<year>[12]\d{3})\)\s*$"), "year")
    return pc.binary_join_element_wise(found, "01-01", "-").cast(pa.date32()), None


def by_type(type: pa.DataType, separator: str = "|") -> Parser:
    """The parser for a landing column of an Arrow type."""
    if pa.types.is_list(type):
        return partial(parts, separator=separator)
    if pa.types.is_integer(type):
        return partial(integer, type=type)
    simple = {pa.string(): text, pa.float64(): number, pa.bool_(): flag, pa.date32(): day}
    return simple.get(type, moment)


def _missing(cells: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(cells, ""), None, cells)


def _mask(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _without(values: pa.Array, wrong: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Array:
    return pc.if_else(pa.array(wrong), None, values) if wrong.any() else values


def _either(one: Mask, other: np.ndarray[Any, np.dtype[np.bool_]]) -> Mask:
    return _some(other if one is None else one | other)


def _some(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Mask:
    return mask if mask.any() else None


def _times(written: pa.Array) -> pa.Array:
    """ISO 8601 as times; Arrow is fast where all of a block are alike, Python reads whatever they are."""
    for type in (pa.timestamp("us"), TIME):
        try:
            times = written.cast(type).cast(TIME)
        except pa.ArrowInvalid:
            continue
        if pc.all(pc.and_(pc.greater_equal(times, YEAR_1), pc.less(times, YEAR_10000))).as_py():
            return times
    return pa.array([_iso(text) for text in written.to_pylist()], TIME)


def _iso(written: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(written.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _day(written: str) -> date | None:
    try:
        if len(written) == 4:
            return date(int(written), 1, 1)
        if written[-8:-5] in MONTHS:
            return date(int(written[-4:]), MONTHS.index(written[-8:-5]) + 1, int(written[:-9]))
        return date.fromisoformat(written)
    except ValueError:
        return None
