"""The job `activity`: what it writes, publishes and shows."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs import evaluate
from jobs.cli import main
from jobs.learning.forecasting import NETWORK, Verdict
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.files import read_bytes
from jobs.storage.frames import read, write
from jobs.storage.runs import Entry
from jobs.storage.sql import open_tables
from models.data import HeldOut
from models.histories import DAY_MICROSECONDS
from schemas.tables import TABLES
from schemas.working import SEQUENCES
from tests.support.examples import histories_of
from tests.support.fakes import DS, Rows, fake_night, publish_words

LAST = datetime.fromisoformat(f"{DS}T12:00:00+00:00")
USERS, DAYS = 80, 60
QUICK = {"days": 8, "units": 4, "epochs": 1, "batch": 1000}
WORDS = ["--domain", "movies", "--ds", DS, "--run", "run"]
NETWORK_WINS = Verdict(NETWORK, "shown to")


def habits() -> list[tuple[int, int]]:
    """(user, days before the last): the first half of the users come every second day, user u stopped u days ago; of
    the others each comes every second day."""
    return [
        (user, ago)
        for user in range(USERS)
        for ago in reversed(range(DAYS))
        if (ago + user) % 2 == 0 and (user >= USERS // 2 or ago >= user)
    ]


def night_of(
    config: Settings, events: list[tuple[int, int]], timed: bool = True, models: Sequence[str] = ("popularity", "ncf")
) -> Night:
    """A night whose users have these events, ready for the job."""

    def users(rows: dict[str, Rows]) -> None:
        for name in ("activity", "continuations", "user_similarity", "users"):
            rows[name].clear()

    ids = [f"u{user:03}" for user in range(USERS)]
    night = fake_night(config, 1, users=ids, broken=users)
    columns = {
        "user_row": np.array([user for user, _ in events]),
        "item_row": np.zeros(len(events), np.int64),
        "value": np.ones(len(events), np.float32),
        "ts": [LAST - timedelta(days=ago) if timed else None for _, ago in events],
        "part": ["train"] * len(events),
    }
    file = write(pa.table(columns, schema=SEQUENCES), f"{night.run.new_attempt('sequences')}/sequences")
    night.run.record(Entry("sequences", "done", "a", {"sequences": [file]}, facts={"split": "time"}))
    pin = night.run.entry("pin")
    pin.facts["configuration"]["model_settings"] = {"activity": QUICK}
    pin.facts["configuration"]["models"] = models
    night.run.record(pin)
    return Night(config, night.run)


def rows(night: Night, table: str) -> list[dict[str, Any]]:
    return read(night.run.entry("activity").files.get(table, []), TABLES[table].schema).to_pylist()


@pytest.fixture
def night(config: Settings) -> Night:
    made = night_of(config, habits())
    assert main(["activity", *WORDS]) == 0
    return made


def test_every_user_with_events_has_a_forecast(night: Night) -> None:
    result = {row["user_id"]: row for row in rows(night, "activity")}
    assert list(result) == [f"u{user:03}" for user in range(USERS)]
    assert {row["model"] for row in result.values()} == {night.run.entry("activity").facts["model"]}
    assert result["u079"]["probability"] > 0.8 > 0.3 > result["u039"]["probability"]
    assert result["u079"]["expected_events"] == pytest.approx(3.5, abs=1.0)
    segments = [result[f"u{user:03}"]["segment"] for user in (79, 5, 20, 38)]
    assert segments == ["steady", "steady", "cooling", "gone"]


def test_both_models_are_measured_and_all_is_published(night: Night, config: Settings) -> None:
    result = {(row["model"], row["segment"], row["metric"]): row["value"] for row in rows(night, "metrics")}
    for model in ("recency_frequency", "activity"):
        assert result[model, "all", "auc"] > 0.6
        assert 0 < result[model, "all", "brier"] < 0.3
    assert main(publish_words("run")) == 0
    with open_tables(Tables(config)) as db:
        assert db.execute("SELECT count(*) FROM latest.activity").fetchall() == [(USERS,)]
        shown = "SELECT DISTINCT k, split FROM latest.metrics WHERE metric IN ('auc', 'brier', 'predicted')"
        assert db.execute(shown).fetchall() == [(0, "time")]


def test_a_night_without_networks_trains_none(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.activity.fit", None)
    night = night_of(config, habits(), models=["popularity", "ease"])
    assert main(["activity", *WORDS]) == 0
    assert night.run.entry("activity").facts["reason"] == "the night trains no network"
    assert {row["model"] for row in rows(night, "activity")} == {"recency_frequency"}
    assert {row["model"] for row in rows(night, "metrics")} == {"recency_frequency"}
    assert next(row["value"] for row in rows(night, "metrics") if row["metric"] == "auc") > 0.6


@pytest.mark.slow
def test_it_is_the_same_when_it_runs_again(night: Night) -> None:
    before = rows(night, "activity"), rows(night, "metrics")
    assert main(["activity", *WORDS]) == 0
    assert (rows(night, "activity"), rows(night, "metrics")) == before


def test_the_command_for_a_user_tells_it(config: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    night_of(config, habits(), models=["popularity"])
    assert main(["activity", *WORDS]) == 0
    assert main(publish_words("run")) == 0
    capsys.readouterr()
    assert main(["user", "u079", "--domain", "movies", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["activity"]
    assert [row["segment"] for row in shown] == ["steady"]
    assert main(["user", "u079", "--domain", "movies"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("steady: active in the next 7 days with probability 0.")
    assert "events expected" in line


def test_the_network_that_wins_is_saved(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.activity.judge", lambda days, fit, seed: NETWORK_WINS)
    night = night_of(config, habits())
    assert main(["activity", *WORDS]) == 0
    facts = night.run.entry("activity").facts
    assert facts["config"]["units"] == QUICK["units"]
    assert read_bytes(f"{facts['artifact']}/network.keras")
    assert {row["model"] for row in rows(night, "activity")} == {"activity"}


@pytest.mark.parametrize(
    ("events", "timed"),
    [
        (habits(), False),  # no times
        ([(user, ago) for user in range(USERS) for ago in (1, 0)], True),  # two days
        ([(user, ago) for user in range(USERS) for ago in reversed(range(DAYS))], True),  # all are always there
    ],
)
def test_where_nothing_can_be_predicted_nothing_is_written(
    config: Settings, events: list[tuple[int, int]], timed: bool
) -> None:
    night = night_of(config, events, timed)
    assert main(["activity", *WORDS]) == 0
    assert night.run.entry("activity").files == {}
    assert main(publish_words("run")) == 0


def test_segments_of_judged_users_end_before_the_test() -> None:
    first = int(datetime(2026, 11, 14, tzinfo=UTC).timestamp() * 1e6) // DAY_MICROSECONDS
    days = [[first - 1], [], [*range(first - 60, first)], [first - 29]]
    times = [day * DAY_MICROSECONDS for some in days for day in some]
    histories = histories_of(*([0] * len(some) for some in days), n_items=1, times=times)
    test = HeldOut(np.arange(4), histories, histories.matrix())
    result = {
        name: np.flatnonzero(members).tolist() for name, members in evaluate.pace_members(test, "2026-11-14").items()
    }
    assert result == {
        "activity_new": [0],
        "activity_rising": [],
        "activity_steady": [2],
        "activity_cooling": [],
        "activity_gone": [3],
    }
    assert evaluate.pace_members(test, None) == {}
