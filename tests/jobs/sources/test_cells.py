"""Text → values. Answers by eye; and what a cell becomes never depends on its neighbours."""

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.sources import movielens
from jobs.sources.cells import lists, scalars, times

FIRST_DAY = date(1990, 1, 1)


def time_parser(cells_: pa.Array) -> Any:
    return times.TimeReader("ts", FIRST_DAY, given="seconds", required=False)(cells_)


def iso_parser(cells_: pa.Array) -> Any:
    return times.TimeReader("ts", FIRST_DAY, given="iso", required=False)(cells_)


def day_parser(cells_: pa.Array) -> Any:
    reader = times.TimeReader("released", FIRST_DAY, day=True, required=False)
    reader(pa.array(["1995-11-22"]))  # the file's format is settled
    return reader(cells_)


PARSERS: dict[str, Any] = {
    "identity": scalars.identity,
    "number": scalars.number,
    "comma": partial(scalars.number, decimal=","),
    "integer": partial(scalars.integer, type=pa.int32()),
    "age": scalars.age,
    "seconds": time_parser,
    "iso": iso_parser,
    "day": day_parser,
    "flag": scalars.flag,
    "available": scalars.available,
    "parts": partial(lists.parts, separator="|", none="-"),
    "regions": partial(lists.regions, separator="|"),
    "country": lists.country,
    "year_of_title": movielens.year_of_title,
    "named": partial(scalars.look_up_name, names={"1": "one", "2": "two"}, then=scalars.text),
}


def parse(name: str, *texts: str) -> list[tuple[Any, bool]]:
    values, bad = PARSERS[name](pa.array(texts, pa.string()))
    marks = [False] * len(texts) if bad is None else bad.tolist()
    return list(zip(values.to_pylist(), marks, strict=True))


MISSING, UNPARSABLE = (None, False), (None, True)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("number", "4.5", (4.5, False)),
        ("number", " -1e3 ", (-1000.0, False)),
        ("number", "inf", (float("inf"), False)),
        ("number", "", MISSING),
        ("number", "  ", MISSING),
        ("number", "4,5", UNPARSABLE),
        ("number", "0x10", UNPARSABLE),
        ("integer", "35", (35, False)),
        ("integer", "35.0", (35, False)),
        ("integer", "35.5", UNPARSABLE),
        ("integer", "99999999999", UNPARSABLE),
        ("integer", "nan", UNPARSABLE),
        ("identity", "007", ("007", False)),
        ("identity", "1e3", ("1e3", False)),
        ("identity", "12345678901234567890", ("12345678901234567890", False)),
        ("comma", "4,5", (4.5, False)),
        ("comma", "1.234.567,5", (1234567.5, False)),
        ("comma", "-3", (-3.0, False)),
        ("comma", "4.5", UNPARSABLE),
        ("comma", "1,2,3", UNPARSABLE),
        ("age", "0", (0, False)),
        ("age", "120", (120, False)),
        ("age", "-3", UNPARSABLE),
        ("age", "121", UNPARSABLE),
        ("age", "1984", UNPARSABLE),
        ("age", "35.5", UNPARSABLE),
        ("seconds", "964982703", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("seconds", "964982703.25", (datetime(2000, 7, 30, 18, 45, 3, 250_000, tzinfo=UTC), False)),
        ("seconds", "-1", (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), False)),
        ("seconds", "964982703000", UNPARSABLE),  # the year 32549
        ("seconds", "nan", UNPARSABLE),
        ("seconds", "2000-07-30", UNPARSABLE),
        ("iso", "2000-07-30", (datetime(2000, 7, 30, tzinfo=UTC), False)),
        ("iso", "2000-07-30 18:45:03", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("iso", "2000-07-30 18:45:03 UTC", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("iso", "2000-07-30 18:45:03.25 GMT", (datetime(2000, 7, 30, 18, 45, 3, 250_000, tzinfo=UTC), False)),
        ("iso", "2000-07-30 18:45:03+00", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("iso", "2000-07-30T20:45:03+02:00", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("iso", "Sun, 30 Jul 2000 20:45:03 +0200", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("iso", "Jul 30, 2000", (datetime(2000, 7, 30, tzinfo=UTC), False)),
        ("iso", "2000-02-30", UNPARSABLE),
        ("iso", "964982703", UNPARSABLE),
        ("iso", "20000730", UNPARSABLE),
        ("iso", "", MISSING),
        ("day", "1995", (date(1995, 1, 1), False)),
        ("day", "1995-11-22", (date(1995, 11, 22), False)),
        ("day", "22-Nov-1995", (date(1995, 11, 22), False)),
        ("day", "4-Feb-1971", (date(1971, 2, 4), False)),
        ("day", "21 Aug, 2012", (date(2012, 8, 21), False)),
        ("day", "1995-11-22 10:00:00", (date(1995, 11, 22), False)),
        ("day", "22-Foo-1995", UNPARSABLE),
        ("day", "Q4 2024", UNPARSABLE),
        ("day", "нет данных", UNPARSABLE),
        ("flag", "Yes", (True, False)),
        ("flag", "0", (False, False)),
        ("flag", "maybe", UNPARSABLE),
        ("available", "", (True, False)),
        ("available", "no", (False, False)),
        ("available", "maybe", (False, True)),
        ("parts", "a|b", (["a", "b"], False)),
        ("parts", " a | b ", (["a", "b"], False)),
        ("parts", "|a||b|", (["a", "b"], True)),
        ("parts", "|", ([], True)),
        ("parts", "[]", ([], False)),
        ("parts", '["a", null, "b|c"]', (["a", "b|c"], True)),
        ("parts", "[a|b]", (["[a", "b]"], False)),
        ("regions", "de|UK|USA", (["DE", "GB", "US"], False)),
        ("regions", "DE|Atlantis", (["DE"], True)),
        ("regions", "worldwide", ([], True)),
        ("regions", "NA", (["NA"], False)),
        ("regions", "", MISSING),
        ("country", "de", ("DE", False)),
        ("country", "Germany", UNPARSABLE),
        ("parts", "-", ([], False)),
        ("parts", "", MISSING),
        ("year_of_title", "Toy Story (1995)", (date(1995, 1, 1), False)),
        ("year_of_title", "2001 (part one)", MISSING),
        ("named", "2", ("two", False)),
        ("named", "3", UNPARSABLE),
    ],
)
def test_what_a_cell_becomes(name: str, text: str, expected: tuple[Any, bool]) -> None:
    assert parse(name, text) == [expected]


def test_nan_is_a_number() -> None:
    ((value, bad),) = parse("number", "NaN")
    assert str(value) == "nan"
    assert not bad


ODD = (
    " |4|+4| 4 |4.|.|1e5|1e999|nan|nan(1)|-Infinity|0x10|1_0|99999999999999999999|1995|2000-07-30|2000-07-30T18:45:03Z|"
    "2018-W01|20180924T10|22-Nov-1995|true|NO|-|٣|1|2000-07-30 18:45:03 UTC|[]|de|4,5|1.234,5|2000-07|12:30|UTC"
)
TEXTS = st.sampled_from(ODD.split("|")) | st.text(st.characters(codec="utf-8"), max_size=6)


@pytest.mark.parametrize("name", PARSERS)
@settings(derandomize=True, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_a_cell_does_not_depend_on_its_neighbours(name: str, texts: list[str]) -> None:
    together = parse(name, *texts)
    alone = [parse(name, text)[0] for text in texts]
    assert repr(together) == repr(alone)


@settings(derandomize=True, deadline=None)
@given(st.integers(times.FIRST * 1_000, times.LAST * 1_000))
def test_epoch_milliseconds_are_exact_for_the_years_people_live_in(milliseconds: int) -> None:
    ((value, bad),) = parse("seconds", f"{milliseconds / 1000:.3f}")
    assert not bad
    assert abs((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() - milliseconds / 1000) < 1e-4


BIG = 2**53


@pytest.mark.parametrize(
    ("array", "expected", "bad"),
    [
        (pa.array([7, None], pa.int64()), ["7", None], [False, False]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"], [False]),
        (
            pa.array([7.0, 7.5, None, BIG, float("nan")]),
            ["7", None, None, None, None],
            [False, True, False, True, True],
        ),
        (pa.array([7.0, 2**24], pa.float32()), ["7", None], [False, True]),
        (
            pa.array([Decimal("12345678901234567890"), Decimal(7)], pa.decimal128(20, 0)),
            ["12345678901234567890", "7"],
            None,
        ),
        (pa.array([Decimal("7.00"), Decimal("7.50")], pa.decimal128(20, 2)), ["7", None], [False, True]),
        (pa.array([b"caf\xc3\xa9", b"caf\xe9"]), ["café", None], [False, True]),
        (pa.array([["a"], ["a", "b"], [], None]), ["a", None, None, None], [False, True, True, False]),
        (pa.array([True]), ["true"], [False]),
        (pa.nulls(2), [None, None], [False, False]),
    ],
)
def test_ids_of_typed_columns_are_exact_or_unreadable(
    array: pa.Array, expected: list[Any], bad: list[bool] | None
) -> None:
    values, mask = scalars.identity(array)
    assert values.to_pylist() == expected
    assert ([False] * len(array) if mask is None else mask.tolist()) == (bad or [False] * len(array))


def test_lists_of_typed_columns_keep_missing_empty_and_holes_apart() -> None:
    array = pa.array([["DE", None], [], None, ["xx"], ["DE", "AT"], [""]])
    values, holes = lists.regions(array[1:])
    assert values.to_pylist() == [[], None, [], ["DE", "AT"], []]
    assert holes.tolist() == [False, False, True, False, True]
    values, holes = lists.parts(array)
    assert values.to_pylist() == [["DE"], [], None, ["xx"], ["DE", "AT"], []]
    assert holes.tolist() == [True, False, False, False, False, True]
