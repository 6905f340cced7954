"""Every user's events, oldest first, in the vocabulary's rows, split for training, validation and test.

How they are split follows from what the data knows of time; the fact `split` says which:

- `time`, where every event has a time: the test is the last days up to the newest event (the domain's `test_days`), the
  validation the days before (`validation_days`). Days are whole days in UTC, so that events of one instant are never
  parted. Where fewer than `test_users` users have training events and an item first met in the test, the test grows to
  two, three, … times its length, as long as training keeps half of the events;
- `leave_last_out`, where no such test exists, where the data has an order (`ordinal`) and no times, or where the domain
  asks for it: each user's last instant is the test, the one before it the validation. A user's first instant always
  stays in training;
- `hash`, where there is neither time nor order: of every user's items a share (`test_share`), chosen by a hash, is the
  test, as many the validation.

Not published: the training, evaluation and recommendation tasks of the run read it.
"""

import argparse
import logging
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.night import Attempt, Night
from jobs.spark.events import read_events, vocabulary
from jobs.spark.session import session, write
from models.histories import DAY_MICROSECONDS, day_start
from schemas.domains import Domain
from schemas.working import HASH, LEAVE_LAST_OUT, SEQUENCES, TEST, TIME, TRAIN, VALIDATION

HASH_PARTS = 1_000_000
KEPT = 0.5  # share of the events that training keeps however long the test
log = logging.getLogger(__name__)
Facts = dict[str, Any]


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events up to the night, writes them in order of user and time."""
    spark = session(night)
    interactions = read_events(spark, night)
    facts, part = held_out(interactions, night.domain)
    attempt.facts |= facts
    log.info("held out by %s", ", ".join(f"{name} {value}" for name, value in facts.items()))
    if facts["split"] == HASH:
        log.warning("%s: no times and no order: recency and sequence models are left out", night.run.domain)
    rows = in_rows(interactions, vocabulary(spark, night, "user"), vocabulary(spark, night, "item"))
    weights = {name: kind.weight for name, kind in night.domain.kinds.items()}
    write(ordered(rows, weights, part), attempt.folder("sequences"), SEQUENCES)


def held_out(interactions: DataFrame, domain: Domain) -> tuple[Facts, F.Column]:
    """The split that data and domain allow, and the part of each event (of the interactions' columns).

    The facts: `split` and, by time, `test_days`, `validation_days`, `test_from`, `validation_from`, `test_users`.
    """
    known = interactions.agg(F.count("*"), F.count("ts"), F.count("ordinal")).first()
    every, timed, ranked = known if known is not None else (0, 0, 0)
    if max(timed, ranked) < every:
        if domain.split == LEAVE_LAST_OUT:
            raise InputError(
                f"domains.{domain.name}.split is {LEAVE_LAST_OUT!r}, but of {every} events {every - timed} have no "
                f"time and {every - ranked} no ordinal; set it to 'auto', or import files that say the order"
            )
        place, held = F.pmod(F.xxhash64("user_id", "item_id"), F.lit(HASH_PARTS)), int(domain.test_share * HASH_PARTS)
        return {"split": HASH, "test_share": domain.test_share}, _parts(place < held, place < 2 * held)
    if timed == every and domain.split != LEAVE_LAST_OUT and (windows := last_days(interactions, domain)):
        test, validation = (_micros(windows[name]) for name in ("test_from", "validation_from"))
        return {"split": TIME, **windows}, _parts(F.unix_micros("ts") >= test, F.unix_micros("ts") >= validation)
    instant = F.struct("ts", "ordinal") if timed == every else F.col("ordinal")
    newer = F.dense_rank().over(Window.partitionBy("user_id").orderBy(instant.desc()))
    older = F.dense_rank().over(Window.partitionBy("user_id").orderBy(instant))
    return {"split": LEAVE_LAST_OUT}, _parts((newer == 1) & (older > 1), (newer == 2) & (older > 1))


def _parts(test: F.Column, validation: F.Column) -> F.Column:
    return F.when(test, TEST).when(validation, VALIDATION).otherwise(TRAIN)


def last_days(interactions: DataFrame, domain: Domain) -> Facts | None:
    """The shortest test with enough users, as facts; None where there is none.

    With days counted back from the newest event, t = test_days and v = validation_days: a user first seen b days ago
    who first met an item a days ago at the latest has training events and a test item where a < n t and b >= n t + v,
    which are the n from ⌊a / t⌋ + 1 to ⌊(b - v) / t⌋. So two histograms give the users of every n.
    """
    t, v = domain.test_days, domain.validation_days
    day = F.floor(F.unix_micros("ts") / F.lit(DAY_MICROSECONDS))
    newest = interactions.agg(F.max(day)).first()
    if newest is None or newest[0] is None:
        return None
    ago = F.lit(newest[0]) - day
    met = interactions.groupBy("user_id", "item_id").agg(F.max(ago).alias("ago"))
    bounds = [F.floor(F.min("ago") / t + 1).alias("low"), F.floor((F.max("ago") - v) / t).alias("high")]
    users = met.groupBy("user_id").agg(*bounds).where("low <= high")
    begin, end = _histogram(users, F.col("low")), _histogram(users, F.col("high"))
    learned = _histogram(interactions, F.floor((ago - v) / t))
    for n in range(1, max(end, default=0) + 1):
        judged = sum(users for low, users in begin.items() if low <= n) - sum(u for high, u in end.items() if high < n)
        kept = sum(events for high, events in learned.items() if high >= n) / sum(learned.values())
        if kept < KEPT:
            return None
        if judged >= domain.test_users:
            first = date(1970, 1, 1) + timedelta(days=newest[0] + 1 - n * t)
            return {
                "test_days": n * t,
                "validation_days": v,
                "test_from": first.isoformat(),
                "validation_from": (first - timedelta(days=v)).isoformat(),
                "test_users": judged,
            }
    return None


def _histogram(rows: DataFrame, value: F.Column) -> dict[int, int]:
    return {int(row[0]): int(row[1]) for row in rows.groupBy(value).count().collect()}


def _micros(day: str) -> F.Column:
    """The first microsecond of a day in UTC, since 1970."""
    return F.lit(day_start(day))


def in_rows(interactions: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    """The interactions with `user_row` and `item_row` beside the ids."""
    return interactions.join(users, on="user_id", how="inner").join(items, on="item_id", how="inner")


def ordered(rows: DataFrame, weights: Mapping[str, float], part: F.Column) -> DataFrame:
    """SEQUENCES' columns, sorted by (user_row, ts, ordinal, item_row) over all files."""
    weight = F.create_map(*(F.lit(part) for pair in weights.items() for part in pair))
    return (
        rows.withColumn("value", weight[F.col("kind")] * F.coalesce("value", F.lit(1.0)))
        .withColumn("part", part)
        .repartitionByRange("user_row")
        .sortWithinPartitions("user_row", "ts", "ordinal", "item_row", "kind")
    )
