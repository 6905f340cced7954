"""Dropout's own random bits."""

import keras
import numpy as np
from keras import ops

from models.layers.dropout import Dropout


def dropped(rate: float, calls: int, shape: tuple[int, ...] = (40, 50, 64)) -> np.ndarray:
    keras.utils.set_random_seed(0)
    layer = Dropout(rate)
    return np.array([ops.convert_to_numpy(layer(np.ones(shape, np.float32), training=True)) for _ in range(calls)])


def test_the_share_that_is_asked_for() -> None:
    for rate in (0.1, 0.5, 0.9):
        kept = dropped(rate, 2) > 0
        n = kept.size
        deviation = (rate * (1 - rate) / n) ** 0.5
        assert abs(kept.mean() - (1 - rate)) < 5 * deviation
        # Two places, next to each other on any axis (calls, rows, places, numbers), differ as independent ones do.
        for axis in range(kept.ndim):
            differ = np.diff(kept.astype(int), axis=axis) != 0
            assert abs(differ.mean() - 2 * rate * (1 - rate)) < 8 * deviation + 1e-3


def test_what_is_kept_is_scaled() -> None:
    assert set(np.unique(dropped(0.75, 1)).tolist()) == {0.0, 4.0}


def test_the_same_seed_gives_the_same_bits() -> None:
    np.testing.assert_array_equal(dropped(0.3, 2), dropped(0.3, 2))


def test_nothing_is_dropped_when_it_predicts() -> None:
    x = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(ops.convert_to_numpy(Dropout(0.5)(x, training=False)), x)
