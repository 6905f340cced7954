"""Nights of users with two tastes, for evaluate and gate: real files, real training, real tables; no Spark.

Night 0 brings eight events a user, every later night one to three. Users of even number like the first half of the
items, the others the second; nobody has an item twice. Every night is a day later.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from jobs.cli import main
from jobs.learning.artifacts import fingerprint
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.files import download, read_bytes, write_bytes
from jobs.storage.frames import write
from jobs.storage.runs import Entry, Run
from models.base import Scores
from models.classic.popularity import Popularity
from models.histories import Histories
from schemas.working import SEQUENCES
from tests.support.fakes import fake_night, publish_words

USERS, ITEMS, FIRST = 240, 200, 8
START = date(2026, 11, 1)
Events = np.ndarray  # int64 [n, 3]: user, item, night; by user, oldest first
Change = Callable[[Events], Events]


class Broken(Popularity):
    """Recommends what nobody wants."""

    name: ClassVar[str] = "broken"

    def score(self, histories: Histories) -> Scores:
        return -np.asarray(super().score(histories))


def day(night: int) -> str:
    """The date of a night."""
    return (START + timedelta(days=night)).isoformat()


def orders() -> np.ndarray:
    """[users, items]: the items in the order in which each user takes them; popular ones of the own taste first."""
    rng = np.random.default_rng(7)
    weight = 1 / (2 + np.arange(ITEMS) % (ITEMS // 2))
    own = (np.arange(ITEMS) < ITEMS // 2) == (np.arange(USERS) % 2 == 0)[:, None]
    return np.argsort(rng.exponential(size=(USERS, ITEMS)) / (weight * np.where(own, 1, 0.02)), axis=1)


def taken(user: int, night: int) -> int:
    """How many items a user has taken up to a night."""
    return FIRST + sum(1 + (user + n) % 3 for n in range(1, night + 1))


def events(night: int) -> Events:
    """All events up to a night."""
    order = orders()
    rows = []
    for user in range(USERS):
        for n in range(night + 1):
            begin = taken(user, n - 1) if n else 0
            rows += [(user, item, n) for item in order[user, begin : taken(user, n)]]
    return np.array(rows, np.int64)


def parts(all_events: Events, night: int) -> list[str]:
    """Tonight is the test, last night the validation; of a first night the last two and the two before."""
    if night:
        return [{0: "test", 1: "validation"}.get(night - n, "train") for n in all_events[:, 2]]
    users = all_events[:, 0]
    left = np.array([np.sum(users[place + 1 :] == user) for place, user in enumerate(users)])
    return [("test" if n < 2 else "validation" if n < 4 else "train") for n in left]


def night_of(
    config: Settings,
    night: int,
    run: str = "run",
    change: Change = lambda tonight: tonight,
    models: Sequence[str] = ("popularity", "item_knn"),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Night:
    """A night ready to be trained; `change` may replace tonight's events, `settings` are those of its models."""
    every = events(night)
    every = np.concatenate([every[every[:, 2] < night], change(every[every[:, 2] == night])])
    every = every[np.argsort(every[:, 0] * 1000 + every[:, 2], kind="stable")]
    made = fake_night(config, night, ds=day(night), run=run, broken=lambda rows: _world(rows, every, night))
    at = datetime.combine(START, datetime.min.time(), UTC)
    columns = {
        "user_row": every[:, 0],
        "item_row": every[:, 1],
        "value": np.ones(len(every), np.float32),
        "ts": [at + timedelta(days=int(n)) for n in every[:, 2]],
        "part": parts(every, night),
    }
    file = write(pa.table(columns, schema=SEQUENCES), f"{made.run.new_attempt('sequences')}/sequences")
    facts = {"split": "time", "validation_from": day(night - 1)}
    made.run.record(Entry("sequences", "done", "a", {"sequences": [file]}, facts=facts))
    pin = made.run.entry("pin")
    configuration = pin.facts["configuration"] | {"models": [*models], "model_settings": settings or {}}
    made.run.record(replace(pin, facts=pin.facts | {"configuration": configuration}))
    return Night(config, made.run)


def _world(rows: dict[str, list[dict[str, Any]]], every: Events, night: int) -> None:
    base = {"domain": "movies", "ds": day(night)}
    first = any(row["row"] == 0 for row in rows["vocabulary"])  # nobody has a row yet
    for name in (
        "users",
        "reviews",
        "vocabulary",
        "item_similarity",
        "user_similarity",
        "item_vectors",
        "activity",
        "continuations",
    ):
        rows[name].clear()
    stamp = datetime.fromisoformat(f"{day(night)}T12:00:00+00:00")
    rows["interactions"] = [
        base
        | {"user_id": f"u{u:03}", "item_id": f"i{i:03}", "kind": "rating", "value": 3.0, "ts": stamp, "source": "x"}
        for u, i, n in every
        if n == night
    ]
    genres = ["a", "b"]
    rows["items"] = [
        base
        | {"item_id": f"i{i:03}", "title": f"I{i}", "genres": [genres[2 * i // ITEMS]], "tags": [], "available": True}
        for i in range(ITEMS)
    ]
    if first:
        rows["vocabulary"] = [base | {"kind": "user", "id": f"u{u:03}", "row": u} for u in range(USERS)]
        rows["vocabulary"] += [base | {"kind": "item", "id": f"i{i:03}", "row": i} for i in range(ITEMS)]
    rows["recommendations"] = [
        base | {"user_id": f"u{u:03}", "rank": 1, "item_id": f"i{order[-1]:03}", "score": 1.0, "model": "popularity"}
        | {"because": "popular now"}
        for u, order in enumerate(orders())
    ]  # fmt: skip


def jobs(night: Night, *names: str) -> list[int]:
    """Exit codes of jobs of a night; `train` stands for one of each of its models."""
    words = ["--domain", "movies", "--ds", night.ds, "--run", night.run.run_id]
    calls = [[name, "--model", model] for name in names if name == "train" for model in night.models]
    calls += [[name] for name in names if name != "train"]
    return [main([*call, *words]) for call in calls]


def with_settings(night: Night, **settings: Any) -> Night:
    """The night with settings for each of its models."""
    pin = night.run.entry("pin")
    configuration = pin.facts["configuration"] | {"model_settings": dict.fromkeys(night.models, settings)}
    night.run.record(replace(pin, facts=pin.facts | {"configuration": configuration}))
    return Night(night.settings, night.run)


def spoil_vocabulary(run: Run, model: str) -> str:
    """Makes the artifact that a run trained that of other items; its address."""
    entry = run.entry(f"train_{model}")
    artifact: str = entry.facts["artifact"]
    content = read_bytes(f"{artifact}/manifest.json")
    assert content
    manifest = json.loads(content)
    manifest["vocabulary"]["sha256"] = "0" * 64
    write_bytes(f"{artifact}/manifest.json", json.dumps(manifest).encode())
    with tempfile.TemporaryDirectory() as folder:
        download(artifact, folder)
        run.record(replace(entry, facts={**entry.facts, "checksum": fingerprint(Path(folder))}))
    return artifact


def publish(night: Night) -> None:
    """Publishes a night as its entries are."""
    assert main(publish_words(night.run.run_id, ds=night.ds)) == 0
