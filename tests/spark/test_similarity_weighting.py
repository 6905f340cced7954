"""Weightings on Spark against those on arrays (models/features/weighting.py), one by one and in chains."""

from collections.abc import Callable
from functools import reduce

import numpy as np
import pytest
import scipy.sparse as sp
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.similarity.weighting import weightings
from models.features import weighting

ROWS, FEATURES, HALF_LIFE = 30, 20, 45.0
CHAINS = [
    ("binary",), ("centred",), ("adjusted",), ("tf_idf",), ("bm25",), ("recency",),
    ("recency", "bm25"), ("bm25", "recency"), ("centred", "tf_idf"), ("adjusted", "recency", "centred"),
    ("centred", "binary", "tf_idf"),
]  # fmt: skip


@pytest.fixture(scope="module")
def data() -> tuple[sp.csr_array, np.ndarray]:
    """Random ratings with empty rows and a row of equal ones, and ages of each in days."""
    rng = np.random.default_rng(5)
    dense = np.where(rng.random((ROWS, FEATURES)) < 0.3, rng.integers(1, 11, (ROWS, FEATURES)) / 2, 0)
    dense[3], dense[4] = 0, np.where(dense[4] > 0, 2, 0)
    matrix = sp.csr_array(dense)
    return matrix, rng.integers(0, 4000, matrix.nnz) / 7


@pytest.fixture(scope="module")
def entries(session: SparkSession, data: tuple[sp.csr_array, np.ndarray]) -> DataFrame:
    matrix, ages = data
    rows, features = matrix.nonzero()
    cells = zip(rows.tolist(), features.tolist(), matrix.data.tolist(), ages.tolist(), strict=True)
    return session.createDataFrame(list(cells), "row int, feature int, value double, age_days double")


@pytest.fixture(scope="module")
def result(entries: DataFrame) -> dict[tuple[str, ...], np.ndarray]:
    """All chains at once: dense [rows, features] by chain."""
    known = weightings(ROWS, HALF_LIFE)
    frames = [
        reduce(lambda frame, name: known[name](frame), chain, entries).withColumn("chain", F.lit("+".join(chain)))
        for chain in CHAINS
    ]
    dense = {chain: np.zeros((ROWS, FEATURES)) for chain in CHAINS}
    for row in reduce(lambda some, more: some.unionByName(more), frames).collect():
        dense[tuple(row.chain.split("+"))][row.row, row.feature] = row.value
    return dense


@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
def test_equals_the_weighting_of_arrays(
    result: dict[tuple[str, ...], np.ndarray], data: tuple[sp.csr_array, np.ndarray], chain: tuple[str, ...]
) -> None:
    matrix, ages = data
    on_arrays: dict[str, Callable[[sp.csr_array], sp.csr_array]] = {
        name: getattr(weighting, name) for name in ("binary", "centred", "adjusted", "tf_idf", "bm25")
    }
    on_arrays["recency"] = lambda m: weighting.recency(m, ages, HALF_LIFE)
    expected = reduce(lambda m, name: on_arrays[name](m), chain, matrix).toarray()
    np.testing.assert_allclose(result[chain], expected, rtol=1e-6, atol=1e-6)
    assert np.abs(expected).max() > 0.1


def test_all_weightings_are_tested() -> None:
    assert {name for chain in CHAINS for name in chain} == set(weightings(1, 1.0))


def test_bm25_takes_no_negative_values(session: SparkSession) -> None:
    entries = session.createDataFrame([(7, 0, -2.0)], "row int, feature int, value double")
    with pytest.raises(Exception, match=r"bm25: values must be at least 0, got -2.0 in row 7"):
        weightings(1, 1.0)["bm25"](entries).collect()
