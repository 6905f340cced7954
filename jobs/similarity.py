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
from jobs.spark import hadoop, session, write, write_table
from jobs.storage.files import folders, listing
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
    rows = numbered(vocabulary(spark, night, entity).select(f"{entity}_id"), f"{entity}_id")
    features = vocabulary(spark, night, feature).withColumnRenamed(f"{feature}_row", "feature")
    values = preferences(events(spark, night), weights).where("value <> 0")
    matrix = values.join(rows, on=f"{entity}_id", how="inner").join(features, on=f"{feature}_id", how="inner")
    folder = attempt.folder("matrix")
    blocks = lay_out(matrix, folder)
    name = f"{entity}_similarity"
    named = with_ids(top_k(spark, folder, blocks, night.domain.neighbours), rows, entity).withColumns(
        {"domain": F.lit(night.run.domain), "ds": F.lit(night.ds), "method": F.lit(METHOD)}
    )
    write_table(named, attempt.folder(name), TABLES[name])


def numbered(ids: DataFrame, column: str) -> DataFrame:
    """Distinct ids with `row`: their place, from 0, in the order of their UTF-8 bytes."""
    every = Window.partitionBy(F.lit(0)).orderBy(column)  # one partition, of ids only
    return ids.withColumn("row", F.row_number().over(every).cast("long") - 1)


def lay_out(matrix: DataFrame, folder: str) -> list[int]:
    """Writes (row, feature, value) as blocks of BLOCK_ROWS rows, and how many rows hold each feature.

    Returns the numbers of the blocks that have values.
    """
    block = (F.col("row") / BLOCK_ROWS).cast("int")
    cells = matrix.select("row", "feature", "value", block.alias("block")).repartition("block")
    ordered = cells.sortWithinPartitions("block", "row", "feature")
    ordered.write.partitionBy("block").parquet(hadoop(f"{folder}/blocks"))
    blocks = sorted(int(name.removeprefix("block=")) for name in folders(f"{folder}/blocks"))
    if blocks:  # counted from what was written: the preferences are computed once
        written = matrix.sparkSession.read.parquet(hadoop(f"{folder}/blocks"))
        write(written.groupBy("feature").agg(F.count("*").alias("rows")), f"{folder}/counts", COUNTS)
    return blocks


def top_k(spark: SparkSession, folder: str, blocks: list[int], k: int) -> DataFrame:
    """LISTS: the k nearest rows of every row, one task a block."""
    if not blocks:
        return spark.createDataFrame([], LISTS_SQL)
    numbers = spark.range(0, len(blocks), 1, len(blocks))
    return numbers.mapInArrow(_task(folder, blocks, k), LISTS_SQL)


def _task(folder: str, blocks: list[int], k: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a Spark task does: its blocks' lists, each against all blocks."""

    def lists(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counted = read(listing(f"{folder}/counts", ".parquet"), COUNTS)
        counts = np.zeros(counted["feature"].to_numpy().max() + 1, np.int64)
        counts[counted["feature"].to_numpy()] = counted["rows"].to_numpy()
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                others = (read_block(folder, other, len(counts)) for other in blocks)
                queries = read_block(folder, blocks[number], len(counts))
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
