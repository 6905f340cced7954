"""The training loop: early stop, best weights, interruptions, later events, losses that are no numbers."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.base import TrainingData
from models.neural.sasrec import SASRec, SASRecConfig
from models.training import loop
from models.training.checkpoint import FILE as CHECKPOINT
from models.training.event_file import CURVES
from models.training.loop import DivergedError, Training
from models.training.steps import Steps
from tests.support.examples import N_ITEMS, example, histories_of, silent
from tests.support.networks import ANYBODY, CONFIG, assert_weights, curve_events, set_validation

KILLED = """
import os, signal, sys
from pathlib import Path
from models.training import loop, steps
from models.neural.sasrec import SASRec
from models.base import TrainingData
from tests.support.examples import example
from tests.support.networks import CONFIG

def keep(self, now, keep=loop.Training._keep, done=[]):
    keep(self, now)
    done.extend([0] if self.batches else [])
    if len(done) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

loop.CHECKPOINT_SECONDS = steps.CALL_SECONDS = 0
loop.Training._keep = keep
SASRec(CONFIG).fit(TrainingData(example(), seed=3, workspace=Path(sys.argv[1])))
"""


@cache
def undisturbed(seed: int = 0) -> SASRec:
    """After a training without validation or interruption; nobody changes it."""
    return SASRec(CONFIG).fit(TrainingData(example(), seed=seed))


def test_the_best_weights_are_kept_and_their_epochs_are_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set_validation(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.3, 0.2, 0.2, 0.9])
    model = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY))
    assert len(seen) == 7  # two epochs without a better one
    assert_weights(model.network.get_weights(), seen[1])
    assert (model.config.epochs, model.trained.epochs, model.trained.ndcg) == (2, 2, 0.3)


def test_the_running_mean_of_the_epochs_is_kept_where_it_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MEAN_KEPT", 0.5)
    seen = set_validation(monkeypatch, [0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.4, 0.3, 0.3])
    model = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY))
    assert (model.config.epochs, model.trained.ndcg) == (4, 0.4)
    first, second, _, third, _, fourth, *_ = seen
    for result, *epochs in zip(model.network.get_weights(), first, second, third, fourth, strict=True):
        # 2/3 of the second is new, then half of each
        np.testing.assert_allclose(result, np.tensordot([1 / 12, 1 / 6, 1 / 4, 1 / 2], epochs, 1), atol=1e-6)
    assert_weights(model.network.get_weights(), seen[6])


def test_without_validation_all_epochs_are_learned() -> None:
    model = undisturbed()
    assert (model.config, model.trained.epochs, model.trained.ndcg) == (CONFIG, 5, None)


@pytest.mark.slow
def test_an_interrupted_training_ends_as_if_it_had_not_been(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = [0.1, 0.3, 0.2, 0.2, 0.2, 0.2, 0.4, 0.1, 0.1]  # the mean of four epochs is best
    set_validation(monkeypatch, values)
    whole = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY))
    set_validation(monkeypatch, [*values[:3], KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY, workspace=tmp_path))
    assert {file.name for file in tmp_path.iterdir()} == {CHECKPOINT, CURVES}
    seen = set_validation(monkeypatch, values[3:])
    again = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY, workspace=tmp_path))
    assert len(seen) == 6
    assert_weights(again.network.get_weights(), whole.network.get_weights())
    assert again.trained == whole.trained


@pytest.mark.slow
@pytest.mark.parametrize("batch", [7, -1])
def test_a_training_that_was_killed_goes_on_within_the_epoch(batch: int, tmp_path: Path) -> None:
    """A process of its own dies by SIGKILL in its third epoch, after `batch` batches of it."""
    steps = len(list(SASRec(CONFIG).training_batches(example(), np.random.default_rng(0))))
    died = 2 * steps + (batch if batch > 0 else steps)
    words = [sys.executable, "-c", KILLED, str(tmp_path), str(died)]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with np.load(tmp_path / CHECKPOINT) as stored:
        assert stored["state"][:2].tolist() == [2, died - 2 * steps]
    learned: list[float] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        learn = Steps.learn
        monkeypatch.setattr(Steps, "learn", lambda self, *args: learned.extend(args[1]) or learn(self, *args))
        again = SASRec(CONFIG).fit(TrainingData(example(), seed=3, workspace=tmp_path))
    assert len(learned) == 5 * steps - died
    whole = undisturbed(seed=3)
    assert_weights(again.network.get_weights(), whole.network.get_weights())
    assert again.trained == whole.trained


def test_checkpoints_within_an_epoch_come_every_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A batch takes twelve seconds of a clock that stands still meanwhile: every fifth batch leaves a checkpoint."""
    kept: list[tuple[int, int]] = []
    now = 0.0
    keep, train = Training._keep, keras.Model.train_on_batch

    def twelve_seconds(self: keras.Model, *args: Any, **more: Any) -> Any:
        nonlocal now
        now += 12
        return train(self, *args, **more)

    monkeypatch.setattr(Training, "_keep", lambda self, now: kept.append((self.epoch, self.batches)) or keep(self, now))
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    monkeypatch.setattr(keras.Model, "train_on_batch", twelve_seconds)
    config = replace(CONFIG, epochs=2, batch_rows=1)
    SASRec(config).fit(TrainingData(example(), workspace=tmp_path))
    batches = len(list(SASRec(config).training_batches(example(), np.random.default_rng(0))))
    assert batches > 10
    assert [done for epoch, done in kept if epoch == 0] == list(range(5, batches, 5))
    assert [epoch for epoch, done in kept if not done] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [b"", b"PK\x03\x04 half a file", None])
def test_a_checkpoint_that_cannot_be_read_is_not_gone_on_from(
    spoilt: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if spoilt is None:  # another network's
        SASRec(replace(CONFIG, dim=8)).fit(TrainingData(example(), workspace=tmp_path))
    else:
        (tmp_path / CHECKPOINT).write_bytes(spoilt)
    result = SASRec(CONFIG).fit(TrainingData(example(), workspace=tmp_path))
    assert ("cannot be read" if spoilt is not None else "sasrec trains from the beginning") in caplog.text
    assert_weights(result.network.get_weights(), undisturbed().network.get_weights())


@pytest.mark.slow
def test_curves_tell_of_every_epoch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_validation(monkeypatch, [0.25, 0.5, 0.375, 0.125, 0.25, 0.125, 0.25])
    SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY, workspace=tmp_path))
    _, *result = curve_events(tmp_path / CURVES)
    scalars = [{value.tag: value.simple_value for value in event.summary.value} for event in result]
    assert [event.step for event in result] == [1, 2, 3, 4]
    assert [scalar["validation NDCG@10"] for scalar in scalars] == [0.25, 0.5, 0.125, 0.125]
    assert [scalar.get("of the mean") for scalar in scalars] == [None, 0.375, 0.25, 0.25]
    assert scalars[-1]["loss"] < scalars[0]["loss"] < 1.5 * np.log(N_ITEMS)
    assert all(scalar["events/s"] > 0 for scalar in scalars)


@pytest.mark.slow
def test_bfloat16_is_for_training_alone(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    seen = set_validation(monkeypatch, [0.1] * 5)
    model = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY, mixed_precision=True))
    assert "in bfloat16" in caplog.text
    assert {weights.dtype for weights in seen[0]} >= {np.dtype(np.float32)}
    assert model.network.compute_dtype == keras.config.dtype_policy().name == "float32"
    assert_weights(model.network.get_weights(), seen[0])
    plain = SASRec(replace(CONFIG, epochs=1)).fit(TrainingData(example(), mixed_precision=False))
    with pytest.raises(AssertionError):
        assert_weights(plain.network.get_weights(), seen[0])
    scores, expected = model.score(example()), plain.score(example())
    known = np.isfinite(expected)
    np.testing.assert_allclose(scores[known], expected[known], atol=0.05 * np.abs(expected[known]).max())


def test_a_loss_that_is_no_number_is_told_with_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    learn, calls = Steps.learn, []

    def broken(self: Steps, *args: Any) -> Any:
        calls.append(self.loss.network.get_weights())
        losses = learn(self, *args)
        return losses * np.nan if len(calls) == 2 * steps + 2 else losses

    monkeypatch.setattr("models.training.steps.CALL_SECONDS", 0)
    steps = len(list(SASRec(CONFIG).training_batches(example(), np.random.default_rng(0))))
    monkeypatch.setattr(Steps, "learn", broken)
    model = SASRec(CONFIG)
    with pytest.raises(DivergedError, match=r"sasrec epoch 3 of 5: the loss of batch 2 is nan.*sasrec.learning_rate"):
        model.fit(TrainingData(example()))
    assert_weights(model.network.get_weights(), calls[2 * steps])


def test_weights_that_are_no_numbers_are_told_although_the_loss_was_one(monkeypatch: pytest.MonkeyPatch) -> None:
    learn, before = Steps.learn, []

    def broken(self: Steps, *args: Any) -> Any:
        network = self.loss.network
        before.append(network.get_weights())
        losses = learn(self, *args)
        if len(before) == 2 * steps:
            network.weights[0].assign(np.full(network.weights[0].shape, np.inf))
        return losses

    monkeypatch.setattr("models.training.steps.CALL_SECONDS", 0)
    steps = len(list(SASRec(CONFIG).training_batches(example(), np.random.default_rng(0))))
    monkeypatch.setattr(Steps, "learn", broken)
    model = SASRec(CONFIG)
    with pytest.raises(DivergedError, match=rf"sasrec epoch 2 of 5: batch {steps}, the last, made weights that are no"):
        model.fit(TrainingData(example()))
    assert_weights(model.network.get_weights(), before[steps])


def test_going_on_starts_from_the_weights_and_new_items_are_added() -> None:
    model = SASRec(CONFIG).fit(TrainingData(example()))
    before = model.network.get_weights()
    model.refit(TrainingData(silent(3, N_ITEMS + 2)))  # nothing to learn: what it starts from shows
    after = model.network.get_weights()
    assert after[0].shape == (N_ITEMS + 2, 4)
    assert_weights([after[0][:N_ITEMS], *after[1:]], before)
    assert len(np.unique(after[0][N_ITEMS:])) == 8
    with pytest.raises(ValueError, match="sasrec learned 14 items, got histories over only 12"):
        model.refit(TrainingData(example()))


@pytest.mark.slow
def test_going_on_ends_with_the_mean_of_its_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SASRec(replace(CONFIG, epochs=8)).fit(TrainingData(example()))
    after: list[list[Any]] = []

    def watched(self: Training, ahead: Any, one_epoch: Any = Training._one_epoch) -> Any:
        progress = one_epoch(self, ahead)
        after.append(self.model.network.get_weights())
        return progress

    monkeypatch.setattr(Training, "_one_epoch", watched)
    model.refit(TrainingData(example()))
    assert len(after) == 2
    for result, first, second in zip(model.network.get_weights(), *after, strict=True):
        np.testing.assert_allclose(result, (first + 2 * second) / 3, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_later_events_are_learned() -> None:
    items = [[1, 2, 3, 1, 2, 3]] * 20
    config = SASRecConfig(dim=8, blocks=1, length=6, batch_rows=8, epochs=40, learning_rate=0.01)
    model = SASRec(config).fit(TrainingData(histories_of(*items, n_items=4)))
    later = histories_of(*[[*row, 4] for row in items], n_items=5)
    top = model.refit(TrainingData(later)).recommend(histories_of([1, 2, 3, 1, 2, 3], n_items=5), 1, seen=True)
    assert model.trained.epochs == 10
    assert top.items.tolist() == [[4]]


def test_what_the_manifest_tells(tmp_path: Path) -> None:
    model = SASRec(CONFIG).fit(TrainingData(example(), seed=7))
    model.save(tmp_path)
    assert SASRec.load(tmp_path).trained == model.trained
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["versions"] == {
        "encore": version("encore"),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }
    assert manifest["config"] == asdict(model.config)
    assert manifest["trained"] == model.trained._asdict()
    assert manifest["vocabulary"] is None
    assert (model.trained.seed, model.trained.examples) == (7, model.examples_per_epoch(example()))
    assert {file.name for file in tmp_path.iterdir()} == {"manifest.json", "arrays.npz", "network.keras"}


def test_seeds_matter() -> None:
    one, other = (undisturbed(seed).score(example()) for seed in (0, 1))
    assert not np.allclose(one, other)


def test_items_without_events_are_not_recommended() -> None:
    model = undisturbed()
    assert np.isnan(model.item_vectors()).all(axis=1).tolist() == [False] * 10 + [True] * 2
    assert model.recommend(example(), N_ITEMS, seen=True).items.max() == 9
