"""The chunked cross-entropies against Keras' own on whole logits."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models.layers import lookup, losses
from models.layers.losses import sampled_softmax_cross_entropy, softmax_cross_entropy


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


def example(n: int) -> tuple[Any, Any, Any]:
    """Hidden states, an item table, and targets with weights, of which one is 0."""
    random = np.random.default_rng(n)
    hidden, table = random.normal(size=(n, 5)).astype("float32"), random.normal(size=(30, 5)).astype("float32")
    return (
        hidden,
        table,
        (random.integers(0, 30, n).astype("int32"), random.random(n).astype("float32") * (np.arange(n) != 2)),
    )


def assert_same(ours: Any, theirs: Any, hidden: Any, table: Any, x: Any) -> None:
    """Two losses and their gradients."""
    result = []
    for loss in (ours, theirs):
        model = Weights(loss, hidden, table)
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss=None)
        result.append((model.train_on_batch(x, return_dict=True)["loss"], *model.get_weights()))
    for one, other in zip(*result, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, 8, 20])
def test_loss_and_gradients_are_those_of_whole_logits(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "POSITIONS", 8)
    assert_same(softmax_cross_entropy, dense, *example(n))


def dense_sample(hidden: Any, table: Any, targets: Any, weights: Any, negatives: Any, log_counts: Any) -> Any:
    table = ops.convert_to_tensor(table)
    drawn = ops.matmul(hidden, ops.transpose(ops.take(table, negatives, axis=0))) - log_counts
    drawn = ops.where(targets[:, None] == negatives[None], -np.inf, drawn)
    own = ops.sum(hidden * ops.take(table, targets, axis=0), axis=1, keepdims=True)
    logits = ops.concatenate([own, drawn], axis=1)
    return ops.sum(weights * keras.losses.sparse_categorical_crossentropy(targets * 0, logits, from_logits=True))


@pytest.mark.parametrize("n", [1, 7, 8, 20])
def test_sampled_loss_and_gradients_are_those_of_whole_logits(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "POSITIONS", 8)
    hidden, table, x = example(n)
    negatives = np.array([3, 8, 8, int(x[0][0]), 11], np.int32)  # one twice, and one place's own target
    log_counts = np.log(np.random.default_rng(0).random(5)).astype("float32")
    assert_same(sampled_softmax_cross_entropy, dense_sample, hidden, table, (*x, negatives, log_counts))


def test_the_sampled_denominator_is_on_average_that_of_all_items() -> None:
    """Of one draw with chances q all outcomes are enumerated: Σ_j q_j Z(j) = Σ_i exp(h · e_i), whatever q."""
    hidden, table, (targets, _) = example(1)
    chances = np.random.default_rng(1).dirichlet(np.ones(30)).astype("float32")
    logits = table @ hidden[0]
    average = 0.0
    for drawn in range(30):
        sample = np.array([drawn], np.int32), np.log(chances[[drawn]])
        loss = sampled_softmax_cross_entropy(hidden, table, targets, np.ones(1, np.float32), *sample)
        average += chances[drawn] * np.exp(float(ops.convert_to_numpy(loss)) + logits[targets[0]])
    np.testing.assert_allclose(average, np.exp(logits).sum(), rtol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    hidden, table = np.full((2, 1), 100, np.float32), np.array([[3.0], [1.0]], np.float32)
    loss = softmax_cross_entropy(hidden, table, np.array([0, 1], np.int32), np.ones(2, np.float32))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), 200, rtol=1e-6)  # 0 for the certain item, 300 - 100


@pytest.mark.parametrize("logits", [8 * 30, 1 << 20])
def test_on_a_gpu_they_are_the_same_in_one_product_or_several(logits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (losses, lookup):
        monkeypatch.setattr(module, "on_gpu", lambda: True)
    monkeypatch.setattr(losses, "POSITIONS", 8)
    monkeypatch.setattr(losses, "GPU_LOGITS", logits)
    assert losses.positions_at_once(20, 30) == min(20, logits // 30)
    hidden, table, x = example(20)
    assert_same(softmax_cross_entropy, dense, hidden, table, x)
    negatives = np.array([3, 8, 8, int(x[0][0]), 11], np.int32)
    log_counts = np.log(np.random.default_rng(0).random(5)).astype("float32")
    assert_same(sampled_softmax_cross_entropy, dense_sample, hidden, table, (*x, negatives, log_counts))
