"""TF-IDF, BM25, recency and the other weightings of `models/features/weighting.py`, as DataFrame operations.

Equations and sources stand there; a test compares the two. Each takes and returns entries (row, feature, value, …) in
the orientation that is compared (items by users, or users by items), and keeps the other columns and which entries
there are, so that one can follow another. rows: N, rows without entries among them. Means and lengths are sums of
decimals: unlike those of doubles they do not depend on the order that a shuffle makes.
"""

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from models.features.weighting import K1, B

Weighting = Callable[[DataFrame], DataFrame]
EXACT = "decimal(38, 20)"  # sums below 10^18, to 10^-20


def weightings(rows: int, half_life_days: float) -> Mapping[str, Weighting]:
    """All by name, for a matrix of so many rows; recency needs a column `age_days`."""
    return {
        "binary": binary,
        "centred": centred,
        "adjusted": adjusted,
        "tf_idf": lambda entries: tf_idf(entries, rows),
        "bm25": lambda entries: bm25(entries, rows),
        "recency": lambda entries: recency(entries, half_life_days),
    }


def binary(entries: DataFrame) -> DataFrame:
    """1 where the value is not 0; the others are dropped."""
    return entries.where("value <> 0").withColumn("value", F.lit(1.0))


def centred(entries: DataFrame) -> DataFrame:
    """x - mean of its row."""
    return _with(entries, "row", _mean().alias("mean"), F.col("value") - F.col("mean"))


def adjusted(entries: DataFrame) -> DataFrame:
    """x - mean of its feature."""
    return _with(entries, "feature", _mean().alias("mean"), F.col("value") - F.col("mean"))


def tf_idf(entries: DataFrame, rows: int) -> DataFrame:
    """√x times the inverse document frequency of its feature."""
    root = F.signum("value") * F.sqrt(F.abs("value"))
    rarity = 1 + F.log(F.lit(float(max(rows, 1))) / (1 + F.col("n")))
    return _with(entries, "feature", F.count("*").alias("n"), root * rarity)


def bm25(entries: DataFrame, rows: int) -> DataFrame:
    """BM25; a negative value is an error that names row and value."""
    wrong = F.concat(F.lit("bm25: values must be at least 0, got "), "value", F.lit(" in row "), "row")
    value = F.when(F.col("value") < 0, F.raise_error(wrong)).otherwise(F.col("value"))
    mean = entries.agg((_sum() / max(rows, 1)).alias("mean"))
    lengths = entries.groupBy("row").agg(_sum().alias("length")).crossJoin(F.broadcast(mean))
    counts = entries.groupBy("feature").agg(F.count("*").alias("n"))
    saturation = value + K1 * (1 - B + B * F.col("length") / F.col("mean"))
    weight = value * (K1 + 1) / saturation * F.log(1 + F.lit(float(rows)) / (1 + F.col("n")))
    joined = entries.join(lengths, on="row", how="inner").join(counts, on="feature", how="inner")
    return joined.withColumn("value", weight).select(entries.columns)


def recency(entries: DataFrame, half_life_days: float) -> DataFrame:
    """x · 2^(-age / half life), by the column `age_days`."""
    return entries.withColumn("value", F.col("value") * F.pow(F.lit(2.0), -F.col("age_days") / half_life_days))


def _sum() -> F.Column:
    return F.sum(F.col("value").cast(EXACT)).cast("double")


def _mean() -> F.Column:
    return _sum() / F.count("*")


def _with(entries: DataFrame, by: str, statistic: F.Column, value: F.Column) -> DataFrame:
    """Entries with a new value that needs a statistic of their row or feature."""
    joined = entries.join(entries.groupBy(by).agg(statistic), on=by, how="inner")
    return joined.withColumn("value", value).select(entries.columns)
