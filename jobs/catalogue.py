"""Facts about items and users, merged: the newest value of every column holds; tags and links add up."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from schemas.inputs import ITEMS, USERS

_NEWER = "struct(position, line)"  # of two facts the later file's holds, and within a file the later line's
_ADDED = ("tags", "links")


def items(facts: DataFrame, annotations: DataFrame, earlier: DataFrame) -> DataFrame:
    """One row per item_id: tonight's `facts` over the `earlier` catalogue, with the tags and links of `annotations`.

    `facts` and `annotations` have `position` and `line` (their order of arrival); an item is available unless said
    otherwise.
    """
    single = [c.name for c in ITEMS.columns if c.name not in ("domain", "ds", "item_id", *_ADDED)]
    every = _before(earlier).unionByName(facts, allowMissingColumns=True)
    columns = [_newest(name) for name in single]
    added = every.unionByName(annotations, allowMissingColumns=True).groupBy("item_id").agg(*map(_all, _ADDED))
    merged = every.groupBy("item_id").agg(*columns).join(added, on="item_id", how="left")
    return merged.withColumn("available", F.coalesce("available", F.lit(True)))


def users(facts: DataFrame, earlier: DataFrame) -> DataFrame:
    """One row per user_id: tonight's `facts` over what was known before."""
    columns = [_newest(c.name) for c in USERS.columns if c.name not in ("domain", "ds", "user_id")]
    return _before(earlier).unionByName(facts, allowMissingColumns=True).groupBy("user_id").agg(*columns)


def matched(reviews: DataFrame, catalogue: DataFrame) -> DataFrame:
    """`reviews` with the item_id that the catalogue gives to their `item_link`; null for an item that it has not."""
    by_link = catalogue.select(F.col("item_id").alias("linked"), F.explode("links").alias("item_link"))
    first = by_link.groupBy("item_link").agg(F.min("linked").alias("linked"))  # two items may share a link
    ids = catalogue.select(F.col("item_id").alias("known"))
    joined = reviews.join(first, on="item_link", how="left").join(ids, F.col("item_id") == F.col("known"), "left")
    return joined.withColumn("item_id", F.coalesce("known", "linked")).drop("known", "linked")


def _before(earlier: DataFrame) -> DataFrame:
    return earlier.drop("domain", "ds").withColumns({"position": F.lit(-1), "line": F.lit(0).cast("long")})


def _newest(column: str) -> F.Column:
    return F.expr(f"max_by({column}, {_NEWER}) FILTER (WHERE {column} IS NOT NULL)").alias(column)


def _all(column: str) -> F.Column:
    return F.array_sort(F.array_distinct(F.flatten(F.collect_list(column)))).alias(column)
