"""Zero and one of everything: a night with one event, one user or one item trains, judges nobody, and makes lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.cli import main
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage import frames
from jobs.storage.catalog import Tables
from jobs.storage.runs import Entry
from jobs.storage.sql import open_tables
from schemas.names import MODELS, NEURAL
from schemas.tables import TABLES
from schemas.working import SEQUENCES
from tests.support.tastes import ITEMS, USERS, jobs, night_of

CLASSIC = [name for name in MODELS if name not in NEURAL]
INSTANT = 10**15


def smallest(
    config: Settings, events: Sequence[tuple[int, int]], users: int, items: int, models: Sequence[str], **settings: Any
) -> Night:
    """A night that knows the first users and items, whose events (user, item) are all at one instant, for training."""
    chosen = dict.fromkeys(models, settings) if settings else {}
    night = night_of(config, 0, change=lambda rows: rows[:1], models=models, settings=chosen)
    columns = {
        "user_row": np.array([user for user, _ in events], np.int64),
        "item_row": np.array([item for _, item in events], np.int64),
        "value": np.ones(len(events), np.float32),
        "ts": pa.array([INSTANT] * len(events), pa.timestamp("us", "UTC")),
        "part": pa.array(["train"] * len(events), pa.string()),
    }
    file = frames.write(pa.table(columns, schema=SEQUENCES), f"{night.run.new_attempt('sequences')}/sequences")
    night.run.record(Entry("sequences", "done", "a", {"sequences": [file]}, facts={"split": "leave_last_out"}))
    keep_first(night, "vocabulary", "vocabulary", (pc.field("kind") == "user") & (pc.field("row") < users)
               | (pc.field("kind") == "item") & (pc.field("row") < items))  # fmt: skip
    keep_first(night, "clean", "items", pc.field("item_id") < f"i{items:03}")
    return Night(config, night.run)


def keep_first(night: Night, task: str, table: str, rows: pc.Expression) -> None:
    """Leaves some rows of what a task wrote."""
    entry, schema = night.run.entry(task), TABLES[table].schema
    kept = frames.read(entry.files[table], schema).filter(rows)
    file = frames.write(kept, f"{night.run.new_attempt(task)}/{table}")
    night.run.record(Entry(task, "done", "a", entry.files | {table: [file]}, facts=entry.facts))


def rows(night: Night, task: str, table: str) -> list[dict[str, Any]]:
    return frames.read(night.run.entry(task).files.get(table, []), TABLES[table].schema).to_pylist()


@pytest.mark.parametrize(
    ("events", "users", "items"),
    [
        ([], 2, 3),  # no event yet
        ([(0, 0)], USERS, ITEMS),  # one event
        ([(0, 0)], 1, 1),  # and nothing left to recommend
        ([(0, 0)], 1, 2),
        ([(0, 0), (1, 0)], 2, 1),
        ([(0, item) for item in range(5)], 2, ITEMS),  # all events of a user at one instant
    ],
)
def test_nobody_can_be_judged(config: Settings, events: list[tuple[int, int]], users: int, items: int) -> None:
    night = smallest(config, events, users, items, CLASSIC)
    check(night, events, users, items)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("events", "users", "items"),
    [([], 2, 3), ([(0, 0)], USERS, ITEMS), ([(0, 0)], 1, 1), ([(0, item) for item in range(5)], 2, 9)],
)
def test_nobody_can_be_judged_by_networks(
    config: Settings, events: list[tuple[int, int]], users: int, items: int
) -> None:
    night = smallest(config, events, users, items, NEURAL, epochs=1)
    check(night, events, users, items)


def test_a_catalogue_alone_becomes_a_night(
    config: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on the first day of a service, or where the only delivery of events is withdrawn: no job lacks a table."""
    (tmp_path / "items.csv").write_text("item_id,title\ng1,A\ng2,B\n")
    night = ["--domain", "movies", "--ds", "2024-05-01"]
    assert main(["import", "csv", str(tmp_path / "items.csv"), *night]) == 0
    words, models = [*night, "--run", "first"], ["popularity", "item_knn"]
    assert main(["pin", *words, "--models", ",".join(models)]) == 0
    made = ["clean", "vocabulary", "sequences", "item_similarity", "user_similarity", "activity"]
    assert {main([job, *words]) for job in made} == {0}
    assert {main(["train", *words, "--model", model]) for model in models} == {0}
    assert {main([job, *words]) for job in ("evaluate", "gate", "recommend", "continuations", "publish")} == {0}
    with open_tables(Tables(config)) as db:
        assert db.execute("SELECT item_id FROM latest.items ORDER BY 1").fetchall() == [("g1",), ("g2",)]
        assert db.execute("SELECT count(*) FROM latest.recommendations").fetchall() == [(0,)]
    capsys.readouterr()
    assert main(["report", "--domain", "movies"]) == 0
    assert "no held-out users to judge models on" in capsys.readouterr().out


def check(night: Night, events: list[tuple[int, int]], users: int, items: int) -> None:
    """Every job that learns ends well; each user gets popular items that are not the user's own."""
    assert set(jobs(night, "train") + jobs(night, "evaluate", "gate")) == {0}
    reasons = {row["model"]: row["reason"] for row in rows(night, "gate", "models")}
    assert set(reasons) == set(night.models)
    assert set(reasons.values()) == {"no held-out users to judge it on"}
    assert [row for row in rows(night, "evaluate", "metrics") if row["metric"] == "ndcg"] == []
    assert jobs(night, "recommend") == [0]
    lists = rows(night, "recommend", "recommendations")
    had = {user: len({item for owner, item in events if owner == user}) for user in range(users)}
    wanted = {f"u{user:03}": min(night.domain.top_k, items - had[user]) for user in range(users)}
    result = {user: sum(row["user_id"] == user for row in lists) for user in wanted}
    assert result == wanted
