"""The networks of sasrec and lstm against dense definitions, and that no place sees what it must not."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from models.attention import Attention
from models.lstm import LSTM, Cell, LSTMConfig
from models.next_item import NextItem
from models.sasrec import SASRec, SASRecConfig
from models.training import TrainingData
from tests.models.examples import histories_of

pytestmark = pytest.mark.slow

LENGTH, N_ITEMS = 7, 9
SMALL: dict[str, Any] = {"dim": 8, "length": LENGTH, "batch_rows": 8, "learning_rate": 0.01}
MODELS = [
    SASRec(SASRecConfig(block="original", heads=2, **SMALL)),
    SASRec(SASRecConfig(block="ligr", heads=2, **SMALL)),
    LSTM(LSTMConfig(cell="lstm", units=16, **SMALL)),
    LSTM(LSTMConfig(cell="gru", units=16, **SMALL)),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=["original", "ligr", "lstm", "gru"])


@every_model
def test_no_place_sees_what_is_later_or_of_another(model: NextItem) -> None:
    rows = np.zeros((1, 4, LENGTH), np.int32)
    rows[0, 0] = [1, 2, 3, 4, 5, 6, 0]
    rows[0, 1] = [1, 1, 1, 2, 2, 2, 0]
    rows[0, 2] = [2, 1, 0, 2, 1, 0, 0]
    network = model.network_of(N_ITEMS)
    before = ops.convert_to_numpy(network(rows))[0]
    for place in range(6):
        changed = rows.copy()
        changed[0, 0, place] = 8
        differs = np.abs(ops.convert_to_numpy(network(changed))[0] - before).max(axis=1) > 1e-6
        end = 3 if place < 3 else 6
        assert differs[:6].tolist() == [place <= other < end for other in range(6)]


@every_model
def test_a_rule_of_the_data_is_found(model: NextItem) -> None:
    """After each item comes the next number; every user begins elsewhere."""
    cycles = [[(start + step) % N_ITEMS for step in range(3 + start % 5)] for start in range(5 * N_ITEMS)]
    config = type(model.config)(**{**vars(model.config), "epochs": 30})
    learner = type(model)(config).fit(TrainingData(histories_of(*cycles, n_items=N_ITEMS)))
    top = learner.recommend(histories_of([3], [1, 2], [6, 7, 8], n_items=N_ITEMS), 1)
    assert top.items[:, 0].tolist() == [4, 3, 0]


def test_attention_is_the_equation() -> None:
    keras.utils.set_random_seed(0)
    n, length, dim, heads = 2, 5, 6, 2
    layer = Attention(dim, heads, 0.0)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, n, length, dim)).astype("float32")
    mask = np.where(np.tril(np.ones((length, length))), 0, -1e9).astype("float32")[None, None]
    found = ops.convert_to_numpy(layer(x, y, mask))
    (w_q, b_q), (w_kv, b_kv) = (part.get_weights() for part in (layer.query, layer.key_value))
    q, kv = x @ w_q + b_q, y @ w_kv + b_kv
    for head in range(heads):
        part = slice(head * 3, head * 3 + 3)
        for user in range(n):
            scores = q[user][:, part] @ kv[user][:, part].T / np.sqrt(3)
            shares = np.exp(scores) * np.tril(np.ones((length, length)))
            shares /= shares.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(found[user][:, part], shares @ kv[user][:, dim:][:, part], atol=1e-6)


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
