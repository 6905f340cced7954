"""Exact top-K similarity on Spark, of items by their users and of users by their items, in all methods of the domain.

The matrices that the methods compare are laid out in blocks of `block_rows` rows (jobs/layout.py). A task owns rows of
one method, as many as their work allows (jobs/pieces.py), and streams all blocks past them (models/neighbours.py):
nothing has to be merged, since a task meets every row there is, and no task holds more than its rows and a block.
Rows are numbered in the order of their ids: equal similarities come in that order. A task's memory follows from its
largest block: 0.3 GiB for Python itself and 0.1 GiB a million entries, of which a block may have 16 (MOST_ENTRIES).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import reduce

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs import content
from jobs.errors import InputError
from jobs.events import events, preferences, vocabulary
from jobs.layout import write_blocks
from jobs.matrix import Rows, matrix
from jobs.neighbours import Columns, Comparison, write_neighbours
from jobs.night import Attempt, Night
from jobs.numbering import numbered
from jobs.spark import session
from jobs.storage.files import delete_folder
from jobs.weighting import weightings
from models.neighbours import Measure
from schemas.methods import CONTENT, COSINE, HYBRID, JACCARD, LOG_LIKELIHOOD, Method

EVENTS = "events"  # the matrix of the preferences as they are
MEASURES: Mapping[str, Measure] = {
    COSINE: "cosine",
    CONTENT: "cosine",
    HYBRID: "cosine",
    JACCARD: "jaccard",
    LOG_LIKELIHOOD: "log_likelihood",
}
SETS = (JACCARD, LOG_LIKELIHOOD)  # compared without values
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, entity: str, feature: str) -> None:
    """Writes <entity>_similarity: the domain's `neighbours` nearest of every entity, by each of its methods."""
    try:
        _compute(night, attempt, entity, feature)
    except PySparkException as error:
        if "USER_RAISED_EXCEPTION" in str(error):  # by raise_error, where data or settings are wrong
            raise InputError(str(error)) from error
        raise


def _compute(night: Night, attempt: Attempt, entity: str, feature: str) -> None:
    spark, folder = session(night), attempt.folder("matrix")
    methods = {name: Method.named(name) for name in getattr(night.domain, f"{entity}_methods")}
    ids = numbered(vocabulary(spark, night, entity).select(f"{entity}_id"), f"{entity}_id", f"{folder}/ids")
    rows = ids.frame(spark).withColumnRenamed("number", "row")
    write_events(spark, night, attempt, rows, entity, feature, folder)
    write_weighted(spark, night, methods.values(), ids.count, folder)
    known: tuple[str, ...] = ()
    if any(method.measure in (CONTENT, HYBRID) for method in methods.values()):
        known = write_content(spark, night, rows, ids.count, entity, folder)
        attempt.facts["alpha"] = alpha(night)
    compared = [comparison(name, method, known, night, folder) for name, method in methods.items()]
    table = Columns(entity, night.run.domain, night.ds)
    write_neighbours(spark, compared, ids, night.domain.neighbours, attempt.folder(f"{entity}_similarity"), table)
    delete_folder(folder)


def write_events(
    spark: SparkSession, night: Night, attempt: Attempt, rows: DataFrame, entity: str, feature: str, folder: str
) -> None:
    """Writes the matrix of preferences, with the age of each where recency is asked for."""
    domain = night.domain
    values = preferences(events(spark, night), {name: kind.weight for name, kind in domain.kinds.items()})
    if domain.max_events_per_item:
        values = limited(values, domain.max_events_per_item, attempt)
    names = vocabulary(spark, night, feature).withColumnRenamed(f"{feature}_row", "feature")
    entries = values.join(rows, on=f"{entity}_id", how="inner").join(names, on=f"{feature}_id", how="inner")
    columns = ["row", "feature", "value"]
    if any("recency" in Method.named(name).weightings for name in getattr(domain, f"{entity}_methods")):
        columns.append(age_days(night.ds, f"domains.{domain.name}.{entity}_methods").alias("age_days"))
    write_blocks({EVENTS: entries.select(*columns)}, folder, domain.block_rows)


def limited(values: DataFrame, most: int, attempt: Attempt) -> DataFrame:
    """Preferences with at most so many of each item: those whose hash of (user, item) is smallest.

    What is left out counts nowhere in the night's similarity; facts and log say how much it is.
    """
    counts = values.groupBy("item_id").agg(F.count("*").alias("n")).where(F.col("n") > most)
    found = counts.agg(F.count("*").alias("items"), F.coalesce(F.sum(F.col("n") - most), F.lit(0)).alias("events"))
    left_out = found.collect()[0].asDict()
    attempt.facts["left_out"] = left_out
    if not left_out["items"]:
        return values
    log.warning("max_events_per_item = %d: %d events of %d items left out", most, left_out["events"], left_out["items"])
    by_hash = Window.partitionBy("item_id").orderBy(F.xxhash64("user_id", "item_id"), "user_id")
    return values.withColumn("place", F.row_number().over(by_hash)).where(F.col("place") <= most).drop("place")


def age_days(ds: str, setting: str) -> F.Column:
    """Days from `ts` to the end of the night's day; a preference without a time is an error."""
    end = F.lit(f"{date.fromisoformat(ds) + timedelta(days=1)} 00:00:00 UTC").cast("timestamp")
    age = (F.unix_micros(end) - F.unix_micros("ts")) / 86_400e6
    missing = F.concat(
        F.lit("recency needs the time of every event; there is none of user "), "user_id", F.lit(" and item "),
        "item_id", F.lit(f"; take recency out of {setting}"),
    )  # fmt: skip
    return F.when(F.col("ts").isNull(), F.raise_error(missing)).otherwise(F.greatest(age, F.lit(0.0)))


def write_weighted(spark: SparkSession, night: Night, methods: Iterable[Method], rows: int, folder: str) -> None:
    """Writes a matrix for each chain of weightings that a method asks for."""
    known = weightings(rows, night.domain.half_life_days)
    chains = sorted({weighted(method) for method in methods if method.weightings or method.measure in SETS})
    matrices = {
        chain: reduce(lambda frame, name: known[name](frame), chain.split("-"), matrix(spark, folder, EVENTS))
        for chain in chains
    }
    if matrices:
        write_blocks({n: m.drop("age_days") for n, m in matrices.items()}, folder, night.domain.block_rows)


def weighted(method: Method) -> str:
    """The matrix of events that a method compares: its weightings; sets are compared without values."""
    return "-".join(method.weightings or (("binary",) if method.measure in SETS else (EVENTS,)))


def write_content(
    spark: SparkSession, night: Night, rows: DataFrame, count: int, entity: str, folder: str
) -> tuple[str, ...]:
    """Writes what is known of the entities; returns the names of the matrices."""
    if entity == "item":
        return content.write_items(spark, night, rows, count, folder)
    items = vocabulary(spark, night, "item").withColumnRenamed("item_row", "row")
    names = content.write_items(spark, night, items, items.count(), f"{folder}/items")
    return content.write_users(spark, night, rows, count, Rows(f"{folder}/items", "", names), folder)


def alpha(night: Night) -> float:
    """The share of events in hybrids: what hybrid_knn has chosen on validation, else the domain's setting."""
    chosen = night.run.find("train_hybrid_knn")
    return float(chosen.facts["alpha"] if chosen and "alpha" in chosen.facts else night.domain.alpha)


def comparison(name: str, method: Method, known: Sequence[str], night: Night, folder: str) -> Comparison:
    """What a method compares, and how. At the ends of alpha one part of a hybrid is all of it."""
    share = alpha(night) if method.measure == HYBRID else float(method.measure != CONTENT)
    rows = Rows(folder, weighted(method) if share > 0 else "", tuple(known) if share < 1 else (), share)
    return Comparison(name, rows, MEASURES[method.measure], night.domain.shrinkage if method.shrunk else 0.0)
