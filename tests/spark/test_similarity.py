"""The Spark similarity against dense NumPy, and its independence of blocks, pieces and partitions."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.night import Attempt
from jobs.similarity import matrix as matrices
from jobs.similarity import neighbours as tasks
from jobs.similarity import table as similarity
from jobs.similarity.events import limit_events
from jobs.similarity.layout import write_matrices
from jobs.similarity.matrix import ComparedRows
from jobs.similarity.neighbours import Comparison, SimilarityTable, write_neighbours
from jobs.similarity.numbering import NumberedIds, number_ids
from jobs.spark.parts import BlockStore
from jobs.storage.files import listing
from jobs.storage.frames import read
from schemas.methods import Method
from tests.support.data import data_file

PLANS: dict[str, dict[str, int]] = {
    "whole": {},
    "shares": {"WHOLE_PRODUCTS": 0},
    "streams": {"SHARED_ENTRIES": 0},
    "streams of many rows": {"SHARED_NEIGHBOURS": 0, "MAX_COUNTS": 0},  # counts are added up for all tasks
}
Lists = dict[str, list[tuple[str, float]]]


def dense_lists(matrix: np.ndarray, k: int) -> dict[int, list[tuple[int, float]]]:
    """Cosine of every pair of rows in float64; the k largest above 0, equal ones by row."""
    norms = np.linalg.norm(matrix, axis=1)
    cosine = matrix @ matrix.T / np.maximum(np.outer(norms, norms), 1e-30)
    np.fill_diagonal(cosine, 0)
    order = np.lexsort((np.broadcast_to(np.arange(len(matrix)), cosine.shape), -np.round(cosine, 6)), axis=1)
    return {i: [(int(j), float(cosine[i, j])) for j in order[i][:k] if cosine[i, j] > 0] for i in range(len(matrix))}


def entries(session: SparkSession, matrix: np.ndarray) -> dict[str, DataFrame]:
    cells = [(int(i), int(j), float(matrix[i, j])) for i, j in zip(*np.nonzero(matrix), strict=True)]
    return {"events": session.createDataFrame(cells, "row long, feature long, value double")}


def row_ids(session: SparkSession, count: int, folder: str) -> NumberedIds:
    """Ids that stand in the order of the rows: 000, 001, …"""
    return number_ids(
        session.createDataFrame([(f"{i:03}",) for i in range(count)], "item_id string"), "item_id", folder
    )


def spark_lists(session: SparkSession, matrix: np.ndarray, folder: str, k: int, block_rows: int = 4096) -> Lists:
    write_matrices(session, BlockStore(folder, len(matrix), block_rows), entries(session, matrix))
    compared = [Comparison("cosine", ComparedRows(folder, "events"), "cosine", 0.0)]
    return lists(session, compared, row_ids(session, len(matrix), f"{folder}/ids"), k, f"{folder}/lists")


def lists(session: SparkSession, compared: list[Comparison], ids: NumberedIds, k: int, folder: str) -> Lists:
    table = SimilarityTable("item", "movies", "2026-03-01", ids, k, folder)
    write_neighbours(session, compared, table)
    result: Lists = {}
    for row in read(listing(folder, ".parquet"), table.schema).to_pylist():  # in the order of the files
        assert (row["domain"], row["ds"], row["method"]) == ("movies", "2026-03-01", "cosine")
        similar = result.setdefault(row["item_id"], [])
        assert row["rank"] == len(similar) + 1
        similar.append((row["similar_item_id"], row["similarity"]))
    assert list(result) == sorted(result, key=str.encode)
    return result


def ratings(rows: int, features: int, seed: int) -> np.ndarray:
    """A sparse matrix of half stars, with an empty row and two equal ones."""
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((rows, features)) < 0.3, rng.integers(1, 11, (rows, features)) / 2, 0)
    matrix[1], matrix[2] = 0, matrix[0]
    return matrix


def follow(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare by that plan, whatever the size, as if there were three cores."""
    for name, value in PLANS[plan].items():
        monkeypatch.setattr(tasks if hasattr(tasks, name) else matrices, name, value)
    monkeypatch.setattr(tasks, "count_cores", lambda spark: 3)


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every plan in turn."""
    follow(request.param, monkeypatch)
    return str(request.param)


@pytest.mark.usefixtures("plan")
def test_equals_dense_numpy(session: SparkSession, folder: str) -> None:
    matrix = ratings(40, 25, seed=1)
    expected, result = dense_lists(matrix, 5), spark_lists(session, matrix, folder, 5)
    assert "001" not in result
    assert result["000"][0] == ("002", pytest.approx(1.0, abs=1e-6))
    for i, pairs in expected.items():
        there = result.get(f"{i:03}", [])
        assert [j for j, _ in there] == [f"{j:03}" for j, _ in pairs]
        assert [s for _, s in there] == pytest.approx([s for _, s in pairs], abs=1e-6)


@pytest.fixture
def shuffled(session: SparkSession) -> Iterator[SparkSession]:
    """A session that cuts its data in other partitions."""
    changed = {"spark.sql.shuffle.partitions": "11", "spark.sql.adaptive.coalescePartitions.enabled": "false"}
    before = {name: session.conf.get(name) for name in changed}
    for name, value in changed.items():
        session.conf.set(name, value)
    yield session
    for name, value in before.items():
        session.conf.set(name, value)


def test_plans_blocks_pieces_and_partitions_do_not_change_a_bit(
    session: SparkSession, folder: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    matrix = ratings(150, 30, seed=2)
    whole = spark_lists(session, matrix, f"{folder}/first", 7)
    other = request.getfixturevalue("shuffled")
    monkeypatch.setattr(tasks, "TASKS_PER_CORE", 4)
    for plan in ("whole", "shares", "streams"):
        with monkeypatch.context() as patch:
            follow(plan, patch)
            assert spark_lists(other, matrix, f"{folder}/{plan}", 7, block_rows=13) == whole
    files = {plan: len(listing(f"{folder}/{plan}/lists", ".parquet")) for plan in ("whole", "shares", "streams")}
    assert files == {"whole": 1, "shares": 3, "streams": 12}


@pytest.mark.usefixtures("plan")
def test_nothing_has_no_neighbours(session: SparkSession, folder: str) -> None:
    assert spark_lists(session, np.zeros((3, 2)), folder, 4) == {}


@pytest.mark.usefixtures("plan")
def test_equal_similarities_come_in_the_order_of_the_ids(session: SparkSession, folder: str) -> None:
    ids = ["10", "9", "a", "B", "ä"]
    names = number_ids(session.createDataFrame([(i,) for i in ids], "item_id string"), "item_id", f"{folder}/ids")
    write_matrices(session, BlockStore(folder, 5, 4096), entries(session, np.ones((5, 1))))
    compared = [Comparison("cosine", ComparedRows(folder, "events"), "cosine", 0.0)]
    result = lists(session, compared, names, 9, f"{folder}/lists")
    assert [similar for similar, _ in result["9"]] == ["10", "B", "a", "ä"]
    assert sum(map(len, result.values())) == len(list(itertools.permutations(ids, 2)))


def test_numbers_follow_the_order_of_the_bytes(shuffled: SparkSession, folder: str) -> None:
    values = [f"{chr(65 + n % 50)}{n * 7919 % 1000}" for n in range(700)]
    result = number_ids(shuffled.createDataFrame([(v,) for v in values], "term string"), "term", f"{folder}/terms")
    expected = sorted(values, key=str.encode)
    assert result.count == len(values)
    assert len(result.parts) > 1
    assert {row.term: row.number for row in result.frame(shuffled).collect()} == {v: n for n, v in enumerate(expected)}
    some = np.array([699, 0, 5, 5, 300])
    assert result.names(some).to_pylist() == [expected[n] for n in some]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_must_be_finite(session: SparkSession, folder: str, value: float) -> None:
    with pytest.raises(Exception, match=r"similarity: values must be finite, got .* in row 1"):
        write_matrices(session, BlockStore(folder, 2, 4096), entries(session, np.array([[1.0], [value]])))


def test_the_limiter_keeps_the_same_events_of_popular_items(session: SparkSession) -> None:
    pairs = [(f"u{u}", f"i{i}") for u in range(30) for i in range(4) if i < 2 or u < 3]  # 30, 30, 3 and 3 events
    values = session.createDataFrame([(*pair, 1.0) for pair in pairs], "user_id string, item_id string, value double")
    attempt = Attempt("item_similarity", "nowhere")
    kept = {(row.user_id, row.item_id) for row in limit_events(values, 10, attempt).collect()}
    assert attempt.facts["left_out"] == {"items": 2, "events": 40}
    assert sorted(item for _, item in kept) == ["i0"] * 10 + ["i1"] * 10 + ["i2"] * 3 + ["i3"] * 3
    assert {user for user, item in kept if item == "i0"} != {user for user, item in kept if item == "i1"}
    again = limit_events(values.repartition(7), 10, attempt)
    assert {(row.user_id, row.item_id) for row in again.collect()} == kept
    assert limit_events(values, 30, attempt).count() == len(pairs)
    assert attempt.facts["left_out"] == {"items": 0, "events": 0}


def test_real_ratings_equal_dense_numpy(session: SparkSession, folder: str) -> None:
    ratings = data_file("movielens-latest-small/ratings.csv")
    table = np.loadtxt(ratings, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    users, items = (np.unique(column, return_inverse=True)[1] for column in table[:, :2].T)
    matrix = np.zeros((users.max() + 1, items.max() + 1))
    matrix[users, items] = table[:, 2]
    result = spark_lists(session, matrix, folder, 100, block_rows=256)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    best = -np.sort(-cosine, axis=1)[:, :100]
    for user, pairs in result.items():
        scores = best[int(user)][best[int(user)] > 0]
        np.testing.assert_allclose([s for _, s in pairs], scores, atol=1e-5)
        np.testing.assert_allclose([s for _, s in pairs], cosine[int(user), [int(j) for j, _ in pairs]], atol=1e-5)
    assert len(result) == 610


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("cosine", "events"),
        ("jaccard", "binary"),
        ("recency+bm25+cosine", "recency-bm25"),
        ("centred+shrunk+cosine", "centred"),
        ("tf_idf+hybrid", "tf_idf"),
    ],
)
def test_the_matrix_that_a_method_compares(name: str, matrix: str) -> None:
    assert similarity.matrix_name(Method.parse(name)) == matrix
