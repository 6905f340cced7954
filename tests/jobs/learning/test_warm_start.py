"""With which weights a night's training begins: last night's of the training part, or none, and the log says why."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from jobs.learning.arrays import ids, split
from jobs.learning.warm_start import Start, count_seen, warm_start
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.files import delete_folder
from jobs.storage.frames import read, write
from jobs.storage.runs import Entry, Run
from jobs.train import new_model
from models.data import HeldOut
from models.vocabulary import Vocabulary
from schemas.names import TaskState
from schemas.working import LEAVE_LAST_OUT, SEQUENCES
from tests.support.examples import silent
from tests.support.tastes import day, jobs, night_of, publish, spoil_vocabulary, with_settings
from tests.support.warehouse import use

LAST = 2
SETTINGS = {"dim": 4, "units": 4, "epochs": 2}


def tonight(config: Settings, run: str, number: int = LAST + 1) -> Night:
    return with_settings(night_of(config, number, run, models=["ncf"]), **SETTINGS)


@pytest.fixture
def before(config: Settings) -> Night:
    """A published night with a trained model."""
    night = tonight(config, "last", LAST)
    assert jobs(night, "train") == [0]
    publish(night)
    return night


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with that night and the next one, which has no model yet."""
    folder = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = use(folder, monkeypatch)
        night = tonight(config, "last", LAST)
        assert jobs(night, "train") == [0]
        publish(night)
        tonight(config, "run")
    return folder


@pytest.fixture
def last(nights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """The last night; what a test does to its manifest, and to tonight's, is undone."""
    config = use(nights, monkeypatch)
    both = [made(config, "last", LAST), made(config, "run", LAST + 1)]
    kept = [(night, entry) for night in both for entry in night.run.entries().values()]
    yield both[0]
    for night, entry in kept:
        night.run.record(entry)


def made(config: Settings, run: str, number: int) -> Night:
    """A night that is there already."""
    return Night(config, Run(config.warehouse, "movies", day(number), run))


def begin(last: Night, **settings: Any) -> Start | None:
    """What tonight's training begins with."""
    night = made(last.settings, "run", LAST + 1)
    known = ids(night)
    asked = asdict(new_model(night, "ncf").config) | settings
    return warm_start(night, "ncf", asked, known, split(night, known))


def change(night: Night, task: str, **facts: Any) -> Entry:
    entry = night.run.entry(task)
    night.run.record(replace(entry, facts=entry.facts | facts))
    return entry


@pytest.mark.slow
def test_a_night_begins_with_the_weights_of_the_last(before: Night, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    night = tonight(before.settings, "run")
    assert jobs(night, "train", "evaluate", "gate", "recommend") == [0] * 4
    then, now = before.run.entry("train_ncf").facts, night.run.entry("train_ncf").facts
    assert (then["warm_from"], now["warm_from"]) == (None, then["artifact"])
    assert (then["trained"]["warm"], now["trained"]["warm"]) == (0, 1)
    assert now["config"] == then["config"]
    assert now["learned"] == ["train"]
    known = ids(before)
    assert warm_start(before, "ncf", then["settings"], known, split(before, known)) is None
    assert "ncf trains from scratch: no night is complete before this one" in caplog.text
    assert f"ncf begins with the weights of {then['artifact']}" in caplog.text


def test_the_artifact_of_the_training_part_is_taken(last: Night) -> None:
    result = begin(last)
    assert result is not None
    assert result.address == last.run.entry("train_ncf").facts["artifact"]


@pytest.mark.parametrize("learned", [["train", "validation", "test"], ["train", "test"], None])
def test_weights_that_know_the_held_out_days_are_nobodys_beginning(
    last: Night, learned: list[str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    change(last, "train_ncf", learned=learned)
    assert begin(last) is None
    assert f"has learned {learned}, not ['train']: it may know the test" in caplog.text


def test_a_test_that_has_grown_into_what_was_learned(last: Night, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    change(last, "sequences", validation_from=day(LAST))
    assert begin(last) is not None, "up to where tonight's begins"
    change(last, "sequences", validation_from=day(LAST + 1))
    assert begin(last) is None
    assert (
        f"what was learned up to {day(3)} reaches into tonight's held-out days, which begin on {day(2)}" in caplog.text
    )


def test_without_times_it_is_asked_who_had_what(last: Night, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    change(last, "sequences", split=LEAVE_LAST_OUT)
    assert begin(last) is None
    assert "events were held out by leave_last_out then, by time now" in caplog.text
    change(made(last.settings, "run", LAST + 1), "sequences", split=LEAVE_LAST_OUT)
    assert begin(last) is not None
    table = read(last.tonight("sequences"), SEQUENCES)
    every = table.set_column(4, "part", pa.repeat("train", len(table)))
    leaking = write(every, f"{last.run.new_attempt('sequences')}/sequences")
    last.run.record(replace(last.run.entry("sequences"), files={"sequences": [leaking]}))
    assert begin(last) is None
    assert f"{len(table.filter(pa.compute.equal(table['part'], 'test')))} items of tonight's validation" in caplog.text


@pytest.mark.parametrize(
    ("facts", "message"), [({"trained": {"warm": 6}}, "once in 7 nights it does"), ({"settings": {}}, "other settings")]
)
def test_other_reasons_to_train_from_scratch(
    last: Night, facts: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    change(last, "train_ncf", **facts)
    assert begin(last) is None
    assert message in caplog.text


def test_a_model_that_was_trained_both_ways_begins_with_its_own_way(last: Night) -> None:
    facts = last.run.entry("train_ncf").facts
    other = facts["settings"] | {"dim": 5}
    change(last, "train_ncf", settings=other, artifact="elsewhere", before=facts)
    result = begin(last)
    assert result is not None
    assert result.address == facts["artifact"]


def test_a_night_that_failed_is_no_beginning(last: Night, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    last.run.record(replace(last.run.entry("train_ncf"), state=TaskState.FAILED))
    assert begin(last) is None
    assert "run last of 2026-11-03 has not trained it" in caplog.text


def test_what_cannot_be_read_does_not_stop_the_night(before: Night, caplog: pytest.LogCaptureFixture) -> None:
    night = tonight(before.settings, "run")
    known = ids(night)
    words = asdict(new_model(night, "ncf").config), known, split(night, known)
    artifact = spoil_vocabulary(before.run, "ncf")
    assert warm_start(night, "ncf", *words) is None
    for sha256 in ("0" * 64, Vocabulary.of(known.items.to_pylist()).sha256):
        assert f"200 items with the fingerprint {sha256[:16]}" in caplog.text
    delete_folder(artifact)
    assert warm_start(night, "ncf", *words) is None
    assert caplog.text.count("ncf trains from scratch: last night's model cannot be read") == 2


def test_what_users_had_by_eye() -> None:
    learned = pa.table({"user_row": [0, 0, 2], "item_row": [1, 2, 0]})
    relevant = sp.csr_array(np.array([[1, 0, 1], [1, 1, 1]], np.float32))
    assert count_seen(learned, HeldOut(np.array([0, 2]), silent(2, 3), relevant)) == 2
    assert count_seen(learned, HeldOut(np.array([1, 5]), silent(2, 3), relevant)) == 0
    assert count_seen(learned.slice(0, 0), HeldOut(np.array([1, 5]), silent(2, 3), relevant)) == 0
