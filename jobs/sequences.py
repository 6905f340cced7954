"""Every user's events, oldest first, in the vocabulary's rows, split by time for training and test.

The newest events (the domain's `test_share`) are the test; events of one instant are never parted. Not published: the
training, evaluation and recommendation tasks of the run read it.
"""

import argparse
from collections.abc import Mapping

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs import job
from jobs.events import events, vocabulary
from jobs.night import Attempt, Night, night_parser
from jobs.spark import session, write
from schemas.inputs import TIMESTAMP

SCHEMA = pa.schema(
    [
        pa.field("user_row", pa.int64()),
        pa.field("item_row", pa.int64()),
        pa.field("value", pa.float32()),
        pa.field("ts", TIMESTAMP),
        pa.field("test", pa.bool_()),
    ]
)


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
    cut = test_starts(interactions, night.domain.test_share)
    rows = in_rows(interactions, vocabulary(spark, night, "user"), vocabulary(spark, night, "item"))
    weights = {name: kind.weight for name, kind in night.domain.kinds.items()}
    write(ordered(rows, weights, cut), attempt.folder("sequences"), SCHEMA)


def test_starts(interactions: DataFrame, share: float) -> float | None:
    """The time, in µs since 1970, after which events are the test: `share` of those that have a time."""
    row = interactions.agg(F.percentile(F.unix_micros("ts"), 1 - share)).first()
    return None if row is None else row[0]


def in_rows(interactions: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    """The interactions with `user_row` and `item_row` in place of ids."""
    return interactions.join(users, on="user_id", how="inner").join(items, on="item_id", how="inner")


def ordered(rows: DataFrame, weights: Mapping[str, float], cut: float | None) -> DataFrame:
    """SCHEMA's columns, sorted by (user_row, ts, ordinal, item_row) over all files; `test`: ts after `cut`."""
    late = F.unix_micros("ts") > F.lit(cut).cast("double")
    weight = F.create_map(*(F.lit(part) for pair in weights.items() for part in pair))
    return (
        rows.withColumn("value", weight[F.col("kind")] * F.coalesce("value", F.lit(1.0)))
        .withColumn("test", F.coalesce(late, F.lit(False)))
        .repartitionByRange("user_row")
        .sortWithinPartitions("user_row", "ts", "ordinal", "item_row", "kind")
    )
