"""The chunked cross-entropy against Keras' own on whole logits."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models import losses
from models.losses import softmax_cross_entropy


class Weights(keras.Model):
    """Hidden states and item table as weights, so that an optimizer step of 1 shows their gradients on any backend."""

    def __init__(self, loss: Any, hidden: Any, table: Any) -> None:
        super().__init__()
        self.loss_of = loss
        self.hidden = self.add_weight(shape=hidden.shape, name="hidden")
        self.table = self.add_weight(shape=table.shape, name="table")
        self.hidden.assign(hidden)
        self.table.assign(table)

    def call(self, x: Any) -> Any:
        loss = self.loss_of(ops.convert_to_tensor(self.hidden), self.table, *x)
        self.add_loss(loss)
        return loss


def dense(hidden: Any, table: Any, targets: Any, weights: Any) -> Any:
    logits = ops.matmul(hidden, ops.transpose(table))
    return ops.sum(weights * keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True))


@pytest.mark.parametrize("n", [1, 7, 8, 20])
def test_loss_and_gradients_are_those_of_whole_logits(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "POSITIONS", 8)
    random = np.random.default_rng(n)
    hidden, table = random.normal(size=(n, 5)).astype("float32"), random.normal(size=(30, 5)).astype("float32")
    x = random.integers(0, 30, n).astype("int32"), random.random(n).astype("float32") * (np.arange(n) != 2)
    found = []
    for loss in (softmax_cross_entropy, dense):
        model = Weights(loss, hidden, table)
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss=None)
        found.append((model.train_on_batch(x, return_dict=True)["loss"], *model.get_weights()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    hidden, table = np.full((2, 1), 100, np.float32), np.array([[3.0], [1.0]], np.float32)
    loss = softmax_cross_entropy(hidden, table, np.array([0, 1], np.int32), np.ones(2, np.float32))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), 200, rtol=1e-6)  # 0 for the certain item, 300 - 100
