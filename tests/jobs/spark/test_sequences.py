"""How events are held out, by what the data knows of time."""

from pyspark.sql import DataFrame, SparkSession

from jobs.sequences import held_out
from schemas.working import HASH, LEAVE_LAST_OUT, TIME

Event = tuple[str, str, str | None, int | None]


def events(session: SparkSession, rows: list[Event]) -> DataFrame:
    frame = session.createDataFrame(rows, "user_id string, item_id string, ts string, ordinal long")
    return frame.withColumn("ts", frame.ts.cast("timestamp"))


def split(session: SparkSession, rows: list[Event], share: float) -> tuple[str, set[tuple[str, str]]]:
    """The kind of split, and the (user, item) pairs that are held out."""
    frame = events(session, rows)
    name, is_test = held_out(frame, share)
    tested = frame.withColumn("test", is_test).where("test").collect()
    return name, {(row.user_id, row.item_id) for row in tested}


def test_times_hold_out_the_newest_and_never_part_an_instant(session: SparkSession) -> None:
    days = [("u", f"i{day}", f"2020-01-{day:02} 00:00:00", None) for day in range(1, 10)]
    rows: list[Event] = [*days, ("v", "i9", "2020-01-09 00:00:00", None)]
    assert split(session, rows, 0.2) == (TIME, {("u", "i9"), ("v", "i9")})


def test_an_order_holds_out_each_users_last_event(session: SparkSession) -> None:
    rows: list[Event] = [("u", "a", None, 2), ("u", "b", None, 7), ("u", "c", None, 3), ("v", "a", None, 1)]
    assert split(session, rows, 0.1) == (LEAVE_LAST_OUT, {("u", "b"), ("v", "a")})


def test_neither_holds_out_a_share_by_hash_the_same_every_night(session: SparkSession) -> None:
    rows: list[Event] = [(f"u{n % 50}", f"i{n}", None, None) for n in range(2000)]
    name, held = split(session, rows, 0.2)
    assert name == HASH
    assert 300 < len(held) < 500  # 400 ± 5.6 standard deviations of 18
    later: list[Event] = [*rows[1000:], ("u1", "new", None, None)]
    assert split(session, later, 0.2)[1] - {("u1", "new")} == {pair for pair in held if int(pair[1][1:]) >= 1000}


def test_one_event_without_a_time_is_enough_to_have_no_time(session: SparkSession) -> None:
    rows: list[Event] = [("u", "a", "2020-01-01 00:00:00", 1), ("u", "b", None, None)]
    assert split(session, rows, 0.5)[0] == HASH


def test_no_events_hold_out_nothing(session: SparkSession) -> None:
    assert split(session, [], 0.1) == (TIME, set())
