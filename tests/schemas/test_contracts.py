"""Every contract as DuckDB runs it before publication: silent on a good night, and it finds the row that breaks it."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from schemas.domains import eligibility_sql
from schemas.table import Contract
from schemas.tables import TABLES
from tests.support.domains import MOVIES

DS, LATER = "2018-09-24", "2018-09-25"
Rows = list[dict[str, Any]]
CONTRACTS = {(name, rule.name): rule for name, table in TABLES.items() for rule in table.contracts}


def items(**available: bool) -> Rows:
    return [{"item_id": item, "available": allowed} for item, allowed in available.items()]


def had(user: str, *items: str) -> Rows:
    return [{"user_id": user, "item_id": item} for item in items]


def ids(kind: str, ds: str = DS, **rows: int) -> Rows:
    return [{"kind": kind, "id": id, "row": row, "ds": ds} for id, row in rows.items()]


def list_of(user: str, *items: str, scores: tuple[float, ...] = (0.9, 0.5, 0.5), **more: Any) -> Rows:
    """A user's recommendations, ranks 1, 2, …"""
    ranks = enumerate(zip(items, scores, strict=False), 1)
    reason = {"because": "popular now"} | more
    return [{"user_id": user, "rank": rank, "item_id": item, "score": score, **reason} for rank, (item, score) in ranks]


def sequence(user: str, *items: str, score: float = -0.5) -> Rows:
    """A user's continuation, positions 1, 2, …"""
    places = enumerate(items, 1)
    return [{"user_id": user, "position": place, "item_id": item, "score": score} for place, item in places]


def near(entity: str, of: str, *others: str, values: tuple[float, ...] = (0.9, 0.5, 0.5)) -> Rows:
    """Neighbours of an item or a user, ranks 1, 2, …"""
    names = (f"{entity}_id", f"similar_{entity}_id")
    ranks = enumerate(zip(others, values, strict=False), 1)
    return [
        {"method": "cosine", names[0]: of, "rank": rank, names[1]: o, "similarity": value} for rank, (o, value) in ranks
    ]


def vectors(**items: list[float]) -> Rows:
    return [{"model": "two_tower", "item_id": item, "vector": vector} for item, vector in items.items()]


def forecast(user: str, probability: float = 0.5, events: float = 2.0, segment: str = "steady") -> Rows:
    return [{"user_id": user, "probability": probability, "expected_events": events, "segment": segment}]


def metric(value: float, low: float, high: float, name: str = "ndcg") -> Rows:
    return [{"model": "item_knn", "metric": name, "k": 10, "value": value, "low": low, "high": high}]


def models(*statuses: str) -> Rows:
    return [{"model": f"model{n}", "status": status} for n, status in enumerate(statuses)]


def ranked(rows: Rows, *ranks: int) -> Rows:
    """The rows with other ranks."""
    return [row | {"rank": rank} for row, rank in zip(rows, ranks, strict=True)]


# Items d and e may not be recommended, and nobody has them; user full has all the others; user new comes a night later.
GOOD: dict[str, Rows] = {
    "items": [
        *items(a=True, b=True, c=True, d=False),
        {"item_id": "e", "available": True, "released": date(2018, 9, 25)},
    ],
    "interactions": had("ann", "a") + had("full", "a", "b", "c"),
    "vocabulary": ids("user", ann=0, bob=1, full=2) + ids("user", LATER, new=3) + ids("item", a=0, b=1, c=2, d=3, e=4),
    "item_similarity": near("item", "a", "b", "c") + near("item", "b", "a"),
    "user_similarity": near("user", "ann", "full") + near("user", "full", "ann"),
    "item_vectors": vectors(a=[0.1, -2.0], b=[3.0, 0.0]),
    "activity": forecast("ann", 0.0, 0.0, "gone") + forecast("full", 1.0, 1.0, "new"),
    "recommendations": list_of("ann", "b", "c", because_item_id="a") + list_of("bob", "a", "b", "c"),
    "continuations": sequence("ann", "c") + sequence("bob", "a", "b", "c", score=0.0),
    "metrics": metric(0.3, 0.2, 0.4) + metric(7.0, 6.5, 8.0, "novelty") + metric(2.0, 2.0, 2.0, "volume"),
    "models": models("champion", "challenger", "failed"),
}
GOOD_LIST = list_of("bob", "a", "b", "c")
NAN, INFINITE = float("nan"), float("inf")

GOOD_SEQUENCE = sequence("bob", "a", "b", "c")

# What is planted: (table, contract) → tables with other rows, one after the other.
PLANTED: dict[tuple[str, str], list[dict[str, Rows]]] = {
    ("item_vectors", "finite"): [
        {"item_vectors": vectors(a=wrong)} for wrong in ([float("nan"), 1.0], [0.5, float("inf")], [])
    ],
    ("item_vectors", "one_size"): [{"item_vectors": vectors(a=[1.0, 2.0], b=[1.0])}],
    ("activity", "in_range"): [
        {"activity": forecast("ann", *wrong)}
        for wrong in ((-0.1, 2.0), (1.1, 2.0), (0.5, 0.4), (0.5, float("inf")), (float("nan"), 2.0))
    ],
    ("activity", "known_segment"): [{"activity": forecast("ann", segment="asleep")}],
    ("activity", "users_with_events"): [
        {"activity": forecast("ann")},
        {"activity": forecast("ann") + forecast("full") + forecast("bob")},
    ],
    ("vocabulary", "row_unique"): [{"vocabulary": ids("user", ann=0, bob=0)}],
    ("vocabulary", "rows_dense"): [
        {"vocabulary": ids("user", ann=0, bob=2)},
        {"vocabulary": ids("item", a=1)},
    ],
    ("recommendations", "ranks_without_gap"): [
        {"recommendations": ranked(GOOD_LIST, 1, 2, 4)},
        {"recommendations": ranked(GOOD_LIST, 2, 3, 4)},
        {"recommendations": ranked(GOOD_LIST, 0, 1, 2)},
        {"recommendations": ranked(GOOD_LIST, 1, 1, 2)},
    ],
    ("recommendations", "score_descending"): [
        {"recommendations": list_of("bob", "a", "b", scores=(0.5, 0.6))},
        {"recommendations": list_of("bob", "a", "b", scores=(0.5, NAN))},
        {"recommendations": list_of("bob", "a", "b", scores=(INFINITE, 0.5))},
    ],
    ("recommendations", "item_once"): [{"recommendations": list_of("bob", "a", "b", "a")}],
    ("recommendations", "unseen"): [{"recommendations": list_of("ann", "b", "a")}],
    ("recommendations", "eligible"): [
        {"recommendations": list_of("bob", "a", "d")},
        {"recommendations": list_of("bob", "a", "e")},
        {"recommendations": list_of("bob", "a", "not in the catalogue")},
    ],
    ("recommendations", "suitable"): [
        {"items": [{"item_id": "a", "available": True, "age_rating": "21+"}]},
        {
            "items": [{"item_id": "a", "available": True, "age_rating": "PG-13"}],
            "users": [{"user_id": "bob", "age": 12}],
        },
        {"items": [{"item_id": "a", "available": True, "regions": ["FR"]}]},
        {
            "items": [{"item_id": "a", "available": True, "regions": ["FR"]}],
            "users": [{"user_id": "bob", "country": "DE"}],
        },
    ],
    ("continuations", "positions_without_gap"): [
        {"continuations": [row | {"position": row["position"] + 1} for row in GOOD_SEQUENCE]},
        {"continuations": [row | {"position": 1} for row in GOOD_SEQUENCE]},
    ],
    ("continuations", "item_once"): [{"continuations": sequence("bob", "a", "b", "a")}],
    ("continuations", "log_probability"): [
        {"continuations": sequence("bob", "a", score=wrong)} for wrong in (0.1, NAN, -INFINITE)
    ],
    ("continuations", "unseen"): [{"continuations": sequence("ann", "b", "a")}],
    ("continuations", "suitable"): [
        {"continuations": sequence("bob", "a", "d")},
        {"continuations": sequence("bob", "not in the catalogue")},
        {"items": [{"item_id": "a", "available": True, "age_rating": "21+"}]},
    ],
    ("recommendations", "reason_given"): [{"recommendations": list_of("bob", "a", because="a friend said so")}],
    ("recommendations", "every_user_covered"): [
        {"recommendations": list_of("ann", "b", "c")},
        {"vocabulary": ids("user", new=0)},
    ],
    ("recommendations", "reason_in_history"): [
        {"recommendations": list_of("ann", "b", because_item_id="c")},
        {"recommendations": list_of("bob", "b", because_item_id="a")},
    ],
    ("metrics", "in_range"): [
        {"metrics": metric(1.2, 0.2, 1.3)},
        {"metrics": metric(0.9, 0.2, 1.3)},
        {"metrics": metric(0.1, -0.2, 0.3)},
        {"metrics": metric(0.5, 0.6, 0.7)},
        {"metrics": metric(0.5, 0.3, 0.4)},
        {"metrics": metric(NAN, 0.3, 0.4)},
        {"metrics": metric(7.0, 6.0, INFINITE, "novelty")},
        {"metrics": metric(NAN, NAN, NAN, "volume")},
    ],
    ("models", "one_champion"): [{"models": models("champion", "champion")}],
}
for entity in ("item", "user"):
    table = f"{entity}_similarity"
    PLANTED |= {
        (table, "ranks_without_gap"): [{table: ranked(near(entity, "a", "b", "c"), 1, 3)}],
        (table, "similarity_descending"): [
            {table: near(entity, "a", "b", "c", values=(0.5, 0.6))},
            {table: near(entity, "a", "b", values=(NAN,))},
        ],
        (table, "not_itself"): [{table: near(entity, "a", "b", "a")}],
    }


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE VIEW night AS SELECT 'movies' AS domain, '{DS}' AS ds")
        yield connection


def violations(db: duckdb.DuckDBPyConnection, rule: Contract, tables: Mapping[str, Rows]) -> list[Any]:
    """What a contract returns where the tables have these rows, of domain movies and night DS unless they say."""
    for name, table in TABLES.items():
        rows = [{"domain": "movies", "ds": DS} | row for row in tables.get(name, [])]
        db.register(name, pa.Table.from_pylist(rows, schema=table.schema))
    for definition in eligibility_sql(MOVIES, DS):
        db.execute(definition)
    return db.execute(rule.violations).fetchall()


def test_every_contract_has_a_planted_violation() -> None:
    assert PLANTED.keys() == CONTRACTS.keys()


@pytest.mark.parametrize("key", CONTRACTS, ids="-".join)
def test_a_good_night_breaks_no_contract(db: duckdb.DuckDBPyConnection, key: tuple[str, str]) -> None:
    assert violations(db, CONTRACTS[key], GOOD) == []


@pytest.mark.parametrize("key", CONTRACTS, ids="-".join)
def test_empty_tables_break_no_contract(db: duckdb.DuckDBPyConnection, key: tuple[str, str]) -> None:
    assert violations(db, CONTRACTS[key], {}) == []


@pytest.mark.parametrize("key", PLANTED, ids="-".join)
def test_a_planted_violation_is_found(db: duckdb.DuckDBPyConnection, key: tuple[str, str]) -> None:
    for change in PLANTED[key]:
        assert violations(db, CONTRACTS[key], GOOD | change), change


def test_the_offending_rows_are_shown(db: duckdb.DuckDBPyConnection) -> None:
    rule = CONTRACTS["recommendations", "every_user_covered"]
    assert violations(db, rule, GOOD | {"recommendations": list_of("ann", "b", "c")}) == [("bob",)]


def test_having_seen_items_that_are_not_eligible_does_not_excuse_a_missing_list(db: duckdb.DuckDBPyConnection) -> None:
    """User old has as many items as may be recommended, but not the same ones."""
    rule = CONTRACTS["recommendations", "every_user_covered"]
    change = {
        "items": items(a=True, b=False, c=False),
        "interactions": had("old", "b", "c"),
        "vocabulary": ids("user", old=0),
        "recommendations": [],
    }
    assert violations(db, rule, GOOD | change) == [("old",)]


def test_a_user_who_may_see_nothing_needs_no_list(db: duckdb.DuckDBPyConnection) -> None:
    """All that is left is for adults, or for another country."""
    rule = CONTRACTS["recommendations", "every_user_covered"]
    change: dict[str, Rows] = {
        "items": [
            {"item_id": "a", "available": True, "age_rating": "R"},
            {"item_id": "b", "available": True, "regions": ["FR", "BE"]},
        ],
        "users": [{"user_id": "kid", "age": 12, "country": "DE"}, {"user_id": "teen", "age": 16, "country": "BE"}],
        "interactions": [],
        "vocabulary": ids("user", kid=0, teen=1),
        "recommendations": [],
    }
    assert violations(db, rule, change) == [("teen",)]
    assert violations(db, rule, change | {"interactions": had("teen", "b")}) == []
