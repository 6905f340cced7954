"""Time formats are found once for a file, said, and refused where they are not clear."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.sources.cells.times import TimeReader
from jobs.sources.columns import readings
from jobs.sources.findings import Findings
from jobs.sources.folder import open_folder
from jobs.sources.options import Options

FIRST_DAY = date(1990, 1, 1)
NOON = datetime(2024, 4, 30, 12, 30, tzinfo=UTC)
DAY = datetime(2024, 4, 30, tzinfo=UTC)


def read(*cells: Any, given: str | None = None, first_day: date = FIRST_DAY, type: Any = None) -> tuple[list[Any], str]:
    reader = TimeReader("ts", first_day, given=given)
    values, bad = reader(pa.array(cells, type))
    assert bad is None or not bad.any()
    return values.to_pylist(), reader.note


@pytest.mark.parametrize(
    ("cell", "expected", "note"),
    [
        ("1714480200", NOON, "seconds since 1970"),
        ("1714480200.0", NOON, "seconds since 1970"),
        ("1714480200000", NOON, "milliseconds since 1970"),
        ("1714480200000000", NOON, "microseconds since 1970"),
        ("1714480200000000000", NOON, "nanoseconds since 1970"),
        ("20240430", DAY, "digits of year, month and day"),
        ("20240430123000", NOON, "digits of year, month and day"),
        ("45412", DAY, "a spreadsheet's day number"),
        ("45412.5208333333", NOON, "a spreadsheet's day number"),
        ("19843", DAY, "days since 1970"),
        ("2024-04-30 12:30:00 UTC", NOON, "ISO 8601"),
        ("2024-04-30 12:30:00.000 UTC", NOON, "ISO 8601"),
        ("2024-04-30T14:30:00+02:00", NOON, "ISO 8601"),
        ("2024-04-30 12:30:00+00", NOON, "ISO 8601"),
        ("Tue, 30 Apr 2024 12:30:00 GMT", NOON, "ISO 8601"),
        ("Apr 30, 2024", DAY, "ISO 8601"),
        ("2024/04/30 12:30", NOON, "year, month, day"),
        ("30/04/2024 12:30", NOON, "day, month, year"),
        ("30.04.2024", DAY, "day, month, year"),
        ("30-4-2024", DAY, "day, month, year"),
        ("04/30/2024 12:30 PM", NOON, "month, day, year"),
        ("4/30/2024", DAY, "month, day, year"),
    ],
)
def test_the_format_is_found(cell: str, expected: datetime, note: str) -> None:
    values, output = read(cell, None, cell)
    first, missing, again = values
    assert abs((first - expected).total_seconds()) < 1e-3
    assert (missing, again) == (None, first)
    assert output.startswith(note)
    assert cell in output
    assert "2024-04-30" in output


@pytest.mark.parametrize(
    "cell",
    ["2024-04-29T24:00", "2024-04-29 24:00:00Z", "2024-04-29T24:00:00.000", "29.04.2024 24:00", "29 Apr 2024 24:00",
     "2024-04-29T23:59:60Z", "29.04.2024 23:59:60"],
)  # fmt: skip
def test_the_end_of_a_day_is_the_start_of_the_next(cell: str) -> None:
    assert read(cell)[0] == [DAY]


@pytest.mark.parametrize("cell", ["2024-04-29T24:01", "2024-04-29T25:00", "2024-04-29T24:00:01", "29.04.2024 24:00:30",
                                  "2024-04-29T12:00:60", "9999-12-31T24:00"])  # fmt: skip
def test_no_time_is_after_the_end_of_its_day(cell: str) -> None:
    values, bad = TimeReader("ts", date(1990, 1, 1), required=False)(pa.array([cell]))
    assert values.to_pylist() == [None]
    assert bad is not None


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (1714480200, pa.int64()),
        (1714480200000, pa.int64()),
        (1714480200.0, pa.float64()),
        (NOON, pa.timestamp("ns", "America/New_York")),
        (NOON.replace(tzinfo=None), pa.timestamp("s")),
    ],
)
def test_typed_columns_keep_their_type(value: Any, type: Any) -> None:
    assert read(value, type=type)[0] == [NOON]
    assert read(date(2024, 4, 30), type=pa.date32())[0] == [DAY]
    assert read(20240430, type=pa.int32())[0] == [DAY]


@pytest.mark.parametrize("cell", ["2024", "0", "1", "-1", "1234567", "soon", "12:30", "99999999999999999999"])
def test_what_is_no_plausible_time_is_refused_not_1970(cell: str) -> None:
    with pytest.raises(
        InputError, match=r"the column 'ts': 1 of 1 values are no time from 1990-01-01 on.*--time-format"
    ):
        read(cell)


def test_the_first_plausible_day_is_the_domains() -> None:
    assert read("300000000", first_day=date(1975, 1, 1))[0] == [datetime(1979, 7, 5, 5, 20, tzinfo=UTC)]
    with pytest.raises(InputError, match="as seconds since 1970: 1979-07-05"):
        read("300000000")


def test_day_and_month_in_either_order_are_refused_unless_a_cell_shows_which() -> None:
    with pytest.raises(InputError, match=r"'01/02/2024' as .*2024-0.-0. .*--time-format ts=(day|month)"):
        read("01/02/2024", "03/04/2024")
    values, _ = read("01/02/2024", "13/04/2024")
    assert values == [datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 4, 13, tzinfo=UTC)]
    with pytest.raises(InputError, match="can be read in two ways"):
        read("13/04/2024", "04/13/2024", "14/05/2024")  # two exports in one file
    values, _ = read("01/02/2024", given="month-day-year")
    assert values == [datetime(2024, 1, 2, tzinfo=UTC)]


def test_two_formats_in_equal_shares_are_refused() -> None:
    with pytest.raises(InputError, match="can be read in two ways"):
        read("1714480200", "2024-04-30")


def test_a_cell_in_another_format_than_the_files_is_unreadable() -> None:
    reader = TimeReader("ts", FIRST_DAY)
    values, bad = reader(pa.array(["1714480200", "1714480201", "2024-04-30", " "]))
    assert values[0].as_py() == NOON
    assert bad is not None
    assert bad.tolist() == [False, False, True, False]
    later, bad = reader(pa.array(["20240430", "0"]))  # the file's format stays
    assert later.to_pylist() == [datetime(1970, 8, 23, 6, 20, 30, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    assert bad is None  # clean rejects what is before the domain's first day


def test_formats_that_are_given() -> None:
    assert read("30.04.24", given="%d.%m.%y")[0] == [DAY]
    assert read("2024", given="%Y")[0] == [datetime(2024, 1, 1, tzinfo=UTC)]
    with pytest.raises(InputError, match="as seconds, 1 of 1 values are no time"):
        read("2024-04-30", given="seconds")
    with pytest.raises(InputError, match="there is no such format; there are: iso, seconds"):
        read("2024", given="stardate")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1995", date(1995, 1, 1)),
        ("1995-11-22", date(1995, 11, 22)),
        ("19951122", date(1995, 11, 22)),
        ("22-Nov-1995", date(1995, 11, 22)),
        ("45412", date(2024, 4, 30)),
        ("1714480200", date(2024, 4, 30)),
    ],
)
def test_days_of_release(cell: str, expected: date) -> None:
    reader = TimeReader("released", date(1500, 1, 1), day=True, required=False)
    values, bad = reader(pa.array([cell, cell, "Q4 2024"]))
    assert values.to_pylist() == [expected, expected, None]
    assert bad is not None
    assert bad.tolist() == [False, False, True]


BEYOND = (  # the years 1 to 9999, which are all that Python has
    (pa.date32(), 2**31 - 1, "2147483647 days since 1970"),
    (pa.timestamp("ms"), 1714500000123456, "1714500000123456 ms since 1970"),
    (pa.timestamp("ms"), 18446744073709552, "18446744073709552 ms since 1970"),  # is in 1970 modulo 2**64 microseconds
    (pa.timestamp("us"), 2**63 - 1, "9223372036854775807 us since 1970"),
    (pa.timestamp("us", "UTC"), -(2**63), "-9223372036854775808 us since 1970"),
)


@pytest.mark.parametrize(("kind", "number", "example"), BEYOND)
def test_times_beyond_the_years_of_python_are_counted_and_shown_as_numbers(
    folder: Any, kind: pa.DataType, number: int, example: str
) -> None:
    times = pa.array([19000 if kind == pa.date32() else 1714500000000, number])
    if "us" in str(kind):
        times = pa.array([1714500000000000, number])
    times = times.cast(pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
    place = folder({})
    pq.write_table(pa.table({"item_id": ["a", "b"], "title": ["A", "B"], "released": times}), place / "items.parquet")
    pq.write_table(
        pa.table({"user_id": ["u", "v"], "item_id": ["a", "b"], "kind": ["play"] * 2, "ts": times}),
        place / "interactions.parquet",
    )
    with open_folder(place) as source:
        events, items = readings(source, Options("parquet"))
        for reading, name, unparsable in ((items, "released", []), (events, "ts", ["ts"])):
            findings = Findings()
            rows = [row for block, _ in reading.rows(source, findings) for row in block.to_pylist()]
            assert [row[name] is None for row in rows] == [False, True]
            assert [row["unparsable"] for row in rows] == [[], unparsable]
            (finding,) = findings
            assert f"1, first in line 2: {example!r}" in finding
