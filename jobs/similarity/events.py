"""Writes a night's preferences as the matrix `events` of a similarity job, with or without a cap on popular items."""

import logging

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.known_ids import of_kind
from jobs.night import Attempt
from jobs.similarity.job import SimilarityJob
from jobs.similarity.layout import part_writer, write_blocks, write_matrices
from jobs.similarity.matrix import read_matrix
from jobs.similarity.preferences import PreferenceMerger
from jobs.spark.event_reader import EVENT, EventReader, pack_frame
from jobs.spark.events import event_files, read_events
from jobs.spark.parts import PartWriter
from models.histories import day_end

EVENTS = "events"  # the matrix of the preferences as they are
ALL_EVENTS = "all"  # the same before some are left out
log = logging.getLogger(__name__)


def write_events(job: SimilarityJob) -> None:
    """Writes the matrix of preferences, with the age of each where a method weighs by recency."""
    domain = job.domain
    aged = any("recency" in method.weightings for method in job.methods.values())
    weights = tuple(kind.weight for kind in domain.kinds.values())
    setting = f"domains.{domain.name}.{job.entity}_methods"
    merger = PreferenceMerger(weights, job.ids, day_end(job.night.ds) if aged else None, setting)
    writer = part_writer(job.store, (ALL_EVENTS if domain.max_events_per_item else EVENTS,), EVENT)
    write_blocks(None if job.here else job.spark, pack_events(job, writer), writer, merger)
    if domain.max_events_per_item:
        values = with_ids(job, read_matrix(job.spark, job.store, ALL_EVENTS))
        values = limit_events(values, domain.max_events_per_item, job.attempt)
        write_matrices(job.spark, job.store, {EVENTS: values.select(merger.columns)})


def pack_events(job: SimilarityJob, writer: PartWriter) -> DataFrame | pa.Table:
    """The parts of blocks that tasks make of the night's events: read by themselves, unless Spark must join them."""
    kinds = tuple(job.domain.kinds)
    if job.vocabulary is None or job.domain.sentiment_weight:
        return pack_frame(with_ids(job, read_events(job.spark, job.night)), kinds, writer)
    reader = EventReader(f"{job.entity}_id", f"{job.feature}_id", f"{job.folder}/numbers", kinds)
    reader.write_numbers(reader.row, *job.ids.in_memory())
    features = of_kind(job.vocabulary, job.feature)
    reader.write_numbers(reader.feature, features["id"].combine_chunks(), features["row"].to_numpy())
    files = event_files(job.night)
    return reader.pack_here(files, writer) if job.here else reader.pack(job.spark, files, writer)


def with_ids(job: SimilarityJob, entries: DataFrame) -> DataFrame:
    """Entries with (user_id, item_id) and (row, feature), whichever they have."""
    names = job.feature_rows(job.feature).withColumnRenamed(f"{job.feature}_row", "feature")
    row, feature = ("row", "feature") if "row" in entries.columns else (f"{job.entity}_id", f"{job.feature}_id")
    return entries.join(job.rows, on=row, how="inner").join(names, on=feature, how="inner")


def limit_events(values: DataFrame, most: int, attempt: Attempt) -> DataFrame:
    """Preferences with at most so many of each item: those whose hash of (user, item) is smallest.

    What is left out counts nowhere in the night's similarity; facts and log say how much it is.
    """
    counts = values.groupBy("item_id").agg(F.count("*").alias("n")).where(F.col("n") > most)
    beyond = counts.agg(F.count("*").alias("items"), F.coalesce(F.sum(F.col("n") - most), F.lit(0)).alias("events"))
    left_out = beyond.collect()[0].asDict()
    attempt.facts["left_out"] = left_out
    if not left_out["items"]:
        return values
    log.warning("max_events_per_item = %d: %d events of %d items left out", most, left_out["events"], left_out["items"])
    by_hash = Window.partitionBy("item_id").orderBy(F.xxhash64("user_id", "item_id"), "user_id")
    return values.withColumn("place", F.row_number().over(by_hash)).where(F.col("place") <= most).drop("place")
