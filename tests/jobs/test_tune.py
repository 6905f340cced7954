"""`encore tune` on a complete night: a file that changes nothing, the same each time, from validation alone."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.cli import main
from jobs.learning import search
from jobs.learning.search import Record, Trial
from jobs.settings import Settings
from tests.support.tastes import ITEMS, Change, Events, night_of, orders, publish
from tests.support.warehouse import borrowed, use

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def one_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search ends by itself, so that no test depends on how fast this machine is."""
    monkeypatch.setattr(search, "BRACKETS", 1)


def complete(config: Settings, change: Change = lambda tonight: tonight) -> None:
    """A night of movies that is published, with a test of its own."""
    publish(night_of(config, 3, change=change))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with such a night."""
    folder = tmp_path_factory.mktemp("night")
    with pytest.MonkeyPatch.context() as monkeypatch:
        complete(use(folder, monkeypatch))
    return folder


@pytest.fixture
def after(night: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of that warehouse, for one test."""
    with borrowed(night, monkeypatch) as config:
        yield config


def tune(target: Path, *words: str) -> int:
    return main(["tune", "--domain", "movies", "--to", str(target), "--minutes", "20", *words])


def kept(target: Path) -> list[dict[str, Any]]:
    """The records beside the file, without what the clock says."""
    records = json.loads(target.with_name(f"{target.name}.trials.json").read_bytes())["records"]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def test_settings_are_found_and_adopted(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """With one neighbour an item, few of the right half of the items are found: there is better."""
    bad = tmp_path / "bad.toml"
    bad.write_text("[models.item_knn]\nneighbours = 1\ndecay = 0.01\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(bad))
    complete(config)
    target = tmp_path / "tuned.toml"
    assert tune(target, "--models", "item_knn") == 0
    out = capsys.readouterr().out
    result = json.loads(out.splitlines()[-1])
    assert result == {"file": target.as_uri(), "trials": 14, "better": ["item_knn"]}
    values = tomllib.loads(target.read_text())["models"]["item_knn"]
    assert set(values) == {"neighbours", "decay"}
    assert values["neighbours"] >= 20
    monkeypatch.setenv("ENCORE_CONFIG", str(target))
    assert main(["config", "check"]) == 0
    assert main(["config", "show"]) == 0
    assert f"models.item_knn.neighbours = {values['neighbours']}" in capsys.readouterr().out


def test_nothing_is_adopted_by_itself(after: Settings, tmp_path: Path) -> None:
    """The next night has the settings that it had."""
    assert tune(tmp_path / "tuned.toml", "--models", "item_knn") == 0
    assert night_of(after, 4).model_settings("item_knn") == {}


def test_own_settings_stay_where_nothing_is_better(after: Settings, tmp_path: Path, capsys: Captured) -> None:
    """`item_knn` chooses its own settings on the same validation."""
    target = tmp_path / "tuned.toml"
    assert tune(target, "--models", "item_knn") == 0
    assert tomllib.loads(target.read_text()) == {}
    assert "keep its own settings: not better by more than the interval" in target.read_text()


def test_the_test_is_not_read(config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the events of the last day other items', all trials give what they gave."""

    def other(tonight: Events) -> Events:
        users, items = tonight[:, 0], (tonight[:, 1] + 71) % ITEMS
        listed = orders()[users, -1]  # what the night's lists hold, which nobody may have had
        return np.stack([users, np.where(items == listed, tonight[:, 1], items), tonight[:, 2]], axis=1)

    targets = []
    for name, change in (("first", lambda tonight: tonight), ("other", other)):
        (tmp_path / name).mkdir()
        with monkeypatch.context() as patch:
            complete(use(tmp_path / name, patch), change)
            targets.append(tmp_path / name / "tuned.toml")
            assert tune(targets[-1], "--models", "popularity") == 0
    assert kept(targets[0]) == kept(targets[1])


def test_a_search_that_was_killed_goes_on(after: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure, tried = search.measure, []

    def counted(trial: Trial, *given: Any) -> Record:
        tried.append(trial)
        if len(tried) == 4:
            raise KeyboardInterrupt
        return measure(trial, *given)

    monkeypatch.setattr("jobs.tune.measure", counted)
    assert tune(tmp_path / "a.toml", "--models", "popularity") == 130
    assert not (tmp_path / "a.toml").exists()
    assert tune(tmp_path / "a.toml", "--models", "popularity") == 0
    assert tune(tmp_path / "b.toml", "--models", "popularity") == 0
    assert len(tried) == 1 + 14 + 14, "the one that was killed is tried again, none of those that were kept"
    assert kept(tmp_path / "a.toml") == kept(tmp_path / "b.toml")


def test_a_file_of_another_search_is_refused(after: Settings, tmp_path: Path, capsys: Captured) -> None:
    assert tune(tmp_path / "a.toml", "--models", "popularity") == 0
    assert tune(tmp_path / "a.toml", "--models", "popularity", "--seed", "1") == 2
    assert "holds trials of another search, whose seed was 0 and not 1" in capsys.readouterr().err


def test_a_budget_too_small_for_one_trial_says_so(after: Settings, tmp_path: Path, capsys: Captured) -> None:
    assert main(["tune", "--domain", "movies", "--minutes", "1e-9", "--to", str(tmp_path / "a.toml")]) == 2
    assert "--minutes 1e-09 ended before the first trial of item_knn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "ensemble"], "cannot search settings of ['ensemble']; there are: popularity, item_knn"),
        (["--models", ","], "cannot search settings of []"),
        (["--minutes", "0"], "must be above 0 and at most 10080 minutes, got '0'"),
        (["--minutes", "nan"], "must be above 0 and at most 10080 minutes, got 'nan'"),
    ],
)
def test_wrong_words_are_refused(words: list[str], message: str, config: Settings, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["tune", "--domain", "movies", *words])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_domain_without_a_complete_night_is_refused(after: Settings, tmp_path: Path, capsys: Captured) -> None:
    assert main(["tune", "--domain", "games", "--to", str(tmp_path / "a.toml")]) == 2
    assert "games: no night is complete" in capsys.readouterr().err
