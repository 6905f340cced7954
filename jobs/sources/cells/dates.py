"""Written dates → epoch seconds: ISO 8601, names of months, days and months in either order, digits alone, patterns."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sources.cells.scalars import as_text, bits, text

DAY_SECONDS = 86_400
Seconds = np.ndarray[Any, np.dtype[np.float64]]
UTC_TIME = pa.timestamp("us", tz="UTC")
YEAR_1, YEAR_10000 = (pa.scalar(seconds * 10**6, UTC_TIME) for seconds in (-62_135_596_800, 253_402_300_800))
ZONE = r"\s*(UTC|GMT|Z)$"
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
MONTHS = {name: n for n, name in enumerate(_MONTHS.split(), start=1)}
NAMED = re.compile(  # 22-Nov-1995 · 21 Aug, 2012 · Tue, 30 Apr 2024 10:00:00 +0200
    r"(?:[A-Za-z]{3,9},?\s+)?(?P<day>\d{1,2})[-. ]+(?P<month>[A-Za-z]{3,9})[-., ]+(?P<year>\d{4})(?P<rest>\D.*)?$"
)
NAMED_FIRST = re.compile(  # Aug 21, 2012 · April 30, 2024 10:00
    r"(?P<month>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4})(?P<rest>\D.*)?$"
)
CLOCK = r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?\s*(?P<half>[AaPp][Mm])?)?"
# 2024-04-30 10:00 CET · 2024-04-30T10:00:00+02:00[Europe/Berlin] · 2024-04-30 10:00 UTC+2
NAMED_ZONE = re.compile(r"\d\S*?\s*(\[?[A-Z][A-Za-z_]+/[\w/+-]+\]?|[A-Z]{2,5}(?:[+-]\d[\d:]*)?)\s*$")
# ISO 8601 has the end of a day as 24:00, and UTC has seconds that are put in, as 23:59:60.
AFTER_MIDNIGHT = ((re.compile(r"(?<=[T ])24:00(?!:0?[1-9]|:[1-5]|:00\.0*[1-9])"), "00:00", DAY_SECONDS),
                  (re.compile(r"(?<=23:59):60(?!\d)"), ":59", 1))  # fmt: skip
DIGITS = r"^\s*(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?P<hour>\d{2})?(?P<minute>\d{2})?(?P<second>\d{2})?(?:\.0*)?\s*$"


def parse_dates(cells: pa.Array) -> Seconds:
    """Parses ISO 8601 (` UTC` at the end is a zone too) and dates with the month's name; never digits alone."""
    given = pc.utf8_trim_whitespace(text(cells)[0])
    given = pc.if_else(pc.match_substring_regex(given, r"^[+-]?[\d.]*$"), None, given)
    if pc.any(pc.match_substring_regex(given, ZONE)).as_py():
        given = pc.replace_substring_regex(given, ZONE, "Z")
    for type in (pa.timestamp("us"), UTC_TIME):
        try:
            times = given.cast(type).cast(UTC_TIME)
        except pa.ArrowInvalid:
            continue
        if pc.all(pc.and_(pc.greater_equal(times, YEAR_1), pc.less(times, YEAR_10000))).as_py() is not False:
            return _seconds(times)
    return np.array([np.nan if cell is None else _read(cell) for cell in given.to_pylist()], dtype=np.float64)


def parse_dates_or_years(cells: pa.Array) -> Seconds:
    """Parses as `parse_dates` does, and a year alone as its first of January."""
    given = pc.utf8_trim_whitespace(text(cells)[0])
    alone = pc.match_substring_regex(given, r"^[12]\d{3}(\.0+)?$")
    first = pc.binary_join_element_wise(pc.utf8_slice_codeunits(given, 0, 4), "01-01", "-")
    return parse_dates(pc.if_else(pc.fill_null(alone, False), first, given))


def _seconds(times: pa.Array) -> Seconds:
    micros = times.cast(pa.int64())
    return np.where(bits(micros.is_valid()), pc.fill_null(micros, 0).to_numpy(zero_copy_only=False) / 1e6, np.nan)


def zone_hint(cell: str) -> str:
    """What to do about a time that ends with a zone's name, which is not read; empty for other texts."""
    match = NAMED_ZONE.search(cell)
    return f"the zone {match[1]!r} is not read: write UTC or an offset as +02:00" if match else ""


def _read(cell: str) -> float:
    try:
        return _utc(datetime.fromisoformat(cell))
    except ValueError:
        pass
    for written_so, instead, seconds in AFTER_MIDNIGHT:
        if written_so.search(cell):
            return _read(written_so.sub(instead, cell, count=1)) + seconds
    return _with_name(cell)


def _utc(time: datetime) -> float:
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return np.nan


def _with_name(cell: str) -> float:
    match = NAMED.match(cell) or NAMED_FIRST.match(cell)
    month = MONTHS.get(match["month"][:3].lower()) if match else None
    if match is None or month is None:
        return np.nan
    clock = re.sub(r"\s+(?=[+-]|Z$)", "", (match["rest"] or "").strip(" ,T"))
    clock = f"T{'0' if clock[1:2] == ':' else ''}{clock}" if clock else ""
    try:
        return _utc(datetime.fromisoformat(f"{match['year']}-{month:02}-{int(match['day']):02}{clock}"))
    except ValueError:
        return np.nan


def make_date_reader(order: str) -> Callable[[pa.Array], Seconds]:
    """Reads numbers between `/`, `.` or `-` in an order of year, month and day, as "dmy", with a time after them."""
    digits = {"y": r"(?P<y>\d{4})", "m": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})"}
    # ISO dates are another format's: "year, month, day" has slashes, dots or single digits
    between = r"[/.]" if order == "ymd" else r"[/.-]"
    expression = r"^\s*" + between.join(digits[letter] for letter in order) + CLOCK + r"\s*(?:UTC|GMT|Z)?\s*$"

    def read(cells: pa.Array) -> Seconds:
        return _from_parts(pc.extract_regex(text(cells)[0], expression))

    return read


def compact(cells: pa.Array) -> Seconds:
    """Reads 20240430 and 20240430123000."""
    if not pa.types.is_string(cells.type):
        cells = cells.cast(pa.float64()).cast(pa.int64(), safe=False).cast(pa.string())
    return _from_parts(pc.extract_regex(as_text(cells)[0], DIGITS))


def pattern(form: str) -> Callable[[pa.Array], Seconds]:
    """Reads what `datetime.strptime` reads with a pattern."""

    def read(cells: pa.Array) -> Seconds:
        texts, _ = as_text(cells)
        values = []
        for cell in texts.to_pylist():
            try:
                values.append(np.nan if cell is None else _utc(datetime.strptime(cell.strip(), form)))
            except ValueError:
                values.append(np.nan)
        return np.array(values, dtype=np.float64)

    return read


def _from_parts(parts: pa.Array) -> Seconds:
    """Epoch seconds from text fields y, m, d and perhaps hour, minute, second, half; NaN where there is no such day."""
    there = bits(parts.is_valid())
    names = [field.name for field in parts.type]

    def part(name: str, otherwise: float) -> Seconds:
        if name not in names:
            return np.full(len(parts), otherwise)
        values = pc.struct_field(parts, name)
        cast = pc.if_else(pc.equal(values, ""), None, values).cast(pa.float64())
        return np.asarray(pc.fill_null(cast, otherwise).to_numpy(zero_copy_only=False))

    year, month, day = (part(name, 1) for name in "ymd")
    hour, minute, second = part("hour", 0), part("minute", 0), part("second", 0)
    if "half" in names:
        half = pc.utf8_lower(pc.struct_field(parts, "half"))
        noon = np.where(bits(pc.equal(half, "pm")), 12, 0)
        hour = np.where(bits(pc.is_in(half, pa.array(["am", "pm"]))), hour % 12 + noon, hour)
    clock = hour * 3600 + minute * 60 + second
    in_day = (hour < 24) & (minute < 60) & (second < 60) | (clock == DAY_SECONDS)  # 24:00:00 or 23:59:60
    good = there & (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & in_day
    months = (np.where(good, year - 1970, 0) * 12 + np.where(good, month - 1, 0)).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + np.where(good, day - 1, 0)
    last = (months + 1).astype("datetime64[D]").astype(np.int64)
    return np.where(good & (days < last), days * float(DAY_SECONDS) + clock, np.nan)
