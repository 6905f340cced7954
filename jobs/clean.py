"""Judges every new row: into its table, or into `rejected` with all its reasons, its file, line and text.

The rules stand beside the tables in `schemas/`; this job applies them. Read = clean + rejected is checked here.
"""

import argparse
import logging
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs import catalogue
from jobs.errors import ContractError, InputError
from jobs.night import Attempt, Night
from jobs.spark.session import read, session, write_table
from jobs.storage.files import parquet_rows
from jobs.storage.frames import write
from schemas.domains import placeholders
from schemas.landing import LANDING
from schemas.table import Table
from schemas.tables import TABLES

log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the pinned landing files and the history, judges, writes the night's clean and rejected rows."""
    check_landing(night)
    spark = session(night)
    landed = {name: read_landed(night, spark, name) for name in LANDING}
    past = {name: read(spark, night.history(name), TABLES[name].schema) for name in ("interactions", "reviews")}
    items = judge(landed["items"], LANDING["items"], night).persist(StorageLevel.DISK_ONLY)
    earlier = read(spark, night.last_night("items"), TABLES["items"].schema)
    known = accepted(items).select("item_id").union(earlier.select("item_id")).distinct()
    judged = {
        "items": items,
        "annotations": judge(with_known(landed["annotations"], known), LANDING["annotations"], night),
        "users": judge(landed["users"], LANDING["users"], night),
        "reviews": judge(with_history(landed["reviews"], past, "reviews"), LANDING["reviews"], night),
        "interactions": judge(
            with_history(with_known(landed["interactions"], known), past, "interactions"),
            LANDING["interactions"],
            night,
        ),
    }
    judged = {name: frame.persist(StorageLevel.DISK_ONLY) for name, frame in judged.items()}

    partition = [F.lit(night.run.domain).alias("domain"), F.lit(night.ds).alias("ds")]
    rejected = reduce(DataFrame.unionByName, (rejections(frame) for frame in judged.values()))
    write_table(rejected.select(*partition, "*"), attempt.folder("rejected"), TABLES["rejected"])
    counts = count(judged.values())
    check_counts(night, counts)
    write_files(night, attempt, counts)
    check_share(night, attempt, counts)

    interactions = accepted(judged["interactions"]).withColumn("source", F.col("file"))
    write_table(interactions.select(*partition, "*"), attempt.folder("interactions"), TABLES["interactions"])
    catalog = catalogue.items(accepted(items), accepted(judged["annotations"]), earlier)
    write_table(catalog.select(*partition, "*"), attempt.folder("items"), TABLES["items"])
    users = catalogue.users(accepted(judged["users"]), read(spark, night.last_night("users"), TABLES["users"].schema))
    write_table(users.select(*partition, "*"), attempt.folder("users"), TABLES["users"])
    reviews = catalogue.matched(accepted(judged["reviews"]), catalog)
    write_table(reviews.select(*partition, "*"), attempt.folder("reviews"), TABLES["reviews"])


def inputs(night: Night) -> dict[str, dict[str, Any]]:
    """The night's files by name: the path, and part of the checksum where two of one night have the same path."""
    entries = night.pin["inputs"]
    paths = [entry["path"] for entry in entries]
    name = {id(e): e["path"] if paths.count(e["path"]) == 1 else f"{e['path']}#{e['checksum'][:8]}" for e in entries}
    return {name[id(entry)]: entry for entry in entries}


def check_landing(night: Night) -> None:
    """Every pinned file is there and whole; InputError names the one that is not."""
    for entry in night.pin["inputs"]:
        rows = sum(parquet_rows(path) for path in entry["data"])
        if rows != entry["rows"]:
            raise InputError(f"{entry['path']}: landed with {entry['rows']} rows, now {rows}; import it again")


def read_landed(night: Night, spark: SparkSession, name: str) -> DataFrame:
    """All pinned rows of one landing table, with `position`: which of the night's files they came in."""
    schema = LANDING[name].schema
    parts = [
        read(spark, entry["data"], schema).withColumns({"file": F.lit(file), "position": F.lit(position)})
        for position, (file, entry) in enumerate(inputs(night).items())
        if entry["table"] == name
    ]
    return reduce(DataFrame.union, parts) if parts else read(spark, [], schema).withColumn("position", F.lit(0))


def judge(rows: DataFrame, table: Table, night: Night) -> DataFrame:
    """Landing rows with `reasons`: the names of all checks of `table` that the row fails, in the order of the checks.

    Of rows that are the same (the table's key), the first good one is kept and the others fail `duplicate`.
    """
    words = placeholders(night.domain, night.ds)
    checks = {
        check.name: F.expr(check.violation.format(**words)) for check in table.checks if check.name != "duplicate"
    }
    marked = rows.withColumn("reasons", _names(checks))
    duplicate = next((check for check in table.checks if check.name == "duplicate"), None)
    if duplicate is None:
        return marked
    same = Window.partitionBy(*table.key).orderBy(F.size("reasons"), "position", "line")
    good = F.first(F.size("reasons")).over(same) == 0
    numbered = marked.withColumn("repetition", F.when(good, F.row_number().over(same)).otherwise(1))
    if "in_history" not in numbered.columns:
        numbered = numbered.withColumn("in_history", F.lit(False))
    return numbered.withColumn("reasons", F.concat("reasons", _names({"duplicate": F.expr(duplicate.violation)})))


def _names(checks: dict[str, F.Column]) -> F.Column:
    """The names whose condition is true; null counts as false."""
    return F.array_compact(F.array(*(F.when(violated, F.lit(name)) for name, violated in checks.items())))


def with_known(rows: DataFrame, known: DataFrame) -> DataFrame:
    """Adds `item_known`: whether `known` (item_id, distinct) holds the row's item; true for a row without an item."""
    found = rows.join(known.withColumn("found", F.lit(True)), on="item_id", how="left")
    missing = F.col("item_id").isNull() | (F.col("item_id") == "")
    return found.withColumn("item_known", F.coalesce("found", missing)).drop("found")


def with_history(rows: DataFrame, past: Mapping[str, DataFrame], name: str) -> DataFrame:
    """Adds `in_history`: whether an earlier night has the same row of the table (null times are equal)."""
    keys = LANDING[name].key
    known = past[name].select(*(F.col(name).alias(f"past_{name}") for name in keys), F.lit(True).alias("in_past"))
    same = reduce(lambda a, b: a & b, (F.col(name).eqNullSafe(F.col(f"past_{name}")) for name in keys))
    found = rows.join(known, on=same, how="left").withColumn("in_history", F.coalesce("in_past", F.lit(False)))
    return found.drop("in_past", *(f"past_{name}" for name in keys))


def accepted(judged: DataFrame) -> DataFrame:
    """The rows that fail no check."""
    return judged.where(F.size("reasons") == 0)


def rejections(judged: DataFrame) -> DataFrame:
    """file, line, reasons, raw of the rows that fail a check."""
    return judged.where(F.size("reasons") > 0).select("file", "line", "reasons", "raw")


def count(judged: Iterable[DataFrame]) -> dict[str, tuple[int, int]]:
    """File → (rows accepted, rows rejected)."""
    bad = F.when(F.size("reasons") > 0, 1).otherwise(0)
    every = reduce(DataFrame.union, (frame.select("file", bad.alias("bad")) for frame in judged))
    rows = every.groupBy("file").agg(F.sum(1 - F.col("bad")), F.sum("bad")).collect()
    return {file: (int(good), int(rejected)) for file, good, rejected in rows}


def check_counts(night: Night, counts: dict[str, tuple[int, int]]) -> None:
    """Read = clean + rejected, for every file."""
    for file, entry in inputs(night).items():
        good, bad = counts.get(file, (0, 0))
        if good + bad != entry["rows"]:
            raise ContractError(f"{file}: {entry['rows']} rows read, but {good} clean and {bad} rejected")


def check_share(night: Night, attempt: Attempt, counts: dict[str, tuple[int, int]]) -> None:
    """Fails the task when more than the domain's share of the night's rows is rejected."""
    bad, total = sum(bad for _, bad in counts.values()), sum(map(sum, counts.values()))
    limit = night.domain.max_rejected_share
    if total and bad / total > limit:
        worst = max(counts, key=lambda path: counts[path][1])
        raise ContractError(
            f"{bad} of {total} rows rejected ({bad / total:.1%}), over max_rejected_share = {limit:.1%}; "
            f"most in {worst}; the rows and their reasons are in {attempt.folder('rejected')}; nothing was published"
        )
    log.info("%d rows read, %d rejected", total, bad)


def write_files(night: Night, attempt: Attempt, counts: dict[str, tuple[int, int]]) -> None:
    """One row of `files` for every pinned file."""
    rows = [
        {
            "domain": night.run.domain,
            "ds": night.ds,
            "path": entry["path"],
            "checksum": entry["checksum"],
            "rows": entry["rows"],
            "rejected": counts.get(file, (0, 0))[1],
        }
        for file, entry in inputs(night).items()
    ]
    write(pa.Table.from_pylist(rows, schema=TABLES["files"].schema), attempt.folder("files"))
