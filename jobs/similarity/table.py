"""Exact top-K similarity on Spark, of items by their users and of users by their items, in all methods of the domain.

The matrices that the methods compare are laid out in blocks of at most `block_rows` rows
(jobs/similarity/preferences.py, jobs/similarity/layout.py); tasks compare them whole, in shares or in streams,
whichever their size asks for (jobs/similarity/neighbours.py). Rows are numbered in the order of their ids: equal
similarities come in that order. A task that streams holds 0.3 GiB for Python and 0.1 GiB a million entries of its
largest block, which may have 16 million (MOST_ENTRIES).
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.night import Attempt, Night
from jobs.similarity import content
from jobs.similarity.layout import Packing, write_blocks, write_packed
from jobs.similarity.matrix import Rows, matrix, rows_of_blocks
from jobs.similarity.neighbours import Columns, Comparison, write_neighbours
from jobs.similarity.numbering import Numbered, numbered, numbered_here
from jobs.similarity.preferences import DAY_MICROSECONDS, EVENT, Merging, Reading, from_files, from_frame
from jobs.similarity.weighting import weightings
from jobs.spark.events import events, files_of_events, vocabulary, vocabulary_here
from jobs.spark.session import session
from jobs.storage.files import count_rows, delete_folder
from models.kernels.neighbours import Measure
from schemas.methods import CONTENT, COSINE, HYBRID, JACCARD, LOG_LIKELIHOOD, Method

EVENTS = "events"  # the matrix of the preferences as they are
ALL = "all"  # the same before some are left out
TOLD_BY_TASK = re.compile(r"^jobs\.errors\.InputError: (.*)", re.MULTILINE)
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
        if told := TOLD_BY_TASK.search(str(error)):
            raise InputError(told[1]) from error
        raise


def _compute(night: Night, attempt: Attempt, entity: str, feature: str) -> None:
    spark, folder = session(night), attempt.folder("matrix")
    methods = {name: Method.named(name) for name in getattr(night.domain, f"{entity}_methods")}
    known = vocabulary_here(night)
    ids = numbers(spark, night, known, entity, f"{folder}/ids")
    rows = ids.frame(spark).withColumnRenamed("number", "row")
    block_rows = rows_of_blocks(night.domain.block_rows, count_rows(files_of_events(night)), ids.count)
    write_events(spark, night, attempt, known, ids, entity, feature, folder, block_rows)
    write_weighted(spark, night, methods.values(), ids.count, folder, block_rows)
    parts: tuple[str, ...] = ()
    if any(method.measure in (CONTENT, HYBRID) for method in methods.values()):
        parts = write_content(spark, night, rows, ids.count, entity, folder, block_rows)
        attempt.facts["alpha"] = alpha(night)
    compared = [comparison(name, method, parts, night, folder) for name, method in methods.items()]
    table = Columns(entity, night.run.domain, night.ds)
    write_neighbours(spark, compared, ids, night.domain.neighbours, attempt.folder(f"{entity}_similarity"), table)
    delete_folder(folder)


def numbers(spark: SparkSession, night: Night, known: pa.Table | None, kind: str, folder: str) -> Numbered:
    """The ids of users or items in their order."""
    if known is None:
        return numbered(vocabulary(spark, night, kind).select(f"{kind}_id"), f"{kind}_id", folder)
    return numbered_here(of_kind(known, kind)["id"].combine_chunks(), f"{kind}_id", folder)


def of_kind(known: pa.Table, kind: str) -> pa.Table:
    """The ids of users or items."""
    return known.filter(pc.field("kind") == kind)


def write_events(
    spark: SparkSession, night: Night, attempt: Attempt, known: pa.Table | None, ids: Numbered, entity: str,
    feature: str, folder: str, block_rows: int,
) -> None:  # fmt: skip
    """Writes the matrix of preferences, with the age of each where recency is asked for."""
    domain = night.domain
    aged = any("recency" in Method.named(name).weightings for name in getattr(domain, f"{entity}_methods"))
    weights = tuple(kind.weight for kind in domain.kinds.values())
    merging = Merging(weights, ids, end_of(night.ds) if aged else None, f"domains.{domain.name}.{entity}_methods")
    packing = Packing(EVENT, (ALL if domain.max_events_per_item else EVENTS,), folder, ids.count, block_rows)
    if known is None or domain.sentiment_weight:
        joined = with_ids(spark, night, events(spark, night), ids, entity, feature)
        parts = from_frame(joined, list(domain.kinds), packing)
    else:
        reading = Reading(f"{entity}_id", f"{feature}_id", f"{folder}/numbers", tuple(domain.kinds))
        reading.write_numbers(reading.row, *ids.here())
        features = of_kind(known, feature)
        reading.write_numbers(reading.feature, features["id"].combine_chunks(), features["row"].to_numpy())
        parts = from_files(spark, files_of_events(night), reading, packing)
    write_packed(spark, parts, packing, merging)
    if domain.max_events_per_item:
        values = with_ids(spark, night, matrix(spark, folder, ALL), ids, entity, feature)
        values = limited(values, domain.max_events_per_item, attempt)
        write_blocks(spark, {EVENTS: values.select(merging.columns)}, folder, ids.count, block_rows)


def with_ids(
    spark: SparkSession, night: Night, entries: DataFrame, ids: Numbered, entity: str, feature: str
) -> DataFrame:
    """Entries with (user_id, item_id) and (row, feature), whichever they have."""
    rows = ids.frame(spark).withColumnRenamed("number", "row")
    names = vocabulary(spark, night, feature).withColumnRenamed(f"{feature}_row", "feature")
    row, feature = ("row", "feature") if "row" in entries.columns else (f"{entity}_id", f"{feature}_id")
    return entries.join(rows, on=row, how="inner").join(names, on=feature, how="inner")


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


def end_of(ds: str) -> int:
    """The first microsecond after a day in UTC, since 1970."""
    return ((date.fromisoformat(ds) - date(1970, 1, 1)).days + 1) * DAY_MICROSECONDS


def write_weighted(
    spark: SparkSession, night: Night, methods: Iterable[Method], rows: int, folder: str, block_rows: int
) -> None:
    """Writes a matrix for each chain of weightings that a method asks for."""
    known = weightings(rows, night.domain.half_life_days)
    chains = sorted({weighted(method) for method in methods if method.weightings or method.measure in SETS})
    matrices = {
        chain: reduce(lambda frame, name: known[name](frame), chain.split("-"), matrix(spark, folder, EVENTS))
        for chain in chains
    }
    if matrices:
        write_blocks(spark, {n: m.drop("age_days") for n, m in matrices.items()}, folder, rows, block_rows)


def weighted(method: Method) -> str:
    """The matrix of events that a method compares: its weightings; sets are compared without values."""
    return "-".join(method.weightings or (("binary",) if method.measure in SETS else (EVENTS,)))


def write_content(
    spark: SparkSession, night: Night, rows: DataFrame, count: int, entity: str, folder: str, block_rows: int
) -> tuple[str, ...]:
    """Writes what is known of the entities; returns the names of the matrices."""
    if entity == "item":
        return content.write_items(spark, night, rows, count, folder, block_rows)
    items = vocabulary(spark, night, "item").withColumnRenamed("item_row", "row")
    names = content.write_items(spark, night, items, items.count(), f"{folder}/items", night.domain.block_rows)
    return content.write_users(spark, night, rows, count, Rows(f"{folder}/items", "", names), folder, block_rows)


def alpha(night: Night) -> float:
    """The share of events in hybrids: what hybrid_knn has chosen on validation, else the domain's setting."""
    chosen = night.run.find("train_hybrid_knn")
    return float(chosen.facts["alpha"] if chosen and "alpha" in chosen.facts else night.domain.alpha)


def comparison(name: str, method: Method, known: Sequence[str], night: Night, folder: str) -> Comparison:
    """What a method compares, and how. At the ends of alpha one part of a hybrid is all of it."""
    share = alpha(night) if method.measure == HYBRID else float(method.measure != CONTENT)
    rows = Rows(folder, weighted(method) if share > 0 else "", tuple(known) if share < 1 else (), share)
    return Comparison(name, rows, MEASURES[method.measure], night.domain.shrinkage if method.shrunk else 0.0)
