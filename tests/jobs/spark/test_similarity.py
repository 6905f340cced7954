"""The Spark similarity against dense NumPy, and its independence of blocks."""

import itertools

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs import similarity
from jobs.events import preferences
from jobs.similarity import lay_out, numbered, top_k, with_ids

Lists = dict[int, list[tuple[int, float]]]


def dense_lists(matrix: np.ndarray, k: int) -> Lists:
    """Cosine of every pair of rows in float64; the k largest above 0, equal ones by row."""
    norms = np.linalg.norm(matrix, axis=1)
    cosine = matrix @ matrix.T / np.maximum(np.outer(norms, norms), 1e-30)
    np.fill_diagonal(cosine, 0)
    order = np.lexsort((np.broadcast_to(np.arange(len(matrix)), cosine.shape), -np.round(cosine, 6)), axis=1)
    return {i: [(int(j), float(cosine[i, j])) for j in order[i][:k] if cosine[i, j] > 0] for i in range(len(matrix))}


def spark_lists(session: SparkSession, matrix: np.ndarray, folder: str, k: int) -> Lists:
    cells = [(int(i), int(j), float(matrix[i, j])) for i, j in zip(*np.nonzero(matrix), strict=True)]
    frame = session.createDataFrame(cells, "row long, feature long, value double")
    blocks = lay_out(frame, folder)
    found: Lists = {i: [] for i in range(len(matrix))}
    for row in sorted(top_k(session, folder, blocks, k).collect(), key=lambda row: (row.row, row.rank)):
        assert row.rank == len(found[row.row]) + 1
        found[row.row].append((row.similar_row, row.similarity))
    return found


def ratings(rows: int, features: int, seed: int) -> np.ndarray:
    """A sparse matrix of half stars, with an empty row and two equal ones."""
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((rows, features)) < 0.3, rng.integers(1, 11, (rows, features)) / 2, 0)
    matrix[1], matrix[2] = 0, matrix[0]
    return matrix


def test_equals_dense_numpy(session: SparkSession, folder: str) -> None:
    matrix = ratings(40, 25, seed=1)
    expected, found = dense_lists(matrix, 5), spark_lists(session, matrix, folder, 5)
    assert found[1] == []
    assert found[0][0] == (2, pytest.approx(1.0, abs=1e-6))
    for i, pairs in expected.items():
        assert [j for j, _ in found[i]] == [j for j, _ in pairs]
        assert [s for _, s in found[i]] == pytest.approx([s for _, s in pairs], abs=1e-6)


def test_blocks_do_not_change_a_bit(session: SparkSession, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = ratings(50, 30, seed=2)
    whole = spark_lists(session, matrix, f"{folder}/whole", 7)
    monkeypatch.setattr(similarity, "BLOCK_ROWS", 13)
    assert spark_lists(session, matrix, f"{folder}/blocks", 7) == whole


def test_nothing_has_no_neighbours(session: SparkSession, folder: str) -> None:
    assert spark_lists(session, np.zeros((3, 2)), folder, 4) == {0: [], 1: [], 2: []}


def test_equal_similarities_come_in_the_order_of_the_ids(session: SparkSession, folder: str) -> None:
    ids = ["10", "9", "a", "B", "ä"]
    values = session.createDataFrame([(i, 0, 1.0) for i in ids], "item_id string, feature long, value double")
    rows = numbered(values.select("item_id").distinct(), "item_id")
    blocks = lay_out(values.join(rows, on="item_id", how="inner"), folder)
    named = with_ids(top_k(session, folder, blocks, 9), rows, "item").collect()
    of_nine = [r.similar_item_id for r in sorted(named, key=lambda r: r.rank) if r.item_id == "9"]
    assert of_nine == ["10", "B", "a", "ä"]
    assert len(named) == len(list(itertools.permutations(ids, 2)))


def test_preferences_take_the_newest_rating_and_add_the_kinds(session: SparkSession) -> None:
    rows = [
        ("u", "i", "rating", 2.0, 1, None),
        ("u", "i", "rating", 5.0, 2, None),
        ("u", "i", "purchase", None, 1, None),
        ("v", "i", "rating", 3.0, None, 7),
    ]
    names = "user_id string, item_id string, kind string, value double, ts long, ordinal long"
    found = preferences(session.createDataFrame(rows, names), {"rating": 2.0, "purchase": 0.5}).collect()
    assert {(row.user_id, row.value) for row in found} == {("u", 10.5), ("v", 6.0)}
