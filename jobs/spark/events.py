"""Events up to a night and the vocabulary's rows: what similarity and sequences are computed from."""

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.night import Night
from jobs.spark.session import read
from jobs.storage import frames
from jobs.storage.files import count_rows
from schemas.tables import TABLES

MOST_IDS = 1 << 21  # that a process holds: 0.2 GiB with what looks them up


def vocabulary(spark: SparkSession, night: Night, kind: str) -> DataFrame:
    """(<kind>_id, <kind>_row) of every id that has a row.

    Also of ids first seen on a later night: an old night that runs again may meet one in a file that came late.
    """
    schema = TABLES["vocabulary"].schema
    other = read(spark, night.every_night("vocabulary"), schema).where(F.col("ds") != night.ds)
    rows = other.union(read(spark, night.tonight("vocabulary"), schema)).where(F.col("kind") == kind)
    return rows.select(F.col("id").alias(f"{kind}_id"), F.col("row").alias(f"{kind}_row"))


def vocabulary_here(night: Night) -> pa.Table | None:
    """(kind, id, row) of the same ids, users and items, in this process; None where they are more than MOST_IDS."""
    schema = TABLES["vocabulary"].schema
    every, tonight = night.every_night("vocabulary"), night.tonight("vocabulary")
    if count_rows(every + tonight) > MOST_IDS:
        return None
    other = frames.read(every, schema).filter(pc.field("ds") != night.ds)
    return pa.concat_tables([other, frames.read(tonight, schema)]).select(["kind", "id", "row"])


def files_of_events(night: Night) -> list[str]:
    """Of all clean interactions up to the night."""
    return night.history("interactions") + night.tonight("interactions")


def events(spark: SparkSession, night: Night) -> DataFrame:
    """All clean interactions up to the night; with the domain's `sentiment_weight` as `praised` has them."""
    found = read(spark, files_of_events(night), TABLES["interactions"].schema)
    if not night.domain.sentiment_weight:
        return found
    # As `clean` left them: `sentiment` may not have ended, and a run that is repeated must find the same.
    files = night.history("reviews") + night.run.entry("clean").files.get("reviews", [])
    return praised(found, read(spark, files, TABLES["reviews"].schema), night.domain.sentiment_weight)


def praised(interactions: DataFrame, reviews: DataFrame, weight: float) -> DataFrame:
    """The interactions with 1 + weight · (2 s - 1) times their value (1 where there is none) for those whose user has
    reviewed the item; s, from 0 to 1, is the sentiment of the newest review that has one."""
    newest = F.max_by("sentiment", F.struct("ts", "review_id")).alias("s")
    said = reviews.where("sentiment IS NOT NULL").groupBy("user_id", "item_id").agg(newest)
    factor = 1 + weight * (2 * F.col("s") - 1)
    value = F.when(F.col("s").isNull(), F.col("value")).otherwise(F.coalesce("value", F.lit(1.0)) * factor)
    joined = interactions.join(said, on=["user_id", "item_id"], how="left")
    return joined.withColumn("value", value).select(interactions.columns)
