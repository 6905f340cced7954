"""The similarity jobs on a planted night, every method against its definition on dense arrays in float64."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from jobs.night import resolve
from jobs.similarity import neighbours
from jobs.storage import frames
from jobs.storage.runs import Entry, Run
from models.data import Catalogue
from models.features.content import content_matrix
from models.features.weighting import tf_idf
from schemas.tables import TABLES
from tests.support.domains import DOMAINS
from tests.support.spark import RUN, forbid_spark

Encore = Callable[..., int]
Table = Callable[..., list[dict[str, Any]]]
DS, BEFORE = "2000-03-02", "2000-03-01"
END = datetime(2000, 3, 3, tzinfo=UTC)
USERS, ITEMS = 9, 14
ITEM_METHODS = (
    "cosine", "centred+cosine", "adjusted+cosine", "tf_idf+cosine", "recency+bm25+cosine", "shrunk+cosine",
    "jaccard", "log_likelihood", "content", "hybrid", "tf_idf+hybrid",
)  # fmt: skip
random = np.random.default_rng(8)
RATINGS = np.where(random.random((ITEMS, USERS)) < 0.4, random.integers(1, 11, (ITEMS, USERS)) / 2, 0)
RATINGS[12:] = 0  # nobody has seen the last two items
AGES = random.integers(0, 40, (ITEMS, USERS)) + 0.25
WORDS = np.array(["night", "day", "sea", "moon", "city", "war", "love"])
TITLES = [" ".join(random.choice(WORDS, 3)) for _ in range(ITEMS)]
GENRES = [("Drama",) if n % 3 else ("Comedy", "War") for n in range(ITEMS)]
COUNTRIES = ["SE", "DE", None, "SE", "DE", None, "SE", "FR", None]
AGES_OF_USERS = [23, 28, None, 31, None, None, 39, 64, 25]
VECTORS = random.normal(size=(ITEMS, 5)).astype(np.float32)


def item(n: int) -> str:
    return f"i{n:02}"


def user(n: int) -> str:
    return f"u{n}"


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Run]:
    """A run up to its vocabulary, as the jobs before leave it: plant(vectors=…, times=…, **settings of the domain)."""

    def night(*, vectors: Any = None, times: bool = True, alpha: float | None = None, **settings: Any) -> Run:
        run = Run((tmp_path / "warehouse").as_uri(), "movies", DS, RUN)
        both = {"domain": "movies", "ds": DS}
        tables = {
            "interactions": [
                both | {"user_id": user(u), "item_id": item(i), "kind": "rating", "value": RATINGS[i, u], "source": "x",
                        "ts": END - timedelta(days=AGES[i, u]) if times or u else None}
                for i, u in np.argwhere(RATINGS).tolist()
            ],
            "items": [
                both | {"item_id": item(i), "title": TITLES[i], "genres": list(GENRES[i]), "available": True}
                for i in range(ITEMS)
            ],
            "users": [
                both | {"user_id": user(u), "country": COUNTRIES[u], "age": AGES_OF_USERS[u]} for u in range(USERS)
            ],
            "vocabulary": [both | {"kind": "user", "id": user(u), "row": USERS - 1 - u} for u in range(USERS)]
            + [both | {"kind": "item", "id": item(i), "row": i * 5 % ITEMS} for i in range(ITEMS)],
        }  # fmt: skip
        files = {name: [write(run, name, rows)] for name, rows in tables.items()}
        history: dict[str, list[Any]] = {name: [] for name in (*tables, "item_vectors")}
        if vectors is not None:
            made = [
                {"domain": "movies", "ds": BEFORE, "model": "two_tower", "item_id": item(i), "vector": vectors[i]}
                for i in range(ITEMS)
            ]
            history["item_vectors"] = [(BEFORE, write(run, "item_vectors", made))]
        configuration = resolve(replace(DOMAINS["movies"], **settings), ["popularity"], {})
        run.record(Entry("pin", "done", "a", facts={"configuration": configuration, "history": history}))
        run.record(Entry("clean", "done", "a", {n: files[n] for n in ("interactions", "items", "users")}))
        run.record(Entry("vocabulary", "done", "a", {"vocabulary": files["vocabulary"]}))
        if alpha is not None:
            run.record(Entry("train_hybrid_knn", "done", "a", facts={"config": {"alpha": alpha}}))
        return run

    def write(run: Run, name: str, rows: list[dict[str, Any]]) -> str:
        return frames.write(pa.Table.from_pylist(rows, TABLES[name].schema), f"{run.new_attempt('planted')}/{name}")

    return night


def cosine(matrix: np.ndarray, shrinkage: float = 0.0) -> np.ndarray:
    norms = np.linalg.norm(matrix, axis=1)
    below = np.outer(norms, norms) + shrinkage
    return np.divide(matrix @ matrix.T, below, out=np.zeros_like(below), where=np.outer(norms, norms) > 0)


def unit(matrix: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.divide(matrix, norms, out=np.zeros_like(matrix, dtype=float), where=norms > 0)


def of_titles() -> np.ndarray:
    none: list[Any] = [()] * ITEMS
    return content_matrix(Catalogue(TITLES, [""] * ITEMS, GENRES, none, [""] * ITEMS)).toarray().astype(float)


def idf(matrix: np.ndarray) -> np.ndarray:
    return np.sqrt(matrix) * (1 + np.log(len(matrix) / (1 + (matrix > 0).sum(axis=0))))


def expected_items(alpha: float, content: np.ndarray) -> dict[str, np.ndarray]:
    """Every method's similarity of all pairs of items, from its definition."""
    there, total = RATINGS > 0, USERS
    means = RATINGS.sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    user_means = RATINGS.sum(axis=0) / there.sum(axis=0)
    recent = RATINGS * 2.0 ** (-AGES / 20)
    lengths = recent.sum(axis=1, keepdims=True)
    bm25 = recent * 2.2 / (recent + 1.2 * (0.25 + 0.75 * lengths / lengths.mean()))
    both, sizes = there.astype(float) @ there.T, there.sum(axis=1)
    either = sizes[:, None] + sizes[None, :] - both
    ratio = np.zeros_like(both)
    for i, j in np.argwhere(both * total > np.outer(sizes, sizes)).tolist():
        observed = np.array([[both[i, j], sizes[i] - both[i, j]], [sizes[j] - both[i, j], total - either[i, j]]])
        margins = observed.sum(1, keepdims=True) * observed.sum(0, keepdims=True) / total
        ratio[i, j] = 2 * sum(o * np.log(o / m) for o, m in zip(observed.flat, margins.flat, strict=True) if o > 0)
    return {
        "cosine": cosine(RATINGS),
        "centred+cosine": cosine(np.where(there, RATINGS - means, 0)),
        "adjusted+cosine": cosine(np.where(there, RATINGS - user_means, 0)),
        "tf_idf+cosine": cosine(idf(RATINGS)),
        "recency+bm25+cosine": cosine(bm25 * np.log1p(ITEMS / (1 + there.sum(axis=0)))),
        "shrunk+cosine": cosine(RATINGS, 7.0),
        "jaccard": both / np.maximum(either, 1),
        "log_likelihood": ratio,
        "content": content @ content.T,
        "hybrid": alpha * cosine(RATINGS) + (1 - alpha) * content @ content.T,
        "tf_idf+hybrid": alpha * cosine(idf(RATINGS)) + (1 - alpha) * content @ content.T,
    }


def assert_lists(
    rows: list[dict[str, Any]], entity: str, expected: dict[str, np.ndarray], names: Sequence[str]
) -> None:
    """Exactly the pairs whose similarity is not 0, with that similarity, in its order."""
    assert {row["method"] for row in rows} == set(expected)
    for method, similarity in expected.items():
        result = np.zeros_like(similarity)
        ranks: dict[str, list[int]] = {}
        for row in (row for row in rows if row["method"] == method):
            result[names.index(row[f"{entity}_id"]), names.index(row[f"similar_{entity}_id"])] = row["similarity"]
            ranks.setdefault(row[f"{entity}_id"], []).append(row["rank"])
        np.fill_diagonal(similarity, 0)
        similarity[np.abs(similarity) < 1e-6] = 0
        result[(np.abs(result) < 1e-6)] = 0
        np.testing.assert_allclose(result, similarity, atol=1e-5, rtol=1e-5, err_msg=method)
        assert all(sorted(some) == list(range(1, len(some) + 1)) for some in ranks.values())


def test_items_in_every_method(
    encore: Encore, plant: Callable[..., Run], rows: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(item_methods=ITEM_METHODS, half_life_days=20.0, shrinkage=7.0, alpha=0.25)
    assert encore("item_similarity", ds=DS) == 0
    result = rows("item_similarity", "item_similarity", ds=DS)
    assert_lists(result, "item", expected_items(0.25, of_titles()), [item(n) for n in range(ITEMS)])
    order = [(row["method"], row["item_id"], row["rank"]) for row in result]
    assert len(set(order)) == len(order)
    # a second run gives the same rows bit for bit: other blocks, ids that Spark has joined, the other plans in turn
    monkeypatch.setattr("jobs.spark.events.MAX_IDS", 0)
    some = ("adjusted+cosine", "recency+bm25+cosine", "hybrid", "tf_idf+hybrid")
    plans = itertools.cycle(("streams", "shares"))
    monkeypatch.setattr(neighbours, "choose_plan", lambda *_: next(plans))
    plant(item_methods=some, half_life_days=20.0, shrinkage=7.0, alpha=0.25, block_rows=64)
    assert encore("item_similarity", ds=DS) == 0
    again = rows("item_similarity", "item_similarity", ds=DS)
    assert sorted(map(str, again)) == sorted(str(row) for row in result if row["method"] in some)


@pytest.mark.usefixtures("here")
def test_vectors_count_as_much_as_texts_and_the_models_alpha_holds(
    encore: Encore, plant: Callable[..., Run], rows: Table
) -> None:
    plant(item_methods=("content", "hybrid"), vectors=VECTORS, alpha=0.9)
    assert encore("item_similarity", ds=DS) == 0
    content = np.hstack([of_titles(), unit(VECTORS.astype(float))]) / np.sqrt(2)
    expected = expected_items(0.9, content)
    names = [item(n) for n in range(ITEMS)]
    result = rows("item_similarity", "item_similarity", ds=DS)
    assert_lists(result, "item", {name: expected[name] for name in ("content", "hybrid")}, names)


@pytest.mark.usefixtures("here")
def test_users_by_what_they_like_and_who_they_are(encore: Encore, plant: Callable[..., Run], rows: Table) -> None:
    run = plant(user_methods=("cosine", "content", "hybrid"), alpha=0.7)
    assert encore("user_similarity", ds=DS) == 0
    assert run.entry("user_similarity").facts["alpha"] == 0.7
    likes = unit(RATINGS.T @ of_titles())
    facts = [f"country:{country}" for country in ("SE", "DE", "FR")] + [f"age:{decade}" for decade in (20, 30, 60)]
    described = np.zeros((USERS, len(facts)))
    for n, (country, age) in enumerate(zip(COUNTRIES, AGES_OF_USERS, strict=True)):
        for fact in (f"country:{country}", f"age:{age and age // 10 * 10}"):
            if fact in facts:
                described[n, facts.index(fact)] = 1
    content = unit(np.hstack([likes, unit(tf_idf(sp.csr_array(described)).toarray().astype(float))]))
    events = cosine(RATINGS.T)
    expected = {"cosine": events, "content": content @ content.T, "hybrid": 0.7 * events + 0.3 * content @ content.T}
    assert_lists(rows("user_similarity", "user_similarity", ds=DS), "user", expected, [user(n) for n in range(USERS)])


@pytest.mark.parametrize("entity", ["item", "user"])
def test_the_job_itself_gives_the_bits_of_spark(
    encore: Encore, plant: Callable[..., Run], rows: Table, monkeypatch: pytest.MonkeyPatch, entity: str
) -> None:
    plant(item_methods=("cosine", "content", "hybrid"), user_methods=("cosine", "hybrid"), vectors=VECTORS, alpha=0.7)
    assert encore(f"{entity}_similarity", ds=DS) == 0
    on_spark = rows(f"{entity}_similarity", f"{entity}_similarity", ds=DS)
    forbid_spark(monkeypatch)
    assert encore(f"{entity}_similarity", ds=DS) == 0
    assert rows(f"{entity}_similarity", f"{entity}_similarity", ds=DS) == on_spark


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_vector_that_is_no_number_is_named(encore: Encore, plant: Callable[..., Run], value: float) -> None:
    run = plant(item_methods=("content",), vectors=np.where(np.arange(ITEMS)[:, None] == 3, value, VECTORS))
    assert encore("item_similarity", ds=DS) == 2
    assert f"values must be finite, got {value} in row 3" in str(getattr(run.find("item_similarity"), "error", None))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("alpha", "same"), [(0.0, "content"), (1.0, "cosine")])
def test_at_its_ends_alpha_leaves_one_part(
    encore: Encore, plant: Callable[..., Run], rows: Table, alpha: float, same: str
) -> None:
    plant(item_methods=(same, "hybrid"), alpha=alpha)
    assert encore("item_similarity", ds=DS) == 0
    lists: dict[str, set[tuple[Any, ...]]] = {same: set(), "hybrid": set()}
    for row in rows("item_similarity", "item_similarity", ds=DS):
        lists[row["method"]].add((row["item_id"], row["rank"], row["similar_item_id"], row["similarity"]))
    assert lists["hybrid"] == lists[same] != set()


def test_recency_needs_times(encore: Encore, plant: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = plant(item_methods=("recency+cosine",), times=False)
    assert encore("item_similarity", ds=DS) == 2
    error = run.find("item_similarity")
    assert error is not None
    missing = item(int(np.flatnonzero(RATINGS[:, 0])[0]))
    assert f"recency needs the time of every event; item {missing} has 1 without" in str(error.error)
    assert "take recency out of domains.movies.item_methods" in str(error.error)


def test_the_limiter_is_told(encore: Encore, plant: Callable[..., Run], rows: Table) -> None:
    run = plant(item_methods=("jaccard",), max_events_per_item=2)
    assert encore("item_similarity", ds=DS) == 0
    events = (RATINGS > 0).sum(axis=1)
    facts = run.entry("item_similarity").facts["left_out"]
    assert facts == {"items": int((events > 2).sum()), "events": int((events - 2)[events > 2].sum())}
    # of two users each, two items can only share none, one or both
    result = {round(row["similarity"], 6) for row in rows("item_similarity", "item_similarity", ds=DS)}
    assert result <= {round(1 / 3, 6), 0.5, 1.0}
