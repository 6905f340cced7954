"""How events are held out, by what the data knows of time."""

from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.errors import InputError
from jobs.sequences import held_out
from schemas.domains import Domain
from schemas.working import HASH, LEAVE_LAST_OUT, TEST, TIME, TRAIN, VALIDATION
from tests.support.domains import MOVIES

Event = tuple[str, str, str | None, int | None]
Pairs = set[tuple[str, str]]
ONE_USER = replace(MOVIES, test_days=2, validation_days=3, test_users=1)


def events(session: SparkSession, rows: list[Event]) -> DataFrame:
    frame = session.createDataFrame(rows, "user_id string, item_id string, ts string, ordinal long")
    return frame.withColumn("ts", frame.ts.cast("timestamp"))


def split(session: SparkSession, rows: list[Event], domain: Domain) -> tuple[dict[str, Any], dict[str, Pairs]]:
    """The facts of the split, and the (user, item) pairs of every part."""
    frame = events(session, rows)
    facts, part = held_out(frame, domain)
    found: dict[str, Pairs] = {name: set() for name in (TRAIN, VALIDATION, TEST)}
    for row in frame.withColumn("part", part).collect():
        found[row.part].add((row.user_id, row.item_id))
    return facts, found


def daily(user: str, *days: int, month: str = "2020-01") -> list[Event]:
    """One event on each day at noon, of the item that is named after it."""
    return [(user, f"i{day}", f"{month}-{day:02} 12:00:00", None) for day in days]


def test_whole_days_up_to_the_newest_event(session: SparkSession) -> None:
    edge: list[Event] = [("v", "a", "2020-01-18 23:59:59.999999", None), ("v", "b", "2020-01-19 00:00:00", None)]
    facts, parts = split(session, [*daily("u", *range(1, 21)), *edge], ONE_USER)
    assert facts == {
        "split": TIME,
        "test_days": 2,
        "validation_days": 3,
        "test_from": "2020-01-19",
        "validation_from": "2020-01-16",
        "test_users": 1,
    }
    assert parts[TEST] == {("u", "i19"), ("u", "i20"), ("v", "b")}
    assert parts[VALIDATION] == {("u", "i16"), ("u", "i17"), ("u", "i18"), ("v", "a")}
    assert len(parts[TRAIN]) == 15


def test_the_test_grows_until_there_are_users_enough(session: SparkSession) -> None:
    """u on the last day, v four days before, w five: of them v and w were there early. Two windows hold v, three w."""
    rows = [*daily("u", *range(1, 17)), *daily("u", 25), *daily("v", 1, 21), *daily("w", 1, 20)]
    for wanted, days in ((1, 2), (2, 6), (3, 6)):
        facts, parts = split(session, rows, replace(ONE_USER, test_users=wanted))
        assert (facts["split"], facts["test_days"]) == (TIME, days)
        assert ("v", "i21") in parts[VALIDATION if days == 2 else TEST]
    assert facts["test_users"] == 3
    assert facts["test_from"] == "2020-01-20"


def test_an_item_met_before_or_a_user_without_training_events_does_not_count(session: SparkSession) -> None:
    again: list[Event] = [("v", "i1", "2020-01-20 12:00:00", None)]
    rows = [*daily("u", *range(1, 21)), *daily("v", 1), *again, *daily("new", 19, 20), *daily("late", 16, 20)]
    facts, _ = split(session, rows, ONE_USER)
    assert facts["test_users"] == 1


def test_where_training_would_lose_half_of_the_events_each_users_last_instant_is_held_out(
    session: SparkSession,
) -> None:
    rows = [*daily("u", 1, 2, 3), *daily("v", 28, 29), *daily("w", 30)]
    rows += [("u", "x", "2020-01-03 12:00:00", None)]  # the same instant as i3
    facts, parts = split(session, rows, ONE_USER)
    assert facts == {"split": LEAVE_LAST_OUT}
    assert parts[TEST] == {("u", "i3"), ("u", "x"), ("v", "i29")}
    assert parts[VALIDATION] == {("u", "i2")}
    assert parts[TRAIN] == {("u", "i1"), ("v", "i28"), ("w", "i30")}


def test_times_may_be_held_out_as_papers_do(session: SparkSession) -> None:
    facts, parts = split(session, daily("u", *range(1, 21)), replace(ONE_USER, split="leave_last_out"))
    assert facts == {"split": LEAVE_LAST_OUT}
    assert (parts[TEST], parts[VALIDATION]) == ({("u", "i20")}, {("u", "i19")})


def test_an_order_holds_out_each_users_last_events(session: SparkSession) -> None:
    rows: list[Event] = [("u", "a", None, 2), ("u", "b", None, 7), ("u", "c", None, 3), ("v", "a", None, 1)]
    facts, parts = split(session, rows, MOVIES)
    assert facts == {"split": LEAVE_LAST_OUT}
    assert parts == {TEST: {("u", "b")}, VALIDATION: {("u", "c")}, TRAIN: {("u", "a"), ("v", "a")}}


def test_an_ordinal_parts_events_of_one_instant(session: SparkSession) -> None:
    rows: list[Event] = [("u", item, "2020-01-01 00:00:00", n) for n, item in enumerate("abc")]
    assert split(session, rows, MOVIES)[1] == {TEST: {("u", "c")}, VALIDATION: {("u", "b")}, TRAIN: {("u", "a")}}


def test_neither_holds_out_a_share_by_hash_the_same_every_night(session: SparkSession) -> None:
    domain = replace(MOVIES, test_share=0.2)
    rows: list[Event] = [(f"u{n % 50}", f"i{n}", None, None) for n in range(2000)]
    facts, parts = split(session, rows, domain)
    assert facts == {"split": HASH, "test_share": 0.2}
    for part in (TEST, VALIDATION):
        assert 300 < len(parts[part]) < 500  # 400 ± 5.6 standard deviations of 18
    later: list[Event] = [*rows[1000:], ("u1", "new", None, None)]
    again = split(session, later, domain)[1][TEST]
    assert again - {("u1", "new")} == {pair for pair in parts[TEST] if int(pair[1][1:]) >= 1000}


def test_one_event_without_a_time_is_enough_to_have_no_time(session: SparkSession) -> None:
    rows: list[Event] = [("u", "a", "2020-01-01 00:00:00", 1), ("u", "b", None, None)]
    assert split(session, rows, MOVIES)[0]["split"] == HASH
    with pytest.raises(InputError, match="split is 'leave_last_out', but of 2 events 1 have no time and 1 no ordinal"):
        held_out(events(session, rows), replace(MOVIES, split="leave_last_out"))


def test_no_events_hold_out_nothing(session: SparkSession) -> None:
    facts, parts = split(session, [], MOVIES)
    assert facts == {"split": LEAVE_LAST_OUT}
    assert parts == {TEST: set(), VALIDATION: set(), TRAIN: set()}
