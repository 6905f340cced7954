"""Events up to a night, in the vocabulary's rows: what similarity and sequences are computed from."""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.night import Night
from jobs.spark import read
from schemas.tables import TABLES


def vocabulary(spark: SparkSession, night: Night, kind: str) -> DataFrame:
    """(<kind>_id, <kind>_row) of every id that has a row.

    Also of ids first seen on a later night: an old night that runs again may meet one in a file that came late.
    """
    schema = TABLES["vocabulary"].schema
    other = read(spark, night.every_night("vocabulary"), schema).where(F.col("ds") != night.ds)
    rows = other.union(read(spark, night.tonight("vocabulary"), schema)).where(F.col("kind") == kind)
    return rows.select(F.col("id").alias(f"{kind}_id"), F.col("row").alias(f"{kind}_row"))


def events(spark: SparkSession, night: Night) -> DataFrame:
    """All clean interactions up to the night; with the domain's `sentiment_weight` as `praised` has them."""
    files = night.history("interactions") + night.tonight("interactions")
    found = read(spark, files, TABLES["interactions"].schema)
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


def preferences(interactions: DataFrame, weights: Mapping[str, float]) -> DataFrame:
    """(user_id, item_id, value, ts): r_ui = Σ over the kinds of weight(kind) · the newest value of that kind.

    A kind without values counts 1. Of several values of a kind, a later rating replaces an earlier one. `ts` is the
    newest event's.
    """
    newest = "coalesce(max_by(coalesce(value, 1D), struct(ts, ordinal, value)) FILTER (WHERE kind = '{kind}'), 0D)"
    total = " + ".join(f"{float(weight)}D * {newest.format(kind=kind)}" for kind, weight in weights.items())
    return interactions.groupBy("user_id", "item_id").agg(F.expr(total).alias("value"), F.max("ts").alias("ts"))
