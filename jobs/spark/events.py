"""The events and the vocabulary of a night as DataFrames: what similarity and sequences are computed from."""

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.known_ids import SCHEMA, known_files, known_ids
from jobs.night import Night
from jobs.spark.session import read
from jobs.storage.files import count_rows
from schemas.tables import TABLES

MAX_IDS = 1 << 21  # that a process holds: 0.2 GiB with what looks them up


def vocabulary(spark: SparkSession, night: Night, kind: str) -> DataFrame:
    """(<kind>_id, <kind>_row) of the night's users or items (jobs/known_ids.py)."""
    rows = read(spark, known_files(night), SCHEMA)
    if later := night.later_nights("vocabulary"):
        late = read(spark, later, SCHEMA)
        rows = rows.union(late.join(named_ids(spark, night, kind), on="id", how="left_semi").select(rows.columns))
    return rows.where(F.col("kind") == kind).select(F.col("id").alias(f"{kind}_id"), F.col("row").alias(f"{kind}_row"))


def named_ids(spark: SparkSession, night: Night, kind: str) -> DataFrame:
    """(id) of every user or item that an event up to the night, or tonight's table of them, names."""
    name, table = F.col(f"{kind}_id").alias("id"), TABLES[f"{kind}s"]
    events = read(spark, event_files(night), TABLES["interactions"].schema)
    return events.select(name).union(read(spark, night.tonight(table.name), table.schema).select(name))


def vocabulary_in_memory(night: Night) -> pa.Table | None:
    """(kind, id, row) of the night's users and items, in this process; None where they may be more than MAX_IDS."""
    if count_rows(known_files(night) + night.later_nights("vocabulary")) > MAX_IDS:
        return None
    return known_ids(night).select(["kind", "id", "row"])


def event_files(night: Night) -> list[str]:
    """Lists the files of all clean interactions up to the night."""
    return night.history("interactions") + night.tonight("interactions")


def read_events(spark: SparkSession, night: Night) -> DataFrame:
    """All clean interactions up to the night; with the domain's `sentiment_weight` as `weigh_by_sentiment` has them."""
    events = read(spark, event_files(night), TABLES["interactions"].schema)
    if not night.domain.sentiment_weight:
        return events
    # As `clean` left them: `sentiment` may not have ended, and a run that is repeated must find the same.
    files = night.history("reviews") + night.run.entry("clean").files.get("reviews", [])
    return weigh_by_sentiment(events, read(spark, files, TABLES["reviews"].schema), night.domain.sentiment_weight)


def weigh_by_sentiment(interactions: DataFrame, reviews: DataFrame, weight: float) -> DataFrame:
    """The interactions with 1 + weight · (2 s - 1) times their value (1 where there is none) for those whose user has
    reviewed the item; s, from 0 to 1, is the sentiment of the newest review that has one."""
    newest = F.max_by("sentiment", F.struct("ts", "review_id")).alias("s")
    sentiments = reviews.where("sentiment IS NOT NULL").groupBy("user_id", "item_id").agg(newest)
    factor = 1 + weight * (2 * F.col("s") - 1)
    value = F.when(F.col("s").isNull(), F.col("value")).otherwise(F.coalesce("value", F.lit(1.0)) * factor)
    joined = interactions.join(sentiments, on=["user_id", "item_id"], how="left")
    return joined.withColumn("value", value).select(interactions.columns)
