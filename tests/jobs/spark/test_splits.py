"""How events are held out, by what the data knows of time; blocks of users are counted apart."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.errors import InputError
from jobs.spark.event_reader import NONE
from jobs.spark.splits import PARTS, Block, Histograms, Times, assign_parts, choose_split, count_days
from models.histories import DAY_MICROSECONDS
from schemas.domains import Domain
from schemas.working import HASH, LEAVE_LAST_OUT, TEST, TIME, TRAIN, VALIDATION
from tests.support.domains import MOVIES

Event = tuple[str, str, str | None, int | None]
Pairs = set[tuple[str, str]]
ONE_USER = replace(MOVIES, test_days=2, validation_days=3, test_users=1)


def numbers(values: list[str]) -> np.ndarray:
    """Equal strings as equal numbers, in their order."""
    return np.unique(np.array(values, str), return_inverse=True)[1].astype(np.int64)


def micros(ts: str | None) -> int:
    return NONE if ts is None else int(np.datetime64(ts, "us").astype(np.int64))


def block_of(rows: list[Event]) -> tuple[Block, list[Event]]:
    """All events in one block, in its order."""
    user, item = (numbers([row[n] for row in rows]) for n in (0, 1))  # type: ignore[misc]
    ts = np.array([micros(row[2]) for row in rows], np.int64)
    ordinal = np.array([NONE if row[3] is None else row[3] for row in rows], np.int64)
    order = np.lexsort((item, ordinal, ts, user))
    return Block(*(column[order] for column in (user, item, ts, ordinal))), [rows[n] for n in order]


def times_of(block: Block) -> Times:
    timed, ranked = block.ts != NONE, block.ordinal != NONE
    newest = int(block.ts[timed].max() // DAY_MICROSECONDS) if timed.any() else None
    return Times(len(timed), int(timed.sum()), int(ranked.sum()), newest)


def count_blocks(block: Block, newest: int, domain: Domain) -> Histograms:
    """The histograms of all users, of whom each is a block of its own."""
    total = Histograms.empty()
    for user in np.unique(block.user):
        mine = Block(*(column[block.user == user] for column in block))
        for counter, more in zip(total, count_days(mine, newest, domain), strict=True):
            counter.update(more)
    assert total == count_days(block, newest, domain)
    return total


def split(rows: list[Event], domain: Domain) -> tuple[dict[str, Any], dict[str, Pairs]]:
    """The facts of the split, and the (user, item) pairs of every part."""
    block, ordered = block_of(rows)
    times = times_of(block)
    facts = choose_split(times, domain, lambda newest: count_blocks(block, newest, domain))
    parts = assign_parts(block, facts, times.timed == times.events)
    result: dict[str, Pairs] = {name: set() for name in PARTS}
    for row, part in zip(ordered, parts, strict=True):
        result[PARTS[part]].add((row[0], row[1]))
    return facts, result


def daily(user: str, *days: int, month: str = "2020-01") -> list[Event]:
    """One event on each day at noon, of the item that is named after it."""
    return [(user, f"i{day}", f"{month}-{day:02} 12:00:00", None) for day in days]


def test_whole_days_up_to_the_newest_event() -> None:
    edge: list[Event] = [("v", "a", "2020-01-18 23:59:59.999999", None), ("v", "b", "2020-01-19 00:00:00", None)]
    facts, parts = split([*daily("u", *range(1, 21)), *edge], ONE_USER)
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


def test_the_test_grows_until_there_are_users_enough() -> None:
    """u on the last day, v four days before, w five: of them v and w were there early. Two windows hold v, three w."""
    rows = [*daily("u", *range(1, 17)), *daily("u", 25), *daily("v", 1, 21), *daily("w", 1, 20)]
    for wanted, days in ((1, 2), (2, 6), (3, 6)):
        facts, parts = split(rows, replace(ONE_USER, test_users=wanted))
        assert (facts["split"], facts["test_days"]) == (TIME, days)
        assert ("v", "i21") in parts[VALIDATION if days == 2 else TEST]
    assert facts["test_users"] == 3
    assert facts["test_from"] == "2020-01-20"


def test_an_item_met_before_or_a_user_without_training_events_does_not_count() -> None:
    again: list[Event] = [("v", "i1", "2020-01-20 12:00:00", None)]
    rows = [*daily("u", *range(1, 21)), *daily("v", 1), *again, *daily("new", 19, 20), *daily("late", 16, 20)]
    facts, _ = split(rows, ONE_USER)
    assert facts["test_users"] == 1


def test_where_training_would_lose_half_of_the_events_each_users_last_instant_is_held_out() -> None:
    rows = [*daily("u", 1, 2, 3), *daily("v", 28, 29), *daily("w", 30)]
    rows += [("u", "x", "2020-01-03 12:00:00", None)]  # the same instant as i3
    facts, parts = split(rows, ONE_USER)
    assert facts == {"split": LEAVE_LAST_OUT}
    assert parts[TEST] == {("u", "i3"), ("u", "x"), ("v", "i29")}
    assert parts[VALIDATION] == {("u", "i2")}
    assert parts[TRAIN] == {("u", "i1"), ("v", "i28"), ("w", "i30")}


def test_times_may_be_held_out_as_papers_do() -> None:
    facts, parts = split(daily("u", *range(1, 21)), replace(ONE_USER, split="leave_last_out"))
    assert facts == {"split": LEAVE_LAST_OUT}
    assert (parts[TEST], parts[VALIDATION]) == ({("u", "i20")}, {("u", "i19")})


def test_an_order_holds_out_each_users_last_events() -> None:
    rows: list[Event] = [("u", "a", None, 2), ("u", "b", None, 7), ("u", "c", None, 3), ("v", "a", None, 1)]
    facts, parts = split(rows, MOVIES)
    assert facts == {"split": LEAVE_LAST_OUT}
    assert parts == {TEST: {("u", "b")}, VALIDATION: {("u", "c")}, TRAIN: {("u", "a"), ("v", "a")}}


def test_an_ordinal_parts_events_of_one_instant() -> None:
    rows: list[Event] = [("u", item, "2020-01-01 00:00:00", n) for n, item in enumerate("abc")]
    assert split(rows, MOVIES)[1] == {TEST: {("u", "c")}, VALIDATION: {("u", "b")}, TRAIN: {("u", "a")}}


def count_never(newest: int) -> Histograms:
    raise AssertionError("users are counted where all events have times")


def test_one_event_without_a_time_is_enough_to_have_no_time() -> None:
    rows: list[Event] = [("u", "a", "2020-01-01 00:00:00", 1), ("u", "b", None, None)]
    block = block_of(rows)[0]
    assert choose_split(times_of(block), MOVIES, count_never)["split"] == HASH
    with pytest.raises(InputError, match="split is 'leave_last_out', but of 2 events 1 have no time and 1 no ordinal"):
        choose_split(times_of(block), replace(MOVIES, split="leave_last_out"), count_never)


def test_no_events_hold_out_nothing() -> None:
    facts, parts = split([], MOVIES)
    assert facts == {"split": LEAVE_LAST_OUT}
    assert parts == {TEST: set(), VALIDATION: set(), TRAIN: set()}
