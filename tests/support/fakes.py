"""Nights that were computed by nobody: files and manifests as the jobs leave them, without Spark."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from jobs import pin
from jobs.night import Night, fingerprint, resolve
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.frames import read, write
from jobs.storage.runs import Entry, Run
from jobs.storage.sql import open_tables
from models.classic.item_knn import ItemKNN
from schemas.tables import TABLES
from tests.support.domains import DOMAINS
from tests.support.warehouse import make_tables

DS = "2026-11-20"
USERS = ("u1", "ü'2", '日"3', "[u4]")
SEEN = ("s1", "s'2")
OFFERED = ("n1", 'n"2', "n3")
MODELS = ("popularity", "item_knn")
USAGE = {"cpu_seconds": 2.5, "read_mib": 4.0, "written_mib": 1.0, "joules": 25.0, "estimated": True}  # of a task
SETTINGS = json.dumps(asdict(ItemKNN.Config()))  # of both, which nobody reads of popularity
Rows = list[dict[str, Any]]


def fake_night(
    config: Settings,
    mark: int,
    *,
    domain: str = "movies",
    ds: str = DS,
    run: str = "run",
    users: Sequence[str] = USERS,
    broken: Callable[[dict[str, Rows]], None] = lambda rows: None,
) -> Night:
    """A night whose jobs have all run, ready to be published.

    Every table but the vocabulary says `mark` in one of its columns (MARKS). `broken` may spoil the rows before
    they are written.
    """
    night = Night(config, Run(config.warehouse, domain, ds, run))
    make_tables(config)
    configuration = resolve(DOMAINS[domain], list(MODELS), {})
    facts = {"trigger": "manual", "configuration": configuration, "configuration_hash": fingerprint(configuration)}
    night.run.record(Entry("pin", "done", "a", facts={**facts, **pin.pin_tables(night), "inputs": []}))
    rows = fake_rows(night, mark, users)
    broken(rows)
    written = {name: [write(table, f"{night.run.new_attempt('fake')}/{name}")] for name, table in arrow(rows).items()}
    made = {
        "clean": ("files", "rejected", "held", "replaced", "interactions", "items", "users", "reviews"),
        "vocabulary": ("vocabulary",),
        "item_similarity": ("item_similarity",),
        "user_similarity": ("user_similarity",),
        "train_two_tower": ("item_vectors",),
        "activity": ("activity",),
        "sequences": (),
        "evaluate": ("metrics",),
        "gate": ("models",),
        "recommend": ("recommendations",),
        "continuations": ("continuations",),
    }
    for task, names in made.items():
        files = {name: written[name] if rows[name] else [] for name in names}
        counts = {name: len(rows[name]) for name in names}
        night.run.record(Entry(task, "done", "a", files=files, rows=counts, seconds=1.5, peak_mib=64.0, usage=USAGE))
    return night


def arrow(rows: dict[str, Rows]) -> dict[str, pa.Table]:
    """Rows as Arrow tables with the columns of their tables."""
    return {name: pa.Table.from_pylist(some, schema=TABLES[name].schema) for name, some in rows.items()}


def fake_rows(night: Night, mark: int, users: Sequence[str]) -> dict[str, Rows]:
    """Rows of all tables but `runs` that keep every contract."""
    day = date.fromisoformat(night.ds)
    noon = datetime.fromisoformat(f"{night.ds}T12:00:00+00:00")
    rows: dict[str, Rows] = {
        "files": [{"path": f"{night.ds}.csv", "checksum": f"{night.ds}-{mark}", "rows": mark, "rejected": 1}],
        "rejected": [{"file": f"{night.ds}.csv", "line": 1, "reasons": ["unparsable"], "raw": f"{mark}"}],
        "held": [
            {"delivery": mark, "line": 1, "table_name": "interactions", "file": "x", "reasons": ["unknown_item"]}
            | {"raw": f"{mark}"}
        ],
        "replaced": [{"table_name": "interactions", "delivery": mark, "outcome": "corrected", "value": float(mark)}],
        "interactions": [
            {"user_id": user, "item_id": item, "kind": "rating", "value": float(mark), "ts": noon, "source": "x"}
            for user in users
            for item in SEEN
        ],
        "items": [
            {"item_id": item, "title": f"Film {item} #{mark}", "genres": ["a", "b"], "released": day, "available": True}
            for item in SEEN + OFFERED
        ],
        "users": [{"user_id": user, "age": mark} for user in users],
        "reviews": [{"review_id": f"{night.ds}-{mark}", "text": "good", "rating": float(mark), "ts": noon}],
        "vocabulary": new_ids(night, users),
        "item_similarity": neighbours("item", SEEN + OFFERED, mark),
        "user_similarity": neighbours("user", users, mark),
        "item_vectors": [
            {"model": "two_tower", "item_id": item, "vector": [float(mark), -0.5]} for item in SEEN + OFFERED
        ],
        "activity": [
            {"user_id": user, "probability": mark / 100, "expected_events": float(mark), "segment": "steady"}
            | {"model": "recency_frequency"}
            for user in users
        ],
        "recommendations": [
            {
                "user_id": user,
                "rank": rank,
                "item_id": item,
                "score": float(mark),
                "model": "item_knn",
                "because_item_id": SEEN[0],
                "because": "because you watched [bold]it",
            }
            for user in users
            for rank, item in enumerate(OFFERED, start=1)
        ],
        "continuations": [
            {"user_id": user, "position": place, "item_id": item, "score": -float(mark), "model": "seq2seq"}
            for user in users
            for place, item in enumerate(OFFERED, start=1)
        ],
        "metrics": [
            {"model": model, "split": "time", "segment": "all", "metric": "ndcg", "k": 10, "users": len(users)}
            | dict.fromkeys(("value", "low", "high"), mark / 100)
            for model in MODELS
        ],
        "models": [
            {"model": model, "status": status, "reason": "told", "train_seconds": float(mark), "settings": SETTINGS}
            for model, status in zip(MODELS, ("challenger", "champion"), strict=True)
        ],
    }
    return {n: [{"domain": night.run.domain, "ds": night.ds} | row for row in some] for n, some in rows.items()}


def neighbours(entity: str, ids: Sequence[str], mark: int) -> Rows:
    """Every one's neighbour is the next."""
    return [
        {"method": "cosine", f"{entity}_id": one, "rank": 1, f"similar_{entity}_id": other, "similarity": mark / 100}
        for one, other in zip(ids, (*ids[1:], ids[0]), strict=True)
    ]


def new_ids(night: Night, users: Sequence[str]) -> Rows:
    """Rows of the vocabulary whose night this is, as the job gives them."""
    known = read(night.every_night("vocabulary"), TABLES["vocabulary"].schema).to_pylist()
    rows = [row for row in known if row["ds"] == night.ds]
    for kind, ids in (("user", users), ("item", SEEN + OFFERED)):
        old = {row["id"] for row in known if row["kind"] == kind}
        new = sorted(set(ids) - old)
        rows += [{"kind": kind, "id": one, "row": len(old) + place} for place, one in enumerate(new)]
    return rows


# Where a table says `mark`, as DuckDB SQL.
MARKS = {
    "files": "rows",
    "rejected": "raw::int",
    "held": "raw::int",
    "replaced": "value::int",
    "interactions": "value::int",
    "items": "split_part(title, '#', 2)::int",
    "users": "age",
    "reviews": "rating::int",
    "item_similarity": "round(similarity * 100)::int",
    "user_similarity": "round(similarity * 100)::int",
    "item_vectors": "vector[1]::int",
    "activity": "expected_events::int",
    "recommendations": "score::int",
    "continuations": "-score::int",
    "metrics": "round(value * 100)::int",
    "models": "train_seconds::int",
}
Seen = dict[str, tuple[tuple[str, str, int, int], ...]]


def both(config: Settings) -> tuple[Seen, Seen]:
    """What there is, and what the last complete nights are: (domain, night, mark, rows) by table, through DuckDB."""
    with open_tables(Tables(config)) as db:
        return marks(db, "main"), marks(db, "latest")


def marks(db: duckdb.DuckDBPyConnection, schema: str) -> Seen:
    """Table → (domain, night, mark, rows), sorted."""
    return {name: seen(db, f"{schema}.{name}", mark) for name, mark in MARKS.items()}


def seen(db: duckdb.DuckDBPyConnection, table: str, mark: str) -> tuple[tuple[str, str, int, int], ...]:
    """(domain, night, mark, rows) of one table."""
    return tuple(
        db.execute(f"SELECT domain, ds, {mark}, count(*)::int FROM {table} GROUP BY ALL ORDER BY ALL").fetchall()
    )


def expected(mark: int, *, domain: str = "movies", ds: str = DS, users: int = len(USERS)) -> Seen:
    """What `both` gives where one night is there and nothing else, counted by hand."""
    items = len(SEEN + OFFERED)
    counts = {
        "files": 1,
        "rejected": 1,
        "held": 1,
        "replaced": 1,
        "reviews": 1,
        "interactions": 2 * users,
        "items": items,
        "users": users,
    }
    counts |= {
        "item_similarity": items,
        "user_similarity": users,
        "activity": users,
        "recommendations": 3 * users,
        "continuations": 3 * users,
    }
    counts |= {"item_vectors": items, "metrics": 2, "models": 2}
    return {name: ((domain, ds, mark, count),) for name, count in counts.items()}


def together(*parts: Seen) -> Seen:
    """What `both` gives where several nights are there."""
    return {name: tuple(sorted(row for part in parts for row in part[name])) for name in MARKS}


def publish_words(run: str, domain: str = "movies", ds: str = DS) -> list[str]:
    """The command line that publishes a run."""
    return ["publish", "--domain", domain, "--ds", ds, "--run", run]


def nothing() -> Seen:
    """What `both` gives where nothing is there."""
    return dict.fromkeys(MARKS, ())
