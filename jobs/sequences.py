"""Sequences: every user's events, oldest first, in the vocabulary's rows, split for training, validation and test.

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

Not published: the training, evaluation and recommendation tasks of the run read it. Tasks leave the events of each
block of users in files (jobs/spark/parts.py); of these one task each counts what the split needs, then sorts, splits
and writes the block.
"""

import argparse
import logging
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.known_ids import of_kind
from jobs.night import Attempt, Night
from jobs.spark.event_reader import EVENT, NONE, EventReader, columns_of, pack_frame
from jobs.spark.events import event_files, read_events, vocabulary, vocabulary_in_memory
from jobs.spark.local import fits_here
from jobs.spark.parts import BlockStore, PartWriter, finish_all
from jobs.spark.session import session
from jobs.spark.splits import PARTS, Block, Facts, Histograms, assign_parts, choose_split, count_days
from jobs.spark.times import known_times
from jobs.storage.files import delete_folder
from jobs.storage.frames import write
from models.sorting import argsort_columns
from schemas.domains import Domain
from schemas.working import SEQUENCES

HASH_PARTS = 1_000_000
BLOCK_EVENTS = 1 << 21  # that a block of users has on average: a task needs about 100 bytes for each
MAX_EVENTS = 1 << 25  # of a block: one user may have most of all events
HASHED = EVENT.append(pa.field("part", pa.int8()))
REMEDY = "one user has most of them: find and reject that user's, or set ENCORE_CONFIG's Spark memory"
REPORT = pa.schema([("histogram", pa.int8()), ("key", pa.int64()), ("n", pa.int64())])
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events up to the night, writes them in order of user and time."""
    times, known = known_times(event_files(night)), vocabulary_in_memory(night)
    here = known is not None and fits_here(night.settings, times.events, known.num_rows)
    spark = None if here and not (night.domain.sentiment_weight or times.missing) else session(night)
    blocks = -(-times.events // BLOCK_EVENTS) or 1
    users = count_users(spark, night, known)
    store = BlockStore(attempt.folder("events"), users, -(-users // blocks) or 1)
    writer = PartWriter(store, ("events",), HASHED if times.missing else EVENT, MAX_EVENTS, REMEDY)
    parts = pack(spark, night, known, writer)
    facts = choose_split(times, night.domain, partial(count_all, spark, parts, writer, night.domain))
    attempt.facts |= facts
    log.info("held out by %s", ", ".join(f"{name} {value}" for name, value in facts.items()))
    if times.missing:
        log.warning("%s: no times and no order: recency and sequence models are left out", night.run.domain)
    kinds = {name: kind.weight for name, kind in night.domain.kinds.items()}
    split = BlockSplitter(attempt.folder("sequences"), kinds, facts, times.timed == times.events)
    finish_all(spark, parts, writer, split)
    if not times.events:  # a run whose task left no file has not written the table
        write(SEQUENCES.empty_table(), attempt.folder("sequences"))
    if isinstance(parts, DataFrame):
        parts.unpersist()
    delete_folder(store.folder)


def count_users(spark: SparkSession | None, night: Night, known: pa.Table | None) -> int:
    """Rows of users in the vocabulary, those between that are of a later night included."""
    if known is not None:
        return 1 + int(of_kind(known, "user")["row"].to_numpy().max(initial=-1))
    assert spark is not None
    last = vocabulary(spark, night, "user").agg(F.max("user_row")).first()
    return 1 + int(last[0]) if last is not None and last[0] is not None else 0


def pack(spark: SparkSession | None, night: Night, known: pa.Table | None, writer: PartWriter) -> DataFrame | pa.Table:
    """The parts of blocks that tasks make of the night's events: read by themselves, unless Spark must join them.

    known: the vocabulary, where this process can hold it. A DataFrame is persisted, because two stages read it.
    """
    kinds, hashed = tuple(night.domain.kinds), writer.schema == HASHED
    if known is None or night.domain.sentiment_weight or hashed:
        assert spark is not None
        rows = in_rows(read_events(spark, night), vocabulary(spark, night, "user"), vocabulary(spark, night, "item"))
        rows = rows.withColumn("part", hash_part(night.domain)) if hashed else rows
        return pack_frame(rows, kinds, writer).persist()
    reader = EventReader("user_id", "item_id", f"{writer.store.folder}/numbers", kinds)
    for column in (reader.row, reader.feature):
        ids = of_kind(known, column.removesuffix("_id"))
        reader.write_numbers(column, ids["id"].combine_chunks(), ids["row"].to_numpy())
    files = event_files(night)
    return reader.pack_here(files, writer) if spark is None else reader.pack(spark, files, writer).persist()


def in_rows(interactions: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    """The interactions with the numbers of their users and items, `row` and `feature`, beside the ids."""
    joined = interactions.join(users, on="user_id", how="inner").join(items, on="item_id", how="inner")
    return joined.withColumnsRenamed({"user_row": "row", "item_row": "feature"})


def hash_part(domain: Domain) -> F.Column:
    """The number of an event's part by a hash of its user and item, the same every night."""
    place, held = F.pmod(F.xxhash64("user_id", "item_id"), F.lit(HASH_PARTS)), int(domain.test_share * HASH_PARTS)
    return F.when(place < held, 2).when(place < 2 * held, 1).otherwise(0).cast("tinyint")


def count_all(
    spark: SparkSession | None, parts: DataFrame | pa.Table, writer: PartWriter, domain: Domain, newest: int
) -> Histograms:
    """The histograms of all users."""
    total = Histograms.empty()
    count = partial(report_days, domain, newest)
    for row in finish_all(spark, parts, writer, count, "histogram tinyint, key long, n long"):
        total[row["histogram"]][row["key"]] += row["n"]
    return total


def report_days(domain: Domain, newest: int, name: str, block: int, events: pa.Table) -> pa.RecordBatch:
    """What a task counts of a block, as rows of REPORT."""
    columns = columns_of(events)
    counts = count_days(Block(*(columns[name] for name in ("row", "feature", "ts", "ordinal"))), newest, domain)
    rows = [(n, key, count) for n, counter in enumerate(counts) for key, count in counter.items()]
    return pa.RecordBatch.from_pylist([dict(zip(REPORT.names, row, strict=True)) for row in rows], REPORT)


@dataclass(frozen=True)
class BlockSplitter:
    """Sorts, splits and writes the events of blocks of users. kinds: weight by name, in the order of their numbers.

    timed: whether all events have times.
    """

    folder: str
    kinds: dict[str, float]
    facts: Facts
    timed: bool

    def __call__(self, name: str, block: int, events: pa.Table) -> None:
        """Writes a block of SEQUENCES, sorted by user, time, ordinal, item and kind; what is missing comes first."""
        columns = columns_of(events)
        names = np.argsort(np.argsort(list(self.kinds)))  # kinds of one instant stand in the order of their names
        keys = *(columns[name] for name in ("row", "ts", "ordinal", "feature")), names[columns["kind"]]
        order = argsort_columns(keys)
        user, item, kind, value, ts, ordinal = (columns[name][order] for name in EVENT.names)
        if "part" in events.column_names:
            parts = events["part"].to_numpy()[order]
        else:
            parts = assign_parts(Block(user, item, ts, ordinal), self.facts, self.timed)
        weighted = (np.array([*self.kinds.values()])[kind] * value).astype(np.float32)
        part = pa.array(PARTS).take(pa.array(parts))
        when = pa.array(ts, pa.timestamp("us", "UTC"), mask=ts == NONE)
        table = pa.table([user.astype(np.int64), item.astype(np.int64), weighted, when, part], schema=SEQUENCES)
        write(table, self.folder, f"part-{block:05d}")
