"""Looking rows up."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models.layers import lookup
from models.layers.lookup import gather, look_up


class Total(keras.Model):
    """The sum of the rows that are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.table = self.add_weight(shape=(4, 1), initializer="zeros", name="table")

    def call(self, rows: Any, training: bool = False) -> Any:
        total = ops.sum(look_up(self.table, rows))
        self.add_loss(total)
        return total


def test_a_row_that_is_looked_up_often_moves_as_far_as_another() -> None:
    model = Total()
    adam = keras.optimizers.Adam(0.001)
    model.compile(optimizer=adam, loss=None)
    model.train_on_batch(np.array([1, 1, 1, 1, 2]))
    velocity = next(variable for variable in adam.variables if variable.name.endswith("velocity"))
    gradient = np.array([0, 4, 1, 0])
    np.testing.assert_allclose(ops.convert_to_numpy(velocity)[:, 0], 0.001 * gradient**2, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], -0.001 * np.sign(gradient), rtol=1e-4)


class Weighted(keras.Model):
    """Σ of what is looked up, each number with a weight of its own, which is then its gradient."""

    def __init__(self, table: np.ndarray, weights: np.ndarray) -> None:
        super().__init__()
        self.table = self.add_weight(shape=table.shape, initializer=keras.initializers.Constant(table), name="table")
        self.weights_of = weights
        self.built = True

    def call(self, rows: Any, training: bool = False) -> Any:
        total = ops.sum(gather(self.table, rows) * self.weights_of)
        self.add_loss(total)
        return total


@pytest.mark.parametrize(("n", "d", "small"), [(7, 1, 4096), (7, 8, 4096), (7, 9, 4096), (300, 2, 4096), (7, 3, 6)])
def test_a_gpu_adds_up_the_same_gradient(n: int, d: int, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By masked sums, by a product, and by a scatter: the rows move by -1 · Σ of what was looked up of them."""
    monkeypatch.setattr(lookup, "on_gpu", lambda: True)
    monkeypatch.setattr(lookup, "SMALL_TABLE", small)
    random = np.random.default_rng(0)
    table, rows = random.random((n, d)).astype("float32"), random.integers(0, n, (4, 5)).astype(np.int32)
    weights = random.random((4, 5, d)).astype("float32")
    model = Weighted(table, weights)
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=None)
    result = model.train_on_batch(rows)
    np.testing.assert_allclose(result, (table[rows] * weights).sum(), rtol=1e-5)
    expected = table.copy()
    np.subtract.at(expected, rows, weights)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-5, atol=1e-5)
