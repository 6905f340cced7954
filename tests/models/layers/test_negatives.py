"""Shared negatives: what is drawn, how batches are numbered, and that learning in rows is learning."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models.base import TrainingData
from models.layers.losses import sampled_softmax_cross_entropy
from models.layers.negatives import SharedNegativesLoss, expected_counts, over_own_items, shared_negatives
from models.layers.packing import ITEM, SEGMENT, TARGET
from models.neural import sasrec
from models.neural.sasrec import SASRec, SASRecConfig
from models.training import loop
from tests.support.examples import N_ITEMS, example, histories_of

CONFIG = SASRecConfig(dim=4, blocks=1, length=6, batch_rows=8, epochs=2, full_softmax_items=0, negatives=200)


@cache
def learned() -> list[Any]:
    """The weights of a training that nothing interrupts."""
    return SASRec(CONFIG).fit(TrainingData(example())).network.get_weights()


def test_half_of_a_draw_is_by_popularity_and_half_is_even() -> None:
    histories = histories_of([2, 2, 2], [2], n_items=50)
    drawn = shared_negatives(histories, 1001, np.random.default_rng(0))
    assert (drawn[:500] == 2).all()
    assert len(np.unique(drawn[500:])) == 50
    np.testing.assert_array_equal(drawn, shared_negatives(histories, 1001, np.random.default_rng(0)))


@pytest.mark.parametrize("k", [1, 7, 100])
def test_expected_counts_are_what_is_drawn_on_average(k: int) -> None:
    histories = histories_of([0, 1, 1, 3], [3, 3], n_items=5)
    expected = expected_counts(histories, k)
    np.testing.assert_allclose(expected.sum(), k, rtol=1e-6)
    random = np.random.default_rng(0)
    drawn = np.concatenate([shared_negatives(histories, k, random) for _ in range(30_000 // k)])
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / len(drawn) * k, expected, rtol=0.05)


def test_items_of_a_batch_are_numbered_anew() -> None:
    rows = np.zeros((1, 4, 4), np.int32)
    rows[0, ITEM], rows[0, SEGMENT], rows[0, TARGET] = [70, 20, 70, 0], [1, 1, 1, 0], [20, 70, 90, 0]
    batch = over_own_items(rows, np.array([90, 50, 90]), np.arange(100, dtype=np.float32))
    assert batch["items"].tolist() == [20, 50, 70, 90]
    assert batch["rows"][0, ITEM].tolist() == [2, 0, 2, 0]
    assert batch["rows"][0, TARGET].tolist() == [0, 2, 3, 0]
    assert batch["negatives"].tolist() == [3, 1, 3]
    assert batch["log_counts"].tolist() == [90, 50, 90]


class WholeTable(keras.Model):
    """The same loss with all embeddings as weights of the model, as it would be without parts."""

    def __init__(self, network: keras.Model, most: int) -> None:
        super().__init__()
        self.network = network

    def call(self, batch: Any, training: bool = False) -> Any:
        rows = batch["rows"]
        part = ops.take(self.network.own, batch["items"], axis=0)
        hidden = ops.reshape(self.network.hidden(rows, part, None, training=training), (-1, CONFIG.dim))
        real = ops.reshape(ops.cast(rows[:, SEGMENT] > 0, "float32"), (-1,))
        targets = ops.reshape(rows[:, TARGET], (-1,))
        sample = batch["negatives"], batch["log_counts"]
        loss = sampled_softmax_cross_entropy(hidden, part, targets, real / ops.sum(real), *sample)
        self.add_loss(loss)
        return loss

    def put_back(self) -> None:
        """All is there already."""

    steps_on_host = True  # its batches have different numbers of items


def test_where_each_step_has_all_items_it_is_adam(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng((0, 0))
    assert all(len(batch["items"]) == N_ITEMS for batch, _ in SASRec(CONFIG).training_batches(example(), random))
    result = learned()
    monkeypatch.setattr(sasrec, "SharedNegativesLoss", WholeTable)
    expected = SASRec(CONFIG).fit(TrainingData(example())).network.get_weights()
    for ours, theirs in zip(result, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_step_moves_the_rows_of_its_batch_alone() -> None:
    model = SASRec(CONFIG)
    keras.utils.set_random_seed(0)
    network = model.network_of(1000)
    before = network.get_weights()[0]
    loss = SharedNegativesLoss(network, 40)
    adam = keras.optimizers.Adam(0.01)
    loss.compile(optimizer=adam, loss=None)
    adam.build(loss.trainable_variables)
    rows = np.zeros((1, 4, 6), np.int32)
    rows[0, ITEM], rows[0, SEGMENT], rows[0, TARGET] = [7, 8, 9, 0, 0, 0], [1, 1, 1, 0, 0, 0], [8, 9, 500, 0, 0, 0]
    loss.train_on_batch(over_own_items(rows, np.array([700, 9]), np.zeros(1000, np.float32)))
    np.testing.assert_array_equal(network.get_weights()[0], before)  # not yet
    loss.put_back()
    moved = np.flatnonzero((network.get_weights()[0] != before).any(axis=1))
    assert moved.tolist() == [7, 8, 9, 500, 700]
    for moments in loss.moments:
        assert np.flatnonzero(np.array(moments).any(axis=1)).tolist() == [7, 8, 9, 500, 700]


@pytest.mark.parametrize("seconds", [pytest.param(60.0, marks=pytest.mark.slow), 0.0])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    seconds: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Checkpoints after epochs and, with 0 seconds between them, after every batch."""
    whole = learned()
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", seconds)
    train, calls = SharedNegativesLoss.train_on_batch, []

    def interrupted(self: SharedNegativesLoss, *args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == steps + 4:
            raise KeyboardInterrupt
        return train(self, *args, **more)

    steps = len(list(SASRec(CONFIG).training_batches(example(), np.random.default_rng((0, 0)))))
    with monkeypatch.context() as patched:
        patched.setattr(SharedNegativesLoss, "train_on_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            SASRec(CONFIG).fit(TrainingData(example(), workspace=tmp_path))
    again = SASRec(CONFIG).fit(TrainingData(example(), workspace=tmp_path))
    for ours, theirs in zip(again.network.get_weights(), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
