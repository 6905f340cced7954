"""Content vectors of items and users as sparse matrices: TF-IDF of texts, vectors of a model, profiles of users.

The matrices that it writes are the parts of a content vector, which `ComparedRows` sets side by side: `text` and
`vectors_<model>` of items; of users `profile`, in the features of their items, and `facts`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.night import Night
from jobs.similarity.layout import write_matrices
from jobs.similarity.matrix import ENTRIES, ComparedRows
from jobs.similarity.numbering import number_ids
from jobs.similarity.weighting import tf_idf
from jobs.spark.parquet import read_folder, write_folder
from jobs.spark.parts import BlockStore
from jobs.spark.session import read
from models.features.content import terms
from models.features.hybrid import unit
from models.features.profiles import profiles
from models.sorting import distinct, is_among
from schemas.tables import TABLES

TEXTS = ("title", "description", "genres", "tags")
TERMS = pa.schema([("row", pa.int64()), ("term", pa.string()), ("value", pa.float64())])
Batches = Iterator[pa.RecordBatch]


def write_items(spark: SparkSession, night: Night, store: BlockStore, rows: DataFrame) -> tuple[str, ...]:
    """Writes the parts of the items' content; returns their names. rows: (item_id, row) of all rows of the store."""
    items = read(spark, night.tonight("items"), TABLES["items"].schema).join(rows, on="item_id", how="inner")
    terms = items.select("row", *TEXTS).mapInArrow(count_terms, from_arrow_schema(TERMS))
    parts = {"text": _weight(spark, terms, store, "terms"), **_vectors(spark, night, rows)}
    write_matrices(spark, store, parts)
    return tuple(parts)


def write_users(
    spark: SparkSession, night: Night, store: BlockStore, rows: DataFrame, items: ComparedRows
) -> tuple[str, ...]:
    """Writes the parts of the users' content; returns their names. rows: (user_id, row) of all rows of the store.

    The store's matrix `events` is of these users by the rows that `items` holds the content of.
    """
    users = ComparedRows(store.folder, "events")
    numbers = spark.range(0, len(users.blocks), 1, max(len(users.blocks), 1))
    profile = numbers.mapInArrow(profile_blocks(users, items), "row int, feature int, value double")
    user_facts = read(spark, night.tonight("users"), TABLES["users"].schema).join(rows, on="user_id", how="inner")
    decade = (F.floor(F.col("age") / 10) * 10).cast("string")
    facts = {"segment": F.col("segment"), "country": F.col("country"), "age": decade}
    known = F.array_compact(F.array(*(F.concat(F.lit(f"{name}:"), fact) for name, fact in facts.items())))
    terms = user_facts.select("row", F.explode(known).alias("term"), F.lit(1.0).alias("value"))
    parts = {"profile": profile, "facts": _weight(spark, terms, store, "facts")}
    write_matrices(spark, store, parts)
    return tuple(parts)


def count_terms(batches: Batches) -> Batches:
    """Texts to (row, term, how often the row has it)."""
    for batch in batches:
        owners, words, counts = [], [], []
        for row, title, description, genres, tags in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            own, often = np.unique(
                np.array(terms(title or "", description or "", genres or (), tags or ()), object), return_counts=True
            )
            owners += [row] * len(own)
            words += own.tolist()
            counts += often.tolist()
        columns = [pa.array(owners, pa.int64()), pa.array(words, pa.string()), pa.array(counts, pa.float64())]
        yield pa.RecordBatch.from_arrays(columns, names=["row", "term", "value"])


def _weight(spark: SparkSession, terms: DataFrame, store: BlockStore, name: str) -> DataFrame:
    """(row, feature, value): TF-IDF of (row, term, value), with the terms numbered in their order."""
    folder = f"{store.folder}/{name}"
    write_folder(terms.withColumn("row", F.col("row").cast("long")), f"{folder}/found", TERMS)
    stored = read_folder(spark, f"{folder}/found", TERMS)
    features = number_ids(stored.select("term").distinct(), "term", f"{folder}/numbered").frame(spark)
    entries = stored.join(features.withColumnRenamed("number", "feature"), on="term", how="inner")
    return tf_idf(entries.select("row", "feature", "value"), store.rows)


def _vectors(spark: SparkSession, night: Night, rows: DataFrame) -> dict[str, DataFrame]:
    """The vectors of the last night that published any: for each model (row, feature, value)."""
    files = night.last_night("item_vectors")
    if not files:
        return {}
    vectors = read(spark, files, TABLES["item_vectors"].schema).join(rows, on="item_id", how="inner")
    models = sorted(row.model for row in vectors.select("model").distinct().collect())
    entries = vectors.select("model", "row", F.posexplode("vector").alias("feature", "value"))
    return {f"vectors_{model}": entries.where(F.col("model") == model).drop("model") for model in models}


def profile_blocks(users: ComparedRows, items: ComparedRows) -> Callable[[Batches], Batches]:
    """What a Spark task does: the profiles of the users of some blocks, from the content of their items."""

    def entries(numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                block = users.block(users.blocks[number])
                wanted = distinct(block.matrix.indices)
                columns = np.searchsorted(wanted, block.matrix.indices)
                shape = (len(block.rows), len(wanted))
                values = sp.csr_array((block.matrix.data, columns, block.matrix.indptr), shape)
                profile = profiles(values, _content(items, wanted)).tocoo()
                arrays = (block.rows[profile.row], profile.col.astype(np.int32), profile.data)
                yield pa.RecordBatch.from_arrays([pa.array(one) for one in arrays], schema=ENTRIES)

    return entries


def _content(items: ComparedRows, wanted: npt.NDArray[np.int32]) -> sp.csr_array:
    """[wanted, features]: the content of some items in rows of length 1; all of theirs is in memory, and one block."""
    parts = [sp.csr_array((0, items.features))]
    place = np.full(len(wanted), -1, np.int64)
    count = 0
    for number in items.blocks:
        block = items.block(number)
        mine = is_among(block.rows, wanted)
        place[np.searchsorted(wanted, block.rows[mine])] = count + np.arange(mine.sum())
        count += mine.sum()
        parts.append(unit(block.matrix[mine]))
    parts.append(sp.csr_array((1, items.features)))  # for those of which nothing is known: place -1
    return sp.csr_array(sp.vstack(parts, format="csr"))[place]
