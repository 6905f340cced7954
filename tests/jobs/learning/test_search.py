"""The search for settings: order of trials, halving, budget, journal, and what is found."""

import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.errors import InputError
from jobs.learning import search as searching
from jobs.learning.search import DRAWS, WHOLE, Journal, OutOfTimeError, Record, Trial, deadline, measure, plan, search
from jobs.learning.search_space import SPACES, Choice, LogInteger, LogUniform, Uniform, draw
from jobs.learning.tuned import findings, toml
from jobs.settings import model_config, override
from models.base import TrainingData
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity, PopularityConfig
from models.evaluation.validation import mean_ndcg
from schemas.names import ENSEMBLE, MODELS
from tests.support.examples import example, one_new_item

SEARCH: Mapping[str, Any] = {"night": "movies 2026-11-01 run", "seed": 0}


def journal(folder: Path, search: Mapping[str, Any] = SEARCH) -> Journal:
    return Journal((folder / "trials.json").as_uri(), search)


def by_half_life(trial: Trial) -> Record:
    """The better, the longer the half-life; its own settings are in the middle."""
    value = trial.settings.get("half_life_days", 30.0) / 365
    return Record(*trial, 1.0, value, (value,) * 4 if trial.share == WHOLE else ())


def test_every_model_but_the_ensemble_has_settings_to_search() -> None:
    assert {*SPACES} == {*MODELS} - {ENSEMBLE}


@pytest.mark.parametrize("model", SPACES)
def test_what_is_drawn_are_settings_that_the_model_takes(model: str) -> None:
    random = np.random.default_rng(0)
    for _ in range(100):
        settings = draw(SPACES[model], random)
        override(model_config(model), settings, f"models.{model}")


def test_values_are_drawn_from_their_range() -> None:
    random = np.random.default_rng(0)
    assert all(0.5 <= Uniform(0.5, 1).draw(random) <= 1 for _ in range(200))
    halves = [LogUniform(1, 100).draw(random) < 10 for _ in range(400)]
    assert 150 < sum(halves) < 250, "as many below 10 as above"
    whole = [LogInteger(2, 9).draw(random) for _ in range(200)]
    assert {type(value) for value in whole} == {int}
    assert {*whole} == {*range(2, 10)}
    assert {Choice(("a", "b")).draw(random) for _ in range(50)} == {"a", "b"}


def test_a_bracket_halves_the_settings_and_ends_with_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BRACKETS", 1)
    kept = journal(tmp_path)
    search(plan(["popularity"], 0), kept, by_half_life, 60)
    assert [round(record.share, 3) for record in kept.records] == [1] + [0.111] * 9 + [0.333] * 3 + [1]
    first = sorted((r.settings["half_life_days"] for r in kept.records[1:10]), reverse=True)
    assert [r.settings["half_life_days"] for r in kept.records[10:13]] == first[:3]
    assert kept.records[13].settings["half_life_days"] == first[0]


def test_models_take_turns_and_their_own_settings_come_first() -> None:
    trials, models = plan(["ease", "item_knn"], 0), []
    trial = next(trials)
    for _ in range(30):
        models.append((trial.model, bool(trial.settings)))
        trial = trials.send(0.5)
    assert models[:2] == [("ease", False), ("item_knn", False)]
    assert models[2:28] == [("ease", True)] * 13 + [("item_knn", True)] * 13
    assert models[28] == ("ease", True)


def test_a_model_that_cannot_learn_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BRACKETS", 1)
    trials = plan(["ease", "item_knn"], 0)
    next(trials)
    assert trials.send(-1.0).model == "item_knn"
    rest = [trials.send(0.5) for _ in range(13)]
    assert {trial.model for trial in rest} == {"item_knn"}
    with pytest.raises(StopIteration):
        trials.send(0.5)
    alone = plan(["ease"], 0)
    next(alone)
    with pytest.raises(StopIteration):
        alone.send(-1.0)


@pytest.mark.parametrize(("seed", "same"), [(0, True), (1, False)])
def test_a_seed_draws_the_same_settings(seed: int, same: bool) -> None:
    def drawn(seed: int) -> list[Trial]:
        trials = plan(["item_knn", "ease"], seed)
        return [next(trials), *(trials.send(0.5) for _ in range(40))]

    assert (drawn(0) == drawn(seed)) == same


@pytest.mark.parametrize("done", [1, 5, 11, 14])
def test_a_search_that_was_killed_goes_on_where_it_was(
    done: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is not tried again, and the result is that of a search in one piece."""
    monkeypatch.setattr(searching, "BRACKETS", 2)
    tried: list[Trial] = []

    def killed(trial: Trial) -> Record:
        if len(tried) == done:
            raise KeyboardInterrupt
        tried.append(trial)
        return by_half_life(trial)

    with pytest.raises(KeyboardInterrupt):
        search(plan(["popularity"], 0), journal(tmp_path), killed, 600)
    assert len(journal(tmp_path).records) == done
    again: list[Trial] = []

    def going_on(trial: Trial) -> Record:
        again.append(trial)
        return by_half_life(trial)

    search(plan(["popularity"], 0), journal(tmp_path), going_on, 600)
    whole = Journal((tmp_path / "whole.json").as_uri(), SEARCH)
    search(plan(["popularity"], 0), whole, by_half_life, 600)
    assert tried + again == [record.trial for record in whole.records]
    kept = journal(tmp_path).records
    assert findings(kept, ["popularity"], 0) == findings(whole.records, ["popularity"], 0)


def test_the_budget_is_kept_also_in_the_middle_of_a_trial(tmp_path: Path) -> None:
    """A trial that would take a minute is ended after the budget's 0.3 seconds, and not kept."""

    def slow(trial: Trial) -> Record:
        if trial.settings:
            time.sleep(60)
        return Record(*trial, 0.01, 0.5, (0.5,))

    started = time.monotonic()
    search(plan(["popularity"], 0), journal(tmp_path), slow, 0.3)
    assert time.monotonic() - started < 30
    assert [record.settings for record in journal(tmp_path).records] == [{}]


def test_trials_of_an_earlier_call_count(tmp_path: Path) -> None:
    """Three trials that say they took 20 seconds each leave nothing of a minute."""
    kept = journal(tmp_path)
    for half_life in (1.0, 2.0, 3.0):
        kept.add(Record("popularity", {"half_life_days": half_life}, WHOLE, 20.0, 0.5, (0.5,)))
    search(plan(["popularity"], 0), journal(tmp_path), by_half_life, 60)
    assert len(journal(tmp_path).records) == 3


def test_no_time_is_left() -> None:
    with pytest.raises(OutOfTimeError), deadline(0):
        raise AssertionError
    with deadline(100):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "holds no trials of `encore tune`"),
        (b'{"search": {}, "records": [{"model": 1}]}', "holds no trials of `encore tune`"),
        (b"[]", "holds no trials of `encore tune`"),
        (b'{"search": {"night": "movies 2026-11-01 run", "seed": 7}, "records": []}', "whose seed was 7 and not 0"),
    ],
)
def test_a_journal_that_is_none_or_of_another_search_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "trials.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        journal(tmp_path)


def test_a_share_of_the_users_learns_and_the_same_are_judged() -> None:
    histories = example()
    small, larger = (searching.share_of_users(histories, share, 3) for share in (1 / 9, 1 / 3))
    assert np.count_nonzero(np.diff(small.indptr)) <= round(histories.n_users / 9)
    assert {*small.users} <= {*larger.users} <= {*histories.users}
    assert searching.share_of_users(histories, WHOLE, 3) is histories
    for user in {*larger.users}:
        np.testing.assert_array_equal(larger.take(np.array([user])).items, histories.take(np.array([user])).items)


def test_a_trial_is_the_models_ndcg_on_validation() -> None:
    histories = example()
    data = TrainingData(histories, None, one_new_item(histories, [11] * histories.n_users))
    assert data.validation is not None
    configs = {"popularity": PopularityConfig(), "item_knn": ItemKNN.Config()}
    whole = measure(Trial("popularity", {"half_life_days": 2.0}, WHOLE), configs, data)
    expected = mean_ndcg(Popularity(PopularityConfig(2.0)).fit(data), data.validation)
    assert whole.ndcg == pytest.approx(expected, abs=1e-6)
    assert len(whole.users) == histories.n_users
    assert np.mean(whole.users) == pytest.approx(expected, abs=1e-6)
    part = measure(Trial("item_knn", {"neighbours": 3, "decay": 0.5}, 1 / 3), configs, data)
    assert part.users == ()
    wrong = measure(Trial("popularity", {"half_life_days": -1.0}, WHOLE), configs, data)
    assert (wrong.ndcg, wrong.error) == (-1.0, "popularity.half_life_days must be above 0, got -1.0")


def records(gain: float, n: int = 200, tried: int = 1) -> list[Record]:
    """Own settings at .5 for every user, and others by which half of the users gain."""
    own = Record("item_knn", {}, WHOLE, 1.0, 0.5, (0.5,) * n)
    users = tuple(0.5 + (2 * gain if user % 2 else 0.0) for user in range(n))
    other = Record("item_knn", {"decay": 0.7, "neighbours": 50}, WHOLE, 1.0, 0.5 + gain, users)
    worse = [replace(own, settings={"decay": 0.5 + k / 1000}, ndcg=0.1, users=(0.1,) * n) for k in range(tried - 1)]
    return [own, other, *worse, Record("item_knn", {"decay": 0.9}, 1 / 9, 1.0, 0.9)]


def test_settings_are_better_only_by_more_than_the_interval() -> None:
    (clear,) = findings(records(0.05), ["item_knn", "ease"], 0)
    assert clear.better
    assert (clear.before, clear.after, clear.trials, clear.tried) == (0.5, 0.55, 3, 1)
    (none,) = findings(records(0.0), ["item_knn"], 0)
    assert not none.better


def test_the_more_settings_were_tried_the_wider_the_interval() -> None:
    few, many = (findings(records(0.05, 40, tried), ["item_knn"], 0)[0].difference for tried in (1, 40))
    assert few is not None
    assert many is not None
    assert many.low < few.low


def test_own_settings_that_cannot_be_judged_are_named() -> None:
    (finding,) = findings([Record("ease", {}, WHOLE, 1.0, error="too many items")], ["ease"], 0)
    assert not finding.better
    assert str(finding) == "ease: its own settings cannot be judged: too many items"


def test_the_file_has_what_is_better_over_what_is_configured() -> None:
    """Read by Python's own parser of TOML."""
    results = [*findings(records(0.05), ["item_knn"], 0)]
    results += findings([replace(record, model="user_knn") for record in records(0.0)], ["user_knn"], 0)
    text = toml(results, {"item_knn": {"decay": 0.9}, "user_knn": {"decay": 0.8}}, ["A head"])
    assert tomllib.loads(text) == {"models": {"item_knn": {"decay": 0.7, "neighbours": 50}}}
    assert text.startswith("# A head\n")
    assert "# item_knn: NDCG@10 0.5000 → 0.5500, +0.0500 (" in text
    assert "# user_knn: NDCG@10 0.5000 → 0.5000" in text
    every = {"a": True, "b": 1e-07, "c": 3, "d": "gru", "e": 0.5}
    assert tomllib.loads(toml([replace(results[0], settings=every)], {}, []))["models"]["item_knn"] == every


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    record = Record("ease", {"ridge": 1e-07, "ahead": 0.3}, 1 / 3, 1.5, 0.25)
    kept.add(record)
    (again,) = journal(tmp_path).records
    assert again.trial == record.trial
    assert {**asdict(again), "users": ()} == asdict(record)
    assert journal(tmp_path).find(record.trial) is not None
    assert DRAWS == 9
