"""What spark-submit runs: Parquet cells (row, feature, value) → Parquet lists (item_id, rank, similar_item_id, …).

    spark-submit benchmarks/spark_similarity.py encore CELLS LISTS SCRATCH 100

`encore` is what the job does, from external ids; `self-join` and `columnSimilarities` are what Spark's users write
today, with the rows' numbers as they are.
"""

import sys
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

BLOCK_ROWS = 4096  # as in a night


def encore(spark: SparkSession, cells: DataFrame, lists: str, scratch: str, k: int) -> None:
    """What the job does with preferences: external ids are numbered, rows laid out and compared, and named again."""
    from jobs.layout import write_blocks
    from jobs.matrix import Rows
    from jobs.neighbours import Columns, Comparison, write_neighbours
    from jobs.numbering import numbered
    from jobs.similarity import EVENTS

    events = cells.withColumn("item_id", F.col("row").cast("string")).drop("row")
    ids = numbered(events.select("item_id").distinct(), "item_id", f"{scratch}/ids")
    entries = events.join(ids.frame(spark).withColumnRenamed("number", "row"), on="item_id", how="inner")
    write_blocks({EVENTS: entries.select("row", "feature", "value")}, scratch, BLOCK_ROWS)
    compared = [Comparison("cosine", Rows(scratch, EVENTS), "cosine", 0.0)]
    write_neighbours(spark, compared, ids, k, lists, Columns("item", "benchmark", ""))


def self_join(spark: SparkSession, cells: DataFrame, lists: str, scratch: str, k: int) -> None:
    """Cells of length 1 joined with themselves on the feature, products added up, ranked in a window."""
    lengths = cells.groupBy("row").agg(F.sqrt(F.sum(F.col("value") * F.col("value"))).alias("length"))
    x = (F.col("value") / F.col("length")).alias("x")
    unit = cells.join(lengths, on="row", how="inner").select("row", "feature", x)
    other = unit.select(F.col("row").alias("similar_row"), "feature", F.col("x").alias("y"))
    pairs = unit.join(other, on="feature", how="inner").where("row <> similar_row")
    found = pairs.groupBy("row", "similar_row").agg(F.sum(F.col("x") * F.col("y")).alias("similarity"))
    write_ranked(found, k, lists)


def column_similarities(spark: SparkSession, cells: DataFrame, lists: str, scratch: str, k: int) -> None:
    """MLlib's `RowMatrix.columnSimilarities`: the compared rows are its columns; both halves, ranked in a window."""
    from pyspark.mllib.linalg import Vectors
    from pyspark.mllib.linalg.distributed import RowMatrix

    width = cells.agg(F.max("row")).head()[0] + 1
    features = cells.rdd.map(lambda cell: (cell.feature, (cell.row, cell.value))).groupByKey().values()
    matrix = RowMatrix(features.map(lambda entries: Vectors.sparse(width, sorted(entries))), numCols=width)
    half = matrix.columnSimilarities().entries.map(lambda entry: (entry.i, entry.j, entry.value))
    upper = spark.createDataFrame(half, "row long, similar_row long, similarity double")
    write_ranked(upper.union(upper.select("similar_row", "row", "similarity")), k, lists)


def write_ranked(pairs: DataFrame, k: int, lists: str) -> None:
    """Writes the k best of each row, with the columns of the table."""
    order = Window.partitionBy("row").orderBy(F.desc("similarity"), "similar_row")
    ranked = pairs.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= k)
    ranked.withColumnsRenamed({"row": "item_id", "similar_row": "similar_item_id"}).write.parquet(lists)


ON_SPARK: dict[str, Callable[[SparkSession, DataFrame, str, str, int], None]] = {
    "encore": encore,
    "self-join": self_join,
    "columnSimilarities": column_similarities,
}


if __name__ == "__main__":
    how, cells, lists, scratch, k = sys.argv[1:]
    spark = SparkSession.builder.appName(how).getOrCreate()
    ON_SPARK[how](spark, spark.read.parquet(cells), lists, scratch, int(k))
    spark.stop()
