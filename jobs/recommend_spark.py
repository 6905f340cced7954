"""As `recommend`, on the executors of a Spark cluster: one task makes the lists of one file.

The champion learns here, once. A task reads what it needs where the night has it, with the champion, and calls the same
function: the rows are those of `recommend`.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema

from jobs import job, recommend
from jobs.learning.arrays import all_events, catalogue, ids
from jobs.learning.artifacts import load
from jobs.night import Attempt, Night, night_parser
from jobs.settings import Settings
from jobs.spark.session import hadoop, session
from jobs.storage.files import upload
from jobs.storage.runs import Run
from schemas.tables import TABLES

# Of the Parquet writer in Java, which counts bytes: about as many rows in a row group as `recommend` writes.
GROUP_BYTES = 2 << 20
BATCH_ROWS = 1 << 16
Batches = Iterator[pa.RecordBatch]
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("recommend_spark", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job, as the night's task `recommend`."""
    return job.run("recommend", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Lets the champion learn all events, saves it for the tasks, writes `recommendations`."""
    champion, known, _, _ = recommend.inputs(night)
    with tempfile.TemporaryDirectory() as folder:
        champion.save(Path(folder))
        upload(folder, attempt.folder("champion"))
    size = recommend.file_users(night)
    count = len(recommend.files(known, size))
    task = _task(Champion(champion.name, attempt.folder("champion"), size, night.run, night.settings))
    numbers = session(night).range(0, count, 1, max(count, 1))
    lists = numbers.mapInArrow(task, from_arrow_schema(TABLES["recommendations"].schema))
    writer = lists.write.mode("error").option("parquet.block.size", GROUP_BYTES)
    writer.parquet(hadoop(attempt.folder("recommendations")))
    log.info("%s made lists for %d users", champion.name, len(known.people))


@dataclass(frozen=True)
class Champion:
    """Where the champion lies that has learned all events, for how many users a file is, and whose night it is."""

    name: str
    address: str
    size: int
    run: Run
    settings: Settings = field(compare=False)


def _task(champion: Champion) -> Callable[[Batches], Batches]:
    """What a Spark task does: the lists of its files."""

    def lists(numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                night, work = _work(champion)
                yield from recommend.lists(night, work, number).to_batches(max_chunksize=BATCH_ROWS)

    return lists


@lru_cache(maxsize=1)
def _work(champion: Champion) -> tuple[Night, recommend.Work]:
    """Read once by a Python worker, which Spark gives one task after the other."""
    night = Night(champion.settings, champion.run)
    known = ids(night)
    model = load(champion.name, champion.address)
    events, items = all_events(night, known), catalogue(night, known)
    return night, recommend.prepared(night, model, known, events, items, champion.size)
