"""The training loop: early stop, best weights, interruptions, later events, losses that are no numbers."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse as sp

from models import training_loop
from models.sasrec import SASRec, SASRecConfig
from models.training import HeldOut, TrainingData
from models.training_loop import CHECKPOINT, DivergedError
from tests.models.examples import N_ITEMS, N_USERS, example, histories_of, silent

CONFIG = SASRecConfig(dim=4, blocks=1, length=6, batch_rows=8, epochs=5, patience=2, learning_rate=0.01)
ANYBODY = HeldOut(np.arange(N_USERS), example(), sp.csr_array(np.eye(N_USERS, N_ITEMS, dtype=np.float32)))


def judged(monkeypatch: pytest.MonkeyPatch, values: list[float | BaseException]) -> list[list[Any]]:
    """Validation gives these values, epoch by epoch; returns the weights that it saw."""
    seen: list[list[Any]] = []

    def quality(model: SASRec, held_out: HeldOut) -> float:
        seen.append(model.network.get_weights())
        value = values[len(seen) - 1]
        if isinstance(value, BaseException):
            raise value
        return value

    monkeypatch.setattr(training_loop, "quality", quality)
    return seen


def assert_weights(found: list[Any], expected: list[Any]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_best_weights_are_kept_and_their_epochs_are_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = judged(monkeypatch, [0.1, 0.3, 0.3, 0.2, 0.9])
    model = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY))
    assert len(seen) == 4  # two epochs without a better one
    assert_weights(model.network.get_weights(), seen[1])
    assert (model.config.epochs, model.trained.epochs, model.trained.ndcg) == (2, 2, 0.3)


def test_without_validation_all_epochs_are_learned() -> None:
    model = SASRec(CONFIG).fit(TrainingData(example()))
    assert (model.config, model.trained.epochs, model.trained.ndcg) == (CONFIG, 5, None)


def test_an_interrupted_training_ends_as_if_it_had_not_been(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = [0.1, 0.3, 0.2, 0.4, 0.1]
    judged(monkeypatch, values)
    whole = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY))
    judged(monkeypatch, [0.1, 0.3, KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY, workspace=tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]
    seen = judged(monkeypatch, values[2:])
    again = SASRec(CONFIG).fit(TrainingData(example(), validation=ANYBODY, workspace=tmp_path))
    assert len(seen) == 3
    assert_weights(again.network.get_weights(), whole.network.get_weights())
    assert again.trained == whole.trained


def test_a_loss_that_is_no_number_is_told_with_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    learned, calls = keras.Model.train_on_batch, []

    def broken(self: keras.Model, *args: Any, **more: Any) -> Any:
        calls.append(self.network.get_weights())
        return {"loss": np.nan} if len(calls) == 2 * steps + 2 else learned(self, *args, **more)

    steps = len(list(SASRec(CONFIG).training_batches(example(), np.random.default_rng(0))))
    monkeypatch.setattr(keras.Model, "train_on_batch", broken)
    model = SASRec(CONFIG)
    with pytest.raises(DivergedError, match=r"sasrec epoch 3 of 5: the loss of batch 2 is nan.*sasrec.learning_rate"):
        model.fit(TrainingData(example()))
    assert_weights(model.network.get_weights(), calls[2 * steps])


def test_going_on_starts_from_the_weights_and_new_items_are_added() -> None:
    model = SASRec(CONFIG).fit(TrainingData(example()))
    before = model.network.get_weights()
    model.go_on(TrainingData(silent(3, N_ITEMS + 2)))  # nothing to learn: what it starts from shows
    after = model.network.get_weights()
    assert after[0].shape == (N_ITEMS + 2, 4)
    assert_weights([after[0][:N_ITEMS], *after[1:]], before)
    assert len(np.unique(after[0][N_ITEMS:])) == 8
    with pytest.raises(ValueError, match="sasrec learned 14 items, got histories over only 12"):
        model.go_on(TrainingData(example()))


def test_later_events_are_learned() -> None:
    items = [[1, 2, 3, 1, 2, 3]] * 20
    config = SASRecConfig(dim=8, blocks=1, length=6, batch_rows=8, epochs=40, learning_rate=0.01)
    model = SASRec(config).fit(TrainingData(histories_of(*items, n_items=4)))
    later = histories_of(*[[*row, 4] for row in items], n_items=5)
    top = model.go_on(TrainingData(later)).recommend(histories_of([1, 2, 3, 1, 2, 3], n_items=5), 1, seen=True)
    assert model.trained.epochs == 10
    assert top.items.tolist() == [[4]]


def test_what_the_manifest_tells(tmp_path: Path) -> None:
    model = SASRec(CONFIG).fit(TrainingData(example(), seed=7))
    model.save(tmp_path)
    assert SASRec.load(tmp_path).trained == model.trained
    assert (model.trained.seed, model.trained.examples) == (7, model.places(example()))
    assert {file.name for file in tmp_path.iterdir()} == {"manifest.json", "arrays.npz", "network.keras"}


def test_seeds_matter() -> None:
    one, other = (SASRec(CONFIG).fit(TrainingData(example(), seed=seed)).score(example()) for seed in (0, 1))
    assert not np.allclose(one, other)


def test_items_without_events_are_not_recommended() -> None:
    model = SASRec(CONFIG).fit(TrainingData(example()))
    assert np.isnan(model.item_vectors()).all(axis=1).tolist() == [False] * 10 + [True] * 2
    assert model.recommend(example(), N_ITEMS, seen=True).items.max() == 9
