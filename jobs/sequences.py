"""Every user's events, oldest first, in the vocabulary's rows, split for training and test.

How they are split follows from what the data knows of time; the fact `split` says which:

- `time`, where every event has a time: the newest events (the domain's `test_share`) are the test, as many before
  them the validation; events of one instant are never parted;
- `leave_last_out`, where every event has a place in its user's order (`ordinal`): each user's last event is the test,
  the one before it the validation;
- `hash`, where neither holds: of every user's items a share, chosen by a hash, is the test, as many the validation.

Not published: the training, evaluation and recommendation tasks of the run read it.
"""

import argparse
import logging
from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs import job
from jobs.events import events, vocabulary
from jobs.night import Attempt, Night, night_parser
from jobs.spark import session, write
from schemas.working import HASH, LEAVE_LAST_OUT, SEQUENCES, TEST, TIME, TRAIN, VALIDATION

HASH_PARTS = 1_000_000
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("sequences", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("sequences", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events up to the night, writes them in order of user and time."""
    spark = session(night)
    interactions = events(spark, night)
    split, part = held_out(interactions, night.domain.test_share)
    if split == HASH:
        log.warning("%s: no times and no order: recency and sequence models are left out", night.run.domain)
    attempt.facts["split"] = split
    rows = in_rows(interactions, vocabulary(spark, night, "user"), vocabulary(spark, night, "item"))
    weights = {name: kind.weight for name, kind in night.domain.kinds.items()}
    write(ordered(rows, weights, part), attempt.folder("sequences"), SEQUENCES)


def held_out(interactions: DataFrame, share: float) -> tuple[str, F.Column]:
    """The split that the data allows, and the part (of the interactions' columns) that an event belongs to."""
    micros = F.unix_micros("ts")
    shares = F.percentile(micros, [1 - 2 * share, 1 - share])
    known = interactions.agg(F.count("*"), F.count("ts"), F.count("ordinal"), shares).first()
    every, timed, ranked, cuts = known if known is not None else (0, 0, 0, None)
    if timed == every:
        first, second = (F.lit(cut).cast("double") for cut in cuts or (None, None))
        return TIME, _parts(micros > second, micros > first)
    if ranked == every:
        newer = Window.partitionBy("user_id").orderBy(F.desc("ordinal"), F.desc("item_id"))
        return LEAVE_LAST_OUT, _parts(F.row_number().over(newer) == 1, F.row_number().over(newer) == 2)
    place, held = F.pmod(F.xxhash64("user_id", "item_id"), F.lit(HASH_PARTS)), int(share * HASH_PARTS)
    return HASH, _parts(place < held, place < 2 * held)


def _parts(test: F.Column, validation: F.Column) -> F.Column:
    return F.when(test, TEST).when(validation, VALIDATION).otherwise(TRAIN)


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
