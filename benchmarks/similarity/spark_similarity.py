"""What spark-submit runs: Parquet events → Parquet lists (item_id, rank, similar_item_id, …).

    spark-submit benchmarks/similarity/spark_similarity.py encore CELLS LISTS SCRATCH 100

`encore` is what the job does, from external ids; `self-join` and `columnSimilarities` are what Spark's users write
today, with the rows' numbers as they are. The session ends with the process, as a job's does: `SparkSession.stop` would
wait a second for nothing.
"""

import sys
from collections.abc import Callable

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

BLOCK_ROWS = 4096  # as in a night
VOCABULARY = pa.schema([("kind", pa.string()), ("id", pa.string()), ("row", pa.int64())])


def encore(spark: SparkSession, cells: str, lists: str, scratch: str, k: int) -> None:
    """What the job does, from a night's events and vocabulary: ids looked up, rows laid out and compared, and named."""
    from jobs.known_ids import of_kind
    from jobs.similarity.events import EVENTS
    from jobs.similarity.layout import part_writer, write_blocks
    from jobs.similarity.matrix import ComparedRows, choose_block_rows
    from jobs.similarity.neighbours import Comparison, SimilarityTable, write_neighbours
    from jobs.similarity.numbering import number_ids_in_memory
    from jobs.similarity.preferences import PreferenceMerger
    from jobs.spark.event_reader import EVENT, EventReader
    from jobs.spark.parts import BlockStore
    from jobs.storage.files import count_rows, listing
    from jobs.storage.frames import read

    known = read(listing(f"{cells}/vocabulary"), VOCABULARY)
    items, users = (of_kind(known, kind) for kind in ("item", "user"))
    ids = number_ids_in_memory(items["id"].combine_chunks(), "item_id", f"{scratch}/ids")
    reader = EventReader("item_id", "user_id", f"{scratch}/numbers", ("rating",))
    reader.write_numbers("item_id", *ids.in_memory())
    reader.write_numbers("user_id", users["id"].combine_chunks(), users["row"].to_numpy())
    files = listing(f"{cells}/events")
    store = BlockStore(scratch, ids.count, choose_block_rows(BLOCK_ROWS, count_rows(files), ids.count))
    writer = part_writer(store, (EVENTS,), EVENT)
    write_blocks(spark, reader.pack(spark, files, writer), writer, PreferenceMerger((1.0,), ids))
    compared = [Comparison("cosine", ComparedRows(scratch, EVENTS), "cosine", 0.0)]
    write_neighbours(spark, compared, SimilarityTable("item", "benchmark", "", ids, k, lists))


def self_join(spark: SparkSession, folder: str, lists: str, scratch: str, k: int) -> None:
    """Cells of length 1 joined with themselves on the feature, products added up, ranked in a window."""
    cells = entries(spark, folder)
    lengths = cells.groupBy("row").agg(F.sqrt(F.sum(F.col("value") * F.col("value"))).alias("length"))
    x = (F.col("value") / F.col("length")).alias("x")
    unit = cells.join(lengths, on="row", how="inner").select("row", "feature", x)
    other = unit.select(F.col("row").alias("similar_row"), "feature", F.col("x").alias("y"))
    pairs = unit.join(other, on="feature", how="inner").where("row <> similar_row")
    result = pairs.groupBy("row", "similar_row").agg(F.sum(F.col("x") * F.col("y")).alias("similarity"))
    write_ranked(result, k, lists)


def column_similarities(spark: SparkSession, folder: str, lists: str, scratch: str, k: int) -> None:
    """MLlib's `RowMatrix.columnSimilarities`: the compared rows are its columns; both halves, ranked in a window."""
    from pyspark.mllib.linalg import Vectors
    from pyspark.mllib.linalg.distributed import RowMatrix

    cells = entries(spark, folder)
    width = cells.agg(F.max("row")).head()[0] + 1
    features = cells.rdd.map(lambda cell: (cell.feature, (cell.row, cell.value))).groupByKey().values()
    matrix = RowMatrix(features.map(lambda entries: Vectors.sparse(width, sorted(entries))), numCols=width)
    half = matrix.columnSimilarities().entries.map(lambda entry: (entry.i, entry.j, entry.value))
    upper = spark.createDataFrame(half, "row long, similar_row long, similarity double")
    write_ranked(upper.union(upper.select("similar_row", "row", "similarity")), k, lists)


def entries(spark: SparkSession, cells: str) -> DataFrame:
    """(row, feature, value)."""
    return spark.read.parquet(f"{cells}/events").select("row", "feature", "value")


def write_ranked(pairs: DataFrame, k: int, lists: str) -> None:
    """Writes the k best of each row, with the columns of the table."""
    order = Window.partitionBy("row").orderBy(F.desc("similarity"), "similar_row")
    ranked = pairs.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= k)
    ranked.withColumnsRenamed({"row": "item_id", "similar_row": "similar_item_id"}).write.parquet(lists)


ON_SPARK: dict[str, Callable[[SparkSession, str, str, str, int], None]] = {
    "encore": encore,
    "self-join": self_join,
    "columnSimilarities": column_similarities,
}


if __name__ == "__main__":
    method, cells, lists, scratch, k = sys.argv[1:]
    ON_SPARK[method](SparkSession.builder.appName(method).getOrCreate(), cells, lists, scratch, int(k))
