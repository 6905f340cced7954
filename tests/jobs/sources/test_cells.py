"""Text → values. Answers by eye; and what a cell becomes never depends on its neighbours."""

from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.sources import cells

PARSERS: dict[str, Any] = {
    "number": cells.number,
    "integer": partial(cells.integer, type=pa.int32()),
    "moment": cells.moment,
    "day": cells.day,
    "flag": cells.flag,
    "available": cells.available,
    "parts": partial(cells.parts, separator="|", none="-"),
    "year_of_title": cells.year_of_title,
    "named": partial(cells.named, names={"1": "one", "2": "two"}, then=cells.text),
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
        ("moment", "964982703", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("moment", "964982703.25", (datetime(2000, 7, 30, 18, 45, 3, 250_000, tzinfo=UTC), False)),
        ("moment", "-1", (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), False)),
        ("moment", "2000-07-30", (datetime(2000, 7, 30, tzinfo=UTC), False)),
        ("moment", "2000-07-30 18:45:03", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("moment", "2000-07-30T20:45:03+02:00", (datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC), False)),
        ("moment", "964982703000", UNPARSABLE),  # milliseconds: the year 32549
        ("moment", "nan", UNPARSABLE),
        ("moment", "2000-02-30", UNPARSABLE),
        ("moment", "", MISSING),
        ("day", "1995", (date(1995, 1, 1), False)),
        ("day", "1995-11-22", (date(1995, 11, 22), False)),
        ("day", "22-Nov-1995", (date(1995, 11, 22), False)),
        ("day", "4-Feb-1971", (date(1971, 2, 4), False)),
        ("day", "22-Foo-1995", UNPARSABLE),
        ("flag", "Yes", (True, False)),
        ("flag", "0", (False, False)),
        ("flag", "maybe", UNPARSABLE),
        ("available", "", (True, False)),
        ("available", "no", (False, False)),
        ("available", "maybe", UNPARSABLE),
        ("parts", "a|b", (["a", "b"], False)),
        ("parts", "|a||b|", (["a", "b"], False)),
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
    "2018-W01|20180924T10|22-Nov-1995|true|NO|-|٣|1"
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
@given(st.integers(cells.FIRST * 1_000, cells.LAST * 1_000))
def test_epoch_milliseconds_are_exact_for_the_years_people_live_in(milliseconds: int) -> None:
    ((value, bad),) = parse("moment", f"{milliseconds / 1000:.3f}")
    assert not bad
    assert abs((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() - milliseconds / 1000) < 1e-4
