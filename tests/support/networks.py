"""A small network, validation whose values the test chooses, and curves as TensorFlow reads them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from models.data import HeldOut
from models.neural import recommender
from models.neural.sasrec import SASRec, SASRecConfig
from tests.support.examples import N_ITEMS, N_USERS, example

CONFIG = SASRecConfig(dim=4, blocks=1, length=6, batch_rows=8, epochs=5, patience=2, learning_rate=0.01)
ANYBODY = HeldOut(np.arange(N_USERS), example(), sp.csr_array(np.eye(N_USERS, N_ITEMS, dtype=np.float32)))
# A training that writes a checkpoint after every batch and dies after some.


def set_validation(monkeypatch: pytest.MonkeyPatch, values: list[float | BaseException]) -> list[list[Any]]:
    """Validation gives these values; returns the weights that it saw. From the second epoch on the mean is second."""
    seen: list[list[Any]] = []

    def mean_ndcg(model: SASRec, held_out: HeldOut) -> float:
        seen.append(model.network.get_weights())
        value = values[len(seen) - 1]
        if isinstance(value, BaseException):
            raise value
        return value

    monkeypatch.setattr(recommender, "mean_ndcg", mean_ndcg)
    return seen


def assert_weights(result: list[Any], expected: list[Any]) -> None:
    for ours, theirs in zip(result, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def curve_events(folder: Path) -> list[Any]:
    """All events of a folder's files in the order of their names; TensorFlow checks length and checksums."""
    import tensorflow as tf  # takes seconds, and few tests read curves
    from tensorflow.core.util import event_pb2

    files = sorted(str(file) for file in folder.iterdir())
    return [event_pb2.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files)]
