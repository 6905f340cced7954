"""Vocabulary: gives every new user and item a row number that it keeps for ever.

Rows are dense from 0 within (domain, kind), in the order of the ids' UTF-8 bytes among the ids of one night. An id that
vanishes keeps its row; a re-run of a night finds its ids known and gives them the same rows.
"""

import argparse
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.known_ids import of_kind
from jobs.night import Attempt, Night
from jobs.spark.local import fits_here
from jobs.spark.session import read, session, write_table
from jobs.storage import frames
from jobs.storage.files import count_rows
from schemas.tables import TABLES

NAMING = ("interactions", "items", "users")  # the tables that name users and items


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the night's clean tables and the whole vocabulary, writes the rows whose first night this is."""
    table, folder = TABLES["vocabulary"], attempt.folder("vocabulary")
    files, known_files = {name: night.tonight(name) for name in NAMING}, night.every_night("vocabulary")
    if fits_here(night.settings, sum(map(count_rows, files.values())), count_rows(known_files)):
        known = frames.read(known_files, table.schema)
        frames.write(number_new_here(files, known, night.run.domain, night.ds), folder)
        return
    spark = session(night)
    tonight = {name: read(spark, paths, TABLES[name].schema) for name, paths in files.items()}
    known = read(spark, known_files, table.schema)
    rows = number_new(ids(**tonight), known, night.ds)
    rows = rows.withColumn("domain", F.lit(night.run.domain))
    write_table(rows.coalesce(1), folder, table)


def number_new_here(files: Mapping[str, Sequence[str]], known: pa.Table, domain: str, ds: str) -> pa.Table:
    """The night's rows of the vocabulary, sorted by kind and id: as `ids` and `number_new` make them on Spark.

    files: of the tables in NAMING. known: the whole vocabulary.
    """
    parts = [known.filter(pc.field("ds") == ds)]
    for kind in ("item", "user"):
        old, named = of_kind(known, kind), set[str]()
        for name in ("interactions", f"{kind}s"):
            for path in files[name]:
                named |= {*pc.unique(frames.read([path], TABLES[name].schema, [f"{kind}_id"])[0]).to_pylist()}
        new = pa.array(sorted(named - {*old["id"].to_pylist()}, key=str.encode), pa.string())
        first = 1 + max(old["row"].to_pylist(), default=-1)
        columns = {
            "domain": pa.repeat(domain, len(new)),
            "ds": pa.repeat(ds, len(new)),
            "kind": pa.repeat(kind, len(new)),
        }
        columns |= {"id": new, "row": pa.array(range(first, first + len(new)), pa.int64())}
        parts.append(pa.table([columns[name] for name in known.column_names], schema=known.schema))
    return pa.concat_tables(parts).sort_by([("kind", "ascending"), ("id", "ascending")])


def ids(interactions: DataFrame, items: DataFrame, users: DataFrame) -> DataFrame:
    """(kind, id), distinct: the users and items that the tables name."""
    user_ids = interactions.select("user_id").union(users.select("user_id"))
    things = interactions.select("item_id").union(items.select("item_id"))
    both = user_ids.select(F.lit("user").alias("kind"), F.col("user_id").alias("id")).union(
        things.select(F.lit("item").alias("kind"), F.col("item_id").alias("id"))
    )
    return both.distinct()


def number_new(ids: DataFrame, known: DataFrame, ds: str) -> DataFrame:
    """Numbers the ids whose first night is `ds`, as (ds, kind, id, row): those that `known` gives to it, then the new
    ones."""
    again = known.where(F.col("ds") == ds).select("ds", "kind", "id", "row")
    new = ids.join(known.select("kind", "id"), on=["kind", "id"], how="left_anti")
    taken = known.groupBy("kind").agg((F.max("row") + 1).alias("taken"))
    order = Window.partitionBy("kind").orderBy("id")
    row = F.coalesce("taken", F.lit(0)) + F.row_number().over(order) - 1
    rows = new.join(taken, on="kind", how="left").select(F.lit(ds).alias("ds"), "kind", "id", row.alias("row"))
    return again.union(rows)
