"""Exact top-K cosine similarity on Spark, for items by their users and for users by their items.

    s_ij = Σ_u r_ui r_uj / (‖r_i‖ ‖r_j‖)

The matrix of preferences is laid out in blocks of rows; one task owns a block and streams all blocks from storage
(`models/neighbours.py`), so that its memory is two blocks and its lists. Rows are numbered in the order of their ids:
equal similarities come in that order.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.events import events, preferences, vocabulary
from jobs.night import Attempt, Night
from jobs.spark import session, write, write_table
from jobs.storage.files import listing
from jobs.storage.frames import read
from models.neighbours import RowBlock, stream_neighbours
from schemas.tables import TABLES

METHOD = "cosine"
BLOCK_ROWS = 4096
MATRIX = pa.schema([("row", pa.int64()), ("feature", pa.int64()), ("value", pa.float64())])
COUNTS = pa.schema([("feature", pa.int64()), ("rows", pa.int64())])
LISTS = pa.schema(
    [("row", pa.int64()), ("rank", pa.int32()), ("similar_row", pa.int64()), ("similarity", pa.float32())]
)
LISTS_SQL = "row long, rank int, similar_row long, similarity float"


def compute(night: Night, attempt: Attempt, entity: str, feature: str) -> None:
    """Writes <entity>_similarity: the domain's `neighbours` nearest of every entity, by the features they share."""
    spark = session(night)
    weights = {name: kind.weight for name, kind in night.domain.kinds.items()}
    values = preferences(events(spark, night), weights)
    rows = numbered(values.select(f"{entity}_id").distinct(), f"{entity}_id")
    features = vocabulary(spark, night, feature).withColumnRenamed(f"{feature}_row", "feature")
    matrix = values.join(rows, on=f"{entity}_id", how="inner").join(features, on=f"{feature}_id", how="inner")
    folder = attempt.folder("matrix")
    blocks, width = lay_out(matrix.where("value <> 0"), folder)
    lists = top_k(spark, folder, blocks, width, night.domain.neighbours)
    name = f"{entity}_similarity"
    named = with_ids(lists, rows, entity).withColumns(
        {"domain": F.lit(night.run.domain), "ds": F.lit(night.ds), "method": F.lit(METHOD)}
    )
    write_table(named, attempt.folder(name), TABLES[name])


def numbered(ids: DataFrame, column: str) -> DataFrame:
    """Distinct ids with `row`: their place, from 0, in the order of their UTF-8 bytes."""
    every = Window.partitionBy(F.lit(0)).orderBy(column)  # one partition, of ids only
    return ids.withColumn("row", F.row_number().over(every).cast("long") - 1)


def lay_out(matrix: DataFrame, folder: str) -> tuple[int, int]:
    """Writes (row, feature, value) as blocks of BLOCK_ROWS rows, and how many rows hold each feature.

    Returns the number of blocks and of features.
    """
    block = (F.col("row") / BLOCK_ROWS).cast("int")
    cells = matrix.select("row", "feature", "value", block.alias("block")).repartition("block")
    cells.sortWithinPartitions("block", "row", "feature").write.partitionBy("block").parquet(f"{folder}/blocks")
    counts = matrix.groupBy("feature").agg(F.count("*").alias("rows"))
    write(counts, f"{folder}/counts", COUNTS)
    last = matrix.agg(F.max("row"), F.max("feature")).first()
    if last is None or last[0] is None:
        return 0, 0
    return int(last[0]) // BLOCK_ROWS + 1, int(last[1]) + 1


def top_k(spark: SparkSession, folder: str, blocks: int, features: int, k: int) -> DataFrame:
    """LISTS: the k nearest rows of every row, one task a block."""
    if blocks == 0:
        return spark.createDataFrame([], LISTS_SQL)
    numbers = spark.range(0, blocks, 1, blocks)
    return numbers.mapInArrow(_task(folder, blocks, features, k), LISTS_SQL)


def _task(
    folder: str, blocks: int, features: int, k: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a Spark task does: its blocks' lists, each against all blocks."""

    def lists(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counted = read(listing(f"{folder}/counts", ".parquet"), COUNTS)
        counts = np.zeros(features, np.int64)
        counts[counted["feature"].to_numpy()] = counted["rows"].to_numpy()
        for batch in numbers:
            for block in batch.column(0).to_pylist():
                others = (read_block(folder, other, features) for other in range(blocks))
                queries = read_block(folder, block, features)
                # One core a task: Spark gives each task one, and starts as many tasks as there are cores.
                found = stream_neighbours(queries, others, k, feature_counts=counts, threads=1)
                yield as_lists(queries.rows, found.indices, found.similarity)

    return lists


def read_block(folder: str, block: int, features: int) -> RowBlock:
    """A block of the matrix; a row without values does not appear."""
    cells = read(listing(f"{folder}/blocks/block={block}", ".parquet"), MATRIX)
    rows, first = np.unique(cells["row"].to_numpy(), return_index=True)
    indptr = np.append(first, cells.num_rows)
    values = (cells["value"].to_numpy().astype(np.float32), cells["feature"].to_numpy().astype(np.int32), indptr)
    return RowBlock(rows.astype(np.int32), sp.csr_array(values, shape=(len(rows), features)))


def as_lists(rows: np.ndarray, indices: np.ndarray, similarity: np.ndarray) -> pa.RecordBatch:
    """LISTS of neighbours padded with -1."""
    there = indices >= 0
    owner, place = np.nonzero(there)
    columns: Mapping[str, np.ndarray] = {
        "row": rows[owner].astype(np.int64),
        "rank": (place + 1).astype(np.int32),
        "similar_row": indices[there].astype(np.int64),
        "similarity": similarity[there],
    }
    return pa.RecordBatch.from_pydict({name: pa.array(column) for name, column in columns.items()}, schema=LISTS)


def with_ids(lists: DataFrame, rows: DataFrame, entity: str) -> DataFrame:
    """Lists with external ids in place of rows."""
    similar = rows.select(F.col("row").alias("similar_row"), F.col(f"{entity}_id").alias(f"similar_{entity}_id"))
    return lists.join(rows, on="row", how="inner").join(similar, on="similar_row", how="inner")
