"""Vocabulary: gives every new user and item a row number that it keeps for ever.

Rows are dense from 0 within (domain, kind), in the order of the ids' UTF-8 bytes among the ids of one night. An id that
vanishes keeps its row; a re-run of a night finds its ids known and gives them the same rows.
"""

import argparse

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.night import Attempt, Night
from jobs.spark.session import read, session, write_table
from schemas.tables import TABLES


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the night's clean tables and the whole vocabulary, writes the rows whose first night this is."""
    spark = session(night)
    tonight = {
        name: read(spark, night.tonight(name), TABLES[name].schema) for name in ("interactions", "items", "users")
    }
    known = read(spark, night.every_night("vocabulary"), TABLES["vocabulary"].schema)
    rows = number_new(ids(**tonight), known, night.ds)
    rows = rows.withColumn("domain", F.lit(night.run.domain))
    write_table(rows.coalesce(1), attempt.folder("vocabulary"), TABLES["vocabulary"])


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
