"""Looking rows up."""

from typing import Any

import keras
import numpy as np
from keras import ops

from models.layers.lookup import looked_up


class Total(keras.Model):
    """The sum of the rows that are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.table = self.add_weight(shape=(4, 1), initializer="zeros", name="table")

    def call(self, rows: Any, training: bool = False) -> Any:
        total = ops.sum(looked_up(self.table, rows))
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
