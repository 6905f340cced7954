"""The networks of sasrec and lstm against dense definitions, and that no place sees what it must not."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models.base import TrainingData
from models.layers.packing import ITEM, POSITION, SEGMENT, TIME
from models.neural.lstm import LSTM, Cell, LSTMConfig
from models.neural.next_item import NextItem
from models.neural.sasrec import SASRec, SASRecConfig
from tests.support.examples import histories_of

pytestmark = pytest.mark.slow

LENGTH, N_ITEMS = 7, 9
SMALL: dict[str, Any] = {"dim": 8, "length": LENGTH, "batch_rows": 8, "learning_rate": 0.01}
MODELS = [
    SASRec(SASRecConfig(block="original", heads=2, **SMALL)),
    SASRec(SASRecConfig(block="ligr", heads=2, **SMALL)),
    SASRec(SASRecConfig(relative_bias=True, heads=2, **SMALL)),
    SASRec(SASRecConfig(full_softmax_items=0, negatives=6, **SMALL)),
    LSTM(LSTMConfig(cell="lstm", units=16, **SMALL)),
    LSTM(LSTMConfig(cell="gru", units=16, **SMALL)),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=["original", "ligr", "bias", "negatives", "lstm", "gru"])


@every_model
def test_no_place_sees_what_is_later_or_of_another(model: NextItem) -> None:
    rows = np.zeros((1, 5 if model.timed else 4, LENGTH), np.int32)
    rows[0, ITEM] = [1, 2, 3, 4, 5, 6, 0]
    rows[0, SEGMENT] = [1, 1, 1, 2, 2, 2, 0]
    rows[0, POSITION] = [2, 1, 0, 2, 1, 0, 0]
    network = model.network_of(N_ITEMS)
    for weight in network.weights:  # a bias begins at 0 and would hide what it sees
        weight.assign_add(0.3 * np.random.default_rng(0).normal(size=weight.shape).astype("float32"))
    before = ops.convert_to_numpy(network(rows))[0]
    for place in range(6):
        changed = rows.copy()
        changed[0, ITEM, place] = 8
        differs = np.abs(ops.convert_to_numpy(network(changed))[0] - before).max(axis=1) > 1e-6
        end = 3 if place < 3 else 6
        assert differs[:6].tolist() == [place <= other < end for other in range(6)]


def test_no_place_sees_when_later_events_were() -> None:
    model = SASRec(SASRecConfig(relative_bias=True, **SMALL))
    rows = np.zeros((1, 5, LENGTH), np.int32)
    rows[0, ITEM], rows[0, SEGMENT], rows[0, TIME] = range(LENGTH), 1, 100 * np.arange(LENGTH)
    network = model.network_of(N_ITEMS)
    for weight in network.weights:
        weight.assign_add(0.3 * np.random.default_rng(0).normal(size=weight.shape).astype("float32"))
    before = ops.convert_to_numpy(network(rows))[0]
    for place in range(1, LENGTH):
        changed = rows.copy()
        changed[0, TIME, place:] += 100_000
        differs = np.abs(ops.convert_to_numpy(network(changed))[0] - before).max(axis=1) > 1e-6
        assert differs.tolist() == [other >= place for other in range(LENGTH)]


def test_the_time_of_what_comes_next_is_not_learned_from() -> None:
    """Only the last event's time is another: it is nobody's but a target's."""
    model = SASRec(SASRecConfig(relative_bias=True, **SMALL))
    items, times = [[1, 2, 3], [4, 5, 6]], np.array([0, 10, 20, 0, 50, 60]) * 1_000_000
    batches = [
        list(
            model.training_batches(
                histories_of(*items, n_items=9, times=(times + later).tolist()), np.random.default_rng(0)
            )
        )
        for later in (0, np.array([0, 0, 7_000_000, 0, 0, 3_600_000_000]))
    ]
    assert len(batches[0]) == len(batches[1])
    for (one, _), (other, _) in zip(*batches, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(np.concatenate([one[:, TIME].ravel() for one, _ in batches[0]]).tolist())[-2:] == [10, 50]


@every_model
def test_a_rule_of_the_data_is_found(model: NextItem) -> None:
    """After each item comes the next number; every user begins elsewhere."""
    cycles = [[(start + step) % N_ITEMS for step in range(3 + start % 5)] for start in range(5 * N_ITEMS)]
    config = type(model.config)(**{**vars(model.config), "epochs": 30})
    learner = type(model)(config).fit(TrainingData(histories_of(*cycles, n_items=N_ITEMS)))
    top = learner.recommend(histories_of([3], [1, 2], [6, 7, 8], n_items=N_ITEMS), 1)
    assert top.items[:, 0].tolist() == [4, 3, 0]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_cells_are_those_of_keras(kind: str) -> None:
    """Keras' own layer on one segment; its GRU has the gates z, r, n as ours, its LSTM i, f, g, o."""
    units, length, width = 3, 6, 5
    theirs = keras.layers.LSTM(units) if kind == "lstm" else keras.layers.GRU(units)
    x = np.random.default_rng(0).normal(size=(2, length, width)).astype("float32")
    expected = ops.convert_to_numpy(theirs(x))
    kernel, recurrent, bias = theirs.get_weights()
    ours = keras.layers.RNN(Cell(kind, units))
    steps = x @ kernel + (bias if kind == "lstm" else bias[0])
    begins = np.zeros((2, length, 1), np.float32)
    ours.build((None, length, steps.shape[-1] + 1))
    ours.set_weights([recurrent])
    np.testing.assert_allclose(ops.convert_to_numpy(ours(np.concatenate([steps, begins], -1))), expected, atol=1e-6)
    begins[:, 2] = 1  # what was before is forgotten
    alone = ops.convert_to_numpy(theirs(x[:, 2:]))
    np.testing.assert_allclose(ops.convert_to_numpy(ours(np.concatenate([steps, begins], -1))), alone, atol=1e-6)
