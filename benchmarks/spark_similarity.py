"""What spark-submit runs: Parquet cells (row, feature, value) → Parquet lists (row, rank, similar_row, similarity).

    spark-submit benchmarks/spark_similarity.py encore CELLS LISTS SCRATCH 100

`encore` is what the job does, from external ids; `self-join` and `columnSimilarities` are what Spark's users write
today, with the rows' numbers as they are.
"""

import sys
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

BLOCK_ROWS = 4096  # as in a night


def encore(spark: SparkSession, cells: DataFrame, scratch: str, k: int) -> DataFrame:
    """What the job does with preferences: external ids are numbered, rows laid out and compared, and named again."""
    from jobs.matrix import Rows, write_blocks, write_counts
    from jobs.neighbours import Comparison, neighbours
    from jobs.numbering import numbered
    from jobs.similarity import EVENTS

    events = cells.withColumn("item_id", F.col("row").cast("string")).drop("row")
    ids = numbered(events.select("item_id").distinct(), "item_id", f"{scratch}/ids")
    entries = events.join(ids.frame(spark).withColumnRenamed("number", "row"), on="item_id", how="inner")
    write_blocks(entries.select(F.lit(EVENTS).alias("matrix"), "row", "feature", "value"), scratch, BLOCK_ROWS)
    write_counts(spark, scratch)
    lists = neighbours(spark, [Comparison("cosine", Rows(scratch, EVENTS), "cosine", 0.0)], ids, "item", k)
    return lists.withColumnsRenamed({"item_id": "row", "similar_item_id": "similar_row"})


def self_join(spark: SparkSession, cells: DataFrame, scratch: str, k: int) -> DataFrame:
    """Cells of length 1 joined with themselves on the feature, products added up, ranked in a window."""
    lengths = cells.groupBy("row").agg(F.sqrt(F.sum(F.col("value") * F.col("value"))).alias("length"))
    x = (F.col("value") / F.col("length")).alias("x")
    unit = cells.join(lengths, on="row", how="inner").select("row", "feature", x)
    other = unit.select(F.col("row").alias("similar_row"), "feature", F.col("x").alias("y"))
    pairs = unit.join(other, on="feature", how="inner").where("row <> similar_row")
    return ranked(pairs.groupBy("row", "similar_row").agg(F.sum(F.col("x") * F.col("y")).alias("similarity")), k)


def column_similarities(spark: SparkSession, cells: DataFrame, scratch: str, k: int) -> DataFrame:
    """MLlib's `RowMatrix.columnSimilarities`: the compared rows are its columns; both halves, ranked in a window."""
    from pyspark.mllib.linalg import Vectors
    from pyspark.mllib.linalg.distributed import RowMatrix

    width = cells.agg(F.max("row")).head()[0] + 1
    features = cells.rdd.map(lambda cell: (cell.feature, (cell.row, cell.value))).groupByKey().values()
    matrix = RowMatrix(features.map(lambda entries: Vectors.sparse(width, sorted(entries))), numCols=width)
    half = matrix.columnSimilarities().entries.map(lambda entry: (entry.i, entry.j, entry.value))
    upper = spark.createDataFrame(half, "row long, similar_row long, similarity double")
    return ranked(upper.union(upper.select("similar_row", "row", "similarity")), k)


def ranked(pairs: DataFrame, k: int) -> DataFrame:
    """The k best of each row."""
    order = Window.partitionBy("row").orderBy(F.desc("similarity"), "similar_row")
    return pairs.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= k)


ON_SPARK: dict[str, Callable[[SparkSession, DataFrame, str, int], DataFrame]] = {
    "encore": encore,
    "self-join": self_join,
    "columnSimilarities": column_similarities,
}


if __name__ == "__main__":
    how, cells, lists, scratch, k = sys.argv[1:]
    spark = SparkSession.builder.appName(how).getOrCreate()
    ON_SPARK[how](spark, spark.read.parquet(cells), scratch, int(k)).write.parquet(lists)
    spark.stop()
