"""Time formats: one is found for each file from its first cells, or given with --time-format, and then read.

A format is plausible for a cell when it gives a day between the first one that makes sense and the year 2100. The one
that is plausible for most cells is the file's; where two differ about what the cells mean, the import is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells import dates
from jobs.sources.cells.dates import DAY_SECONDS
from jobs.sources.cells.scalars import Bits, Parsed, bits, missing, number, some, text, without

FIRST, LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999 in epoch seconds
UNITS = {"days": 1, "s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second (days: counted as seconds first)
TIME = pa.timestamp("us", tz="UTC")
END = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
SAMPLE = 100_000  # cells by which a file's format is found
SPREADSHEET = -25_569 * DAY_SECONDS  # spreadsheets count days from 1899-12-30
MIN_SHARE = 0.5  # of the cells must be plausible


@dataclass(frozen=True)
class Format:
    """A way of writing times: `read` gives epoch seconds (float64, NaN where a cell is not written so)."""

    meaning: str
    read: Callable[[pa.Array], np.ndarray]


def _numbers(cells: pa.Array) -> np.ndarray:
    return np.asarray(number(cells)[0].to_numpy(zero_copy_only=False), dtype=np.float64)


def _make_number_reader(
    unit: float, since: float = 0.0, digits: tuple[float, float] = (0, 0)
) -> Callable[[pa.Array], np.ndarray]:
    """Reads numbers of `unit` seconds after `since`; `digits` bound the numbers' size (0, 0: any)."""

    def read(cells: pa.Array) -> np.ndarray:
        values = _numbers(cells)
        within = (values >= digits[0]) & (values < digits[1]) if digits[1] else np.isfinite(values)
        with np.errstate(over="ignore", invalid="ignore"):
            seconds = values * unit + since
        return np.where(within & (seconds >= FIRST) & (seconds <= LAST), seconds, np.nan)

    return read


FORMATS: Mapping[str, Format] = {
    "iso": Format("ISO 8601 or with the month's name, UTC where no zone is given", dates.parse_dates),
    "seconds": Format("seconds since 1970", _make_number_reader(1)),
    "milliseconds": Format("milliseconds since 1970", _make_number_reader(1e-3)),
    "microseconds": Format("microseconds since 1970", _make_number_reader(1e-6)),
    "nanoseconds": Format("nanoseconds since 1970", _make_number_reader(1e-9)),
    "yyyymmdd": Format("digits of year, month and day, and of hour, minute and second where given", dates.compact),
    "day-number": Format("a spreadsheet's day number", _make_number_reader(DAY_SECONDS, SPREADSHEET, (1, 2_958_466))),
    "unix-days": Format("days since 1970", _make_number_reader(DAY_SECONDS, 0, (-719_162, 2_932_897))),
    "year-month-day": Format("year, month, day", dates.make_date_reader("ymd")),
    "day-month-year": Format("day, month, year", dates.make_date_reader("dmy")),
    "month-day-year": Format("month, day, year", dates.make_date_reader("mdy")),
}
# How large the numbers are by which a format is recognised; beyond, it must be named.
RECOGNISED: Mapping[str, tuple[float, float]] = {
    "seconds": (1e8, 1e10),
    "milliseconds": (1e11, 1e13),
    "microseconds": (1e14, 1e16),
    "nanoseconds": (1e17, 1e19),
    "day-number": (1e4, 1e5),
    "unix-days": (1e4, 3.2e4),  # until 2057, where spreadsheets are at 1987
}


def find_format(name: str) -> Format:
    """The format of a name, or of a pattern with `%` as strptime takes it; InputError for any other name."""
    if "%" in name:
        return Format(f"as {name}", dates.pattern(name))
    if name not in FORMATS:
        there = ", ".join(FORMATS)
        raise InputError(f"--time-format {name}: there is no such format; there are: {there}, and patterns with %")
    return FORMATS[name]


class TimeReader:
    """A parser of times (`day`: of days) that finds the file's format from the first cells that it gets.

    Times outside of the years 1 to 9999 are unreadable. `format` is None until there was a cell. Where the column is
    `required`, most of the first cells must be plausible.
    """

    def __init__(
        self, column: str, first_day: date, day: bool = False, given: str | None = None, required: bool = True
    ) -> None:
        self.column = column
        self.required = required
        self.first = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp()
        self.type = pa.date32() if day else TIME
        self.given = given
        self.format: Format | None = None if given is None else find_format(given)
        self.example = ""
        self._checked = False

    @property
    def note(self) -> str:
        """What the cells were taken for, with an example; empty where there was none."""
        return f"{self.format.meaning} ({self.example})" if self.format and self.example else ""

    def __call__(self, cells: pa.Array) -> Parsed:
        """The cells as times; InputError where it is not clear what they mean."""
        if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
            return _of_the_type(cells, self.type)
        given = cells
        if not pa.types.is_integer(cells.type) and not pa.types.is_floating(cells.type):
            given = text(cells)[0]
        if not self._checked and given.null_count < len(given):
            sample = given.drop_null()[:SAMPLE]
            if pa.types.is_string(sample.type):
                sample = missing(pc.utf8_trim_whitespace(sample)).drop_null()
            self._checked = len(sample) > 0
            if self._checked:
                self._settle(pc.unique(sample))
        if self.format is None:
            return pa.nulls(len(cells), self.type), None
        seconds = self.format.read(given)
        known = (seconds >= FIRST) & (seconds < LAST + 1)
        micros = np.rint(np.where(known, seconds, 0) * 1e6).astype(np.int64)
        times = pa.array(micros, mask=~known).cast(TIME)
        bad = bits(given.is_valid()) & ~known
        if bad.any() and pa.types.is_string(given.type):  # spaces alone are missing
            bad &= bits(pc.not_equal(pc.utf8_trim_whitespace(given), ""))
        return times.cast(self.type, safe=False), some(bad)

    def _settle(self, sample: pa.Array) -> None:
        candidates = {self.given: self.format} if self.given and self.format else self._candidates()
        readings = {name: form.read(sample) for name, form in candidates.items()}
        fits = {name: self._fits(name, sample, seconds) for name, seconds in readings.items()}
        best = max(fits, key=lambda name: int(fits[name].sum()))
        if self.required and fits[best].mean() < MIN_SHARE:
            raise InputError(self._refusal(sample, fits[best]))
        self.format = candidates[best]
        if not fits[best].any():
            return
        for other in fits:
            if other != best and (rows := _contradiction(best, other, readings, fits)) is not None:
                shown = " and ".join(
                    f"{sample[row].as_py()!r} as {name} is {_format_seconds(readings[name][row])}"
                    for name, row in zip((best, other), rows, strict=True)
                )
                raise InputError(
                    f"the column {self.column!r} can be read in two ways: {shown}; say which is right: --time-format "
                    f"{self.column}={best} or --time-format {self.column}={other}"
                )
        at = int(np.flatnonzero(fits[best])[0])
        self.example = f"{sample[at].as_py()} is {_format_seconds(readings[best][at])}"

    def _candidates(self) -> dict[str, Format]:
        if self.type == pa.date32():  # a catalogue may say the year alone
            years = Format("ISO 8601, with the month's name or a year alone", dates.parse_dates_or_years)
            return {**FORMATS, "iso": years}
        return dict(FORMATS)

    def _fits(self, name: str, sample: pa.Array, seconds: np.ndarray) -> Bits:
        with np.errstate(invalid="ignore"):
            fits = (seconds >= self.first) & (seconds < END)
            if name in RECOGNISED and not self.given:
                low, high = RECOGNISED[name]
                numbers = _numbers(sample)
                fits &= (numbers >= low) & (numbers < high)
        return np.asarray(fits, dtype=np.bool_)

    def _refusal(self, sample: pa.Array, fits: Bits) -> str:
        odd = sample.filter(pa.array(~fits))[:3].to_pylist()
        first = _format_seconds(self.first)
        form = f"as {self.given}, " if self.given else ""
        seconds = _make_number_reader(1)(sample.filter(pa.array(~fits)))[0]
        hint = "" if np.isnan(seconds) or self.given else f" (as seconds since 1970: {_format_seconds(seconds)})"
        if zone := next(filter(None, map(dates.zone_hint, map(str, odd))), ""):
            hint = f" ({zone})"
        return (
            f"the column {self.column!r}: {form}{len(fits) - int(fits.sum()):,} of {len(fits):,} values are no time "
            f"from {first} on, as {', '.join(map(repr, odd))}{hint}; name their format with --time-format "
            f"({', '.join(FORMATS)}, or a pattern as %d.%m.%Y), or, if they are right, set the domain's first_day"
        )


def _contradiction(
    best: str,
    other: str,
    readings: Mapping[str, np.ndarray],
    fits: Mapping[str, Bits],
) -> tuple[int, int] | None:
    """A row of each format that shows why neither can be preferred; None where the best one can."""
    both = fits[best] & fits[other]
    differing = np.flatnonzero(both & (readings[best] != readings[other]))
    extra = np.flatnonzero(fits[other] & ~fits[best])
    tied = fits[best].sum() == fits[other].sum()
    if tied and len(differing):
        return int(differing[0]), int(differing[0])
    if len(extra) and (tied or {best, other} == {"day-month-year", "month-day-year"}):
        return int(np.flatnonzero(fits[best])[0]), int(extra[0])
    return None


def _of_the_type(cells: pa.Array, wanted: pa.DataType) -> Parsed:
    """Times and days that the file has as such; without a zone they are UTC."""
    zone = getattr(cells.type, "tz", None)
    counts, unit = _counts(cells)
    numbers = pc.fill_null(counts, 0).to_numpy() * (DAY_SECONDS if unit == "days" else 1)
    second = UNITS[unit]
    outside = ~((numbers >= FIRST * second) & (numbers < (LAST + 1) * second))
    # before another unit, in which they would wrap to other times
    times = without(cells, outside).cast(pa.timestamp("us", zone), safe=False)
    times = times.cast(TIME) if zone else times.cast(pa.timestamp("us")).cast(pa.int64()).cast(TIME)
    return times.cast(wanted, safe=False), some(outside)


def _counts(cells: pa.Array) -> tuple[pa.Array, str]:
    """Times and days as whole numbers since 1970, and their unit."""
    if pa.types.is_date32(cells.type):
        return cells.cast(pa.int32()).cast(pa.int64()), "days"
    return cells.cast(pa.int64()), "ms" if pa.types.is_date64(cells.type) else cells.type.unit


def show(cell: pa.Scalar) -> str | None:
    """A value as text for messages; a time that Python's years 1 to 9999 do not hold as the number that it is."""
    try:
        value = cell.as_py()
    except (OverflowError, ValueError):
        kind = cell.type
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            return str(cell)
        count, unit = _counts(pa.array([cell], kind))
        return f"{count[0]} {unit} since 1970"
    return None if value is None else str(value)


def _format_seconds(seconds: float) -> str:
    shown = datetime.fromtimestamp(float(seconds), UTC)
    return f"{shown:%Y-%m-%d}" if seconds % DAY_SECONDS == 0 else f"{shown:%Y-%m-%d %H:%M:%S} UTC"
