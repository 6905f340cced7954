"""The gate through real files and tables: drift, the incumbent, refusals that are committed all the same."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import commands, gate, train
from jobs.learning import drift, incumbent
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.frames import read
from jobs.storage.sql import open_tables
from models.classic.candidates import Candidates, ItemTimes
from models.classic.ensemble import Ensemble
from models.classic.item_knn import ItemKNN
from models.classic.second_stage import SecondStage, learn_trees
from models.data import HeldOut
from models.registry import REGISTRY
from schemas.tables import TABLES
from tests.support.tastes import ITEMS, USERS, Events, day, events, jobs, night_of, publish
from tests.support.warehouse import borrowed, use

HISTORY = 4


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with four published nights, whose champion is item_knn."""
    folder = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = use(folder, monkeypatch)
        for night in range(HISTORY):
            publish(night_of(config, night))
    return folder


@pytest.fixture
def before(nights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of that warehouse, for one test."""
    with borrowed(nights, monkeypatch) as config:
        yield config


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(REGISTRY.places, "broken", "tests.support.tastes:Broken")  # type: ignore[index]
    monkeypatch.setitem(commands.MODEL.options, "choices", [*REGISTRY])  # type: ignore[index]
    return "broken"


def models(night: Night) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in read(night.tonight("models"), TABLES["models"].schema).to_pylist()}


def drifts(night: Night) -> dict[str, float]:
    rows = read(night.tonight("metrics"), TABLES["metrics"].schema).to_pylist()
    result = {row["metric"]: row for row in rows if row["model"] == "data"}
    assert all((row["split"], row["segment"], row["k"]) == ("none", "all", 0) for row in result.values())
    return {metric: row["value"] for metric, row in result.items()}


def test_an_ordinary_night_keeps_its_champion(before: Settings) -> None:
    night = night_of(before, HISTORY, "ordinary")
    assert jobs(night, "train", "evaluate", "gate", "recommend") == [0] * 5
    result = drifts(night)
    assert result["volume"] == 1
    assert result["popularity_psi"] < 0.25
    assert result["activity_psi"] < 0.01
    chosen = models(night)
    assert {name: row["status"] for name, row in chosen.items()} == {"popularity": "challenger", "item_knn": "champion"}
    assert chosen["item_knn"]["reason"].endswith("incumbent")
    assert "to the incumbent item_knn" in chosen["popularity"]["reason"]
    assert chosen["item_knn"]["configuration"].startswith('{"decay"')
    assert night.run.entry("gate").facts["champion"] == "item_knn"
    publish(night)
    with open_tables(Tables(before)) as db:
        [(state, reason)] = db.execute("SELECT state, reason FROM runs WHERE run_id = 'ordinary'").fetchall()
        assert db.execute("SELECT DISTINCT ds, model FROM latest.recommendations").fetchall() == [(day(4), "item_knn")]
    assert (state, reason) == ("complete", chosen["item_knn"]["reason"])


def test_changed_settings_are_a_challenger(before: Settings) -> None:
    """With one neighbour an item, few of the right half of the items are found: the champion stays as it was."""
    night = night_of(before, HISTORY, "changed", settings={"item_knn": {"neighbours": 1}})
    assert jobs(night, "train", "evaluate", "gate", "recommend") == [0] * 5
    chosen, changed = models(night)["item_knn-incumbent"], models(night)["item_knn"]
    assert (chosen["status"], json.loads(chosen["settings"])) == ("champion", asdict(ItemKNN.Config()))
    assert (changed["status"], json.loads(changed["configuration"])["neighbours"]) == ("challenger", 1)
    assert re.search(r"ndcg@10 0.*, -0.* to the incumbent item_knn-incumbent", changed["reason"])
    metrics = read(night.tonight("metrics"), TABLES["metrics"].schema)
    assert {*metrics["model"].to_pylist()} == {"popularity", "item_knn", "item_knn-incumbent", "data"}
    lists = read(night.tonight("recommendations"), TABLES["recommendations"].schema)
    assert "item_knn" in lists["model"].to_pylist()
    facts = night.run.entry("gate").facts
    assert (facts["champion"], facts["artifact"]) == ("item_knn", chosen["artifact"])
    publish(night)
    champion = incumbent.incumbent(night_of(before, HISTORY + 1, "after"))
    assert champion is not None
    assert (champion["model"], champion["settings"]) == ("item_knn", chosen["settings"])


def test_better_settings_take_the_place_of_the_incumbents(before: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    old = json.dumps(asdict(ItemKNN.Config()) | {"neighbours": 1})
    champion = {"model": "item_knn", "ds": day(HISTORY - 1), "settings": old}
    monkeypatch.setattr(incumbent, "incumbent", lambda night: champion)
    monkeypatch.setattr(gate, "incumbent", lambda night: champion)
    night = night_of(before, HISTORY, "better")
    assert jobs(night, "train", "evaluate", "gate") == [0] * 4
    chosen, old = models(night)["item_knn"], models(night)["item_knn-incumbent"]
    assert (chosen["status"], json.loads(chosen["settings"])) == ("champion", asdict(ItemKNN.Config()))
    assert (old["status"], json.loads(old["settings"])["neighbours"]) == ("challenger", 1)
    assert "+0." in chosen["reason"]


def test_a_second_stage_is_a_challenger_of_rank_fusion(before: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched on where rank fusion reigns: both are judged, and it reigns only beyond the interval."""
    former = json.dumps(asdict(Ensemble.Config(second_stage=False)))
    champion = {"model": "ensemble", "ds": day(HISTORY - 1), "settings": former}
    monkeypatch.setattr(incumbent, "incumbent", lambda night: champion)
    monkeypatch.setattr(gate, "incumbent", lambda night: champion)
    monkeypatch.setattr(SecondStage, "fit", learn_without_asking)
    night = night_of(before, HISTORY, "staged", models=["popularity", "item_knn", "ensemble"])
    assert jobs(night, "train", "evaluate", "gate", "recommend") == [0] * 6
    fused, staged = models(night)["ensemble-incumbent"], models(night)["ensemble"]
    assert [json.loads(row["configuration"])["second_stage"] for row in (fused, staged)] == [False, True]
    assert (fused["status"], staged["status"]) == ("champion", "challenger")
    assert re.search(r"ndcg@10 .* to the incumbent ensemble-incumbent", staged["reason"])


def learn_without_asking(held_out: HeldOut, candidates: Candidates, times: ItemTimes, seed: int) -> SecondStage:
    """A second stage that was not compared with the fused list, and puts every second item first."""
    return SecondStage(learn_trees(candidates, (candidates.items % 2 == 1) & (candidates.items >= 0), seed), times)


def test_settings_that_nobody_knows_any_more_are_no_incumbents(
    before: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(incumbent, "incumbent", lambda night: {"model": "item_knn", "settings": '{"gone": 1}'})
    night = night_of(before, HISTORY, "unknown")
    assert incumbent.incumbent_settings(night, "item_knn", asdict(ItemKNN.Config())) is None
    assert "settings of the incumbent item_knn.gone is not a setting" in caplog.text


def test_half_of_the_events_are_refused_and_it_is_committed(
    before: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    night = night_of(before, HISTORY, "half", change=lambda tonight: tonight[::2])
    assert jobs(night, "train", "evaluate", "gate") == [0, 0, 0, 3]
    message = "drift: volume 0.500 is outside 0.600 to 3.000"
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert drifts(night)["volume"] == 0.5
    assert {name: row["status"] for name, row in models(night).items()} == {
        "popularity": "challenger",
        "item_knn": "refused",
    }
    publish(night)
    with open_tables(Tables(before)) as db:
        [(state, reason)] = db.execute("SELECT state, reason FROM runs WHERE run_id = 'half'").fetchall()
        measured = db.execute("SELECT metric FROM metrics WHERE ds = $1 AND model = 'data'", [night.ds]).fetchall()
        refused = db.execute("SELECT reason FROM models WHERE ds = $1 AND status = 'refused'", [night.ds]).fetchall()
    assert state == "refused"
    assert reason.startswith(message)
    assert {metric for (metric,) in measured} == {"volume", "popularity_psi", "activity_psi"}
    assert refused[0][0].startswith(message)


def test_a_refused_night_has_no_champion_for_the_next(before: Settings) -> None:
    night = night_of(before, HISTORY, "refused", change=lambda tonight: tonight[::2])
    assert jobs(night, "train", "evaluate", "gate")[-1] == 3
    publish(night)
    champion = gate.incumbent(night_of(before, HISTORY + 1, "next"))
    assert champion is not None
    assert (champion["ds"], champion["model"]) == (day(HISTORY - 1), "item_knn")


def shuffled(tonight: Events) -> Events:
    """The same users take items at random, that they do not have yet."""
    rng, every = np.random.default_rng(0), events(HISTORY)
    had = {user: {*every[(every[:, 0] == user) & (every[:, 2] < HISTORY), 1].tolist()} for user in range(USERS)}
    changed = tonight.copy()
    for row in changed:
        row[1] = rng.choice([item for item in range(ITEMS) if item not in had[row[0]]])
        had[row[0]].add(int(row[1]))
    return changed


def test_shuffled_events_are_refused(before: Settings) -> None:
    """Their items have another popularity than those of the nights before; volume and activity are as they were."""
    night = night_of(before, HISTORY, "shuffled", change=shuffled)
    assert jobs(night, "train", "evaluate", "gate") == [0, 0, 0, 3]
    assert "drift: popularity_psi" in (night.run.entry("gate").error or "")
    result = drifts(night)
    assert (result["volume"], result["activity_psi"] < 0.01) == (1, True)


def test_users_who_do_something_else_are_refused(before: Settings) -> None:
    """As many events, of a third of the users."""

    def fewer(tonight: Events) -> Events:
        rest = np.array([u for u in range(USERS) if u % 3 == 0])
        order = events(8)
        mine = [order[(order[:, 0] == user) & (order[:, 2] >= HISTORY)][:6] for user in rest]
        return np.concatenate([np.c_[rows[:, :2], np.full(len(rows), HISTORY)] for rows in mine])

    night = night_of(before, HISTORY, "fewer", change=fewer)
    measured = {result.metric: result for result in drift.drift(night)}
    assert measured["volume"].reason is None
    assert measured["activity_psi"].reason is not None


def test_a_night_without_events_is_refused(before: Settings) -> None:
    [result] = drift.drift(night_of(before, HISTORY, "none", change=lambda tonight: tonight[:0]))
    assert result.reason == "drift: volume 0.000 is outside 0.600 to 3.000"


def test_a_first_import_is_no_ordinary_night(before: Settings) -> None:
    """1,920 events on night 0, 480 on the others: two ordinary nights are too few, three are enough."""
    assert drift.drift(night_of(before, HISTORY - 1, "early")) == []
    assert len(drift.drift(night_of(before, HISTORY, "late"))) == 3


def test_a_first_night_has_no_history(config: Settings) -> None:
    night = night_of(config, 0)
    assert jobs(night, "train", "evaluate", "gate") == [0] * 4
    assert drifts(night) == {}
    assert models(night)["item_knn"]["status"] == "champion"
    assert "no champion before" in models(night)["item_knn"]["reason"]


def test_a_broken_model_is_never_promoted(before: Settings, broken: str) -> None:
    night = night_of(before, HISTORY, "three", models=("popularity", "item_knn", broken))
    assert jobs(night, "train", "evaluate", "gate") == [0] * 5
    chosen = models(night)
    assert (chosen["item_knn"]["status"], chosen[broken]["status"]) == ("champion", "challenger")
    assert " -0." in chosen[broken]["reason"]


def test_a_broken_model_alone_is_refused(before: Settings, broken: str) -> None:
    """Popularity was not asked for, and is judged all the same."""
    night = night_of(before, HISTORY, "alone", models=(broken,))
    assert jobs(night, "train", "evaluate", "gate") == [0, 0, 3]
    assert "broken is worse than recent popularity: ndcg@10 -0." in (night.run.entry("gate").error or "")
    assert models(night)[broken]["status"] == "refused"
    metrics = read(night.tonight("metrics"), TABLES["metrics"].schema)
    assert {*metrics["model"].to_pylist()} == {"popularity", broken, "data"}


def test_where_the_champion_failed_to_train_the_next_best_makes_the_lists(before: Settings) -> None:
    night = night_of(before, HISTORY, "failed")
    assert jobs(night, "train") == [0, 0]
    entry = night.run.entry("train_item_knn")
    night.run.record(replace(entry, state="failed", error="no memory"))
    assert jobs(night, "evaluate", "gate") == [0, 0]
    chosen = models(night)
    assert (chosen["item_knn"]["status"], chosen["item_knn"]["reason"]) == ("failed", "no memory")
    assert chosen["popularity"]["status"] == "champion"
    assert "the incumbent item_knn was not trained" in chosen["popularity"]["reason"]


def test_an_artifact_that_knows_the_test_is_not_judged(before: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    night = night_of(before, HISTORY, "knows")
    assert jobs(night, "train") == [0, 0]
    entry = night.run.entry("train_item_knn")
    assert entry.facts["learned"] == [train.TRAIN]
    night.run.record(replace(entry, facts=entry.facts | {"learned": ["train", "validation", "test"]}))
    assert jobs(night, "evaluate") == [2]
    message = capsys.readouterr().err.splitlines()[-1]
    assert "the artifact of item_knn has learned ['train', 'validation', 'test']; only one that has learned" in message
