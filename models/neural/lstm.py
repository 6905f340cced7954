"""Recurrent sequential recommender: LSTM or GRU over the history (Hidasi et al. 2016), full cross-entropy."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

import keras
from annotated_types import doc
from keras import ops

from models.config import Config
from models.layers.dropout import Dropout
from models.layers.lookup import gather
from models.layers.packing import ITEM, SEGMENT
from models.neural.next_item import NextItem
from models.neural.settings import BatchRows, Dim, DropoutShare, Epochs, LearningRate, Length, Patience, Units


@dataclass(frozen=True)
class LSTMConfig(Config):
    """Architecture and training of the recurrent network."""

    model: ClassVar[str] = "lstm"
    cell: Annotated[Literal["gru", "lstm"], doc("the recurrent cell")] = "gru"
    units: Units = 128
    dim: Dim = 64
    length: Length = 50
    dropout: DropoutShare = 0.2
    batch_rows: BatchRows = 64
    epochs: Epochs = 20
    patience: Patience = 2
    learning_rate: LearningRate = 2e-3


class Cell(keras.layers.Layer):
    """One step of an LSTM or a GRU whose state begins anew at a segment's first place.

    Takes x W + b, computed for all places at once, and a last number: 1 where a segment begins, else 0. With h and c
    zeroed there and σ the sigmoid, the LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000) has (i, f, g, o) =
    x W + b + h U, c = σ(f) c + σ(i) tanh(g), h = σ(o) tanh(c); the GRU (Cho et al. 2014) (z, r, n) = x W + b,
    (z', r', n') = h U, h = ζ h + (1 - ζ) tanh(n + σ(r + r') n') with ζ = σ(z + z').
    """

    def __init__(self, kind: str, units: int) -> None:
        super().__init__()
        self.kind, self.units = kind, units
        self.gates = 4 if kind == "lstm" else 3
        self.state_size = [units, units] if kind == "lstm" else [units]
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        """Makes U [units, gates · units]."""
        shape = (self.units, self.gates * self.units)
        self.recurrent = self.add_weight(shape=shape, initializer="orthogonal", name="recurrent")

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """h and the states after the place."""
        x, keep = inputs[:, :-1], 1.0 - inputs[:, -1:]
        h, *memory = [state * keep for state in states]
        if self.kind == "lstm":
            i, f, g, o = ops.split(x + ops.matmul(h, self.recurrent), 4, axis=-1)
            c = ops.sigmoid(f) * memory[0] + ops.sigmoid(i) * ops.tanh(g)
            h = ops.sigmoid(o) * ops.tanh(c)
            return h, [h, c]
        gates = zip(ops.split(x, 3, axis=-1), ops.split(ops.matmul(h, self.recurrent), 3, axis=-1), strict=True)
        (z, z_h), (r, r_h), (n, n_h) = gates
        update = ops.sigmoid(z + z_h)
        h = update * h + (1.0 - update) * ops.tanh(n + ops.sigmoid(r + r_h) * n_h)
        return h, [h]


@keras.saving.register_keras_serializable(package="encore")
class LSTMNetwork(keras.Model):
    """x = e_item; s = Cell over x; h = s P, of the embeddings' size. See models/layers/packing.py for the rows."""

    def __init__(self, n_items: int, settings: dict[str, Any], **keras_settings: Any) -> None:
        super().__init__(**keras_settings)
        self.n_items, self.settings = n_items, settings
        config = LSTMConfig(**settings)
        cell = Cell(config.cell, config.units)
        self.into = keras.layers.Dense(cell.gates * config.units)
        self.recurrent = keras.layers.RNN(cell, return_sequences=True)
        self.out = keras.layers.Dense(config.dim, use_bias=False)
        self.dropout = Dropout(config.dropout)

    def build(self, input_shape: Any) -> None:
        """For rows int32 [n, 4, length]."""
        dim, length, units = (self.settings[name] for name in ("dim", "length", "units"))
        near_zero = keras.initializers.RandomNormal(stddev=dim**-0.5)
        self.table = self.add_weight(shape=(self.n_items, dim), initializer=near_zero, name="items")
        self.into.build((None, length, dim))
        self.recurrent.build((None, length, self.into.units + 1))
        self.out.build((None, length, units))

    def call(self, rows: Any, training: bool = False) -> Any:
        """float32 [n, length, dim]."""
        x = self.dropout(gather(self.table, rows[:, ITEM]), training=training)
        segments = rows[:, SEGMENT]
        begins = ops.not_equal(segments, ops.pad(segments[:, :-1], ((0, 0), (1, 0))))
        steps = ops.concatenate([self.into(x), ops.cast(begins, x.dtype)[:, :, None]], axis=-1)
        return self.out(self.dropout(self.recurrent(steps), training=training))

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"n_items": self.n_items, "settings": self.settings}


class LSTM(NextItem):
    """A recurrent network. An order of events is what it learns from: without one it sees an arbitrary order."""

    name: ClassVar[str] = "lstm"
    Config: ClassVar[type] = LSTMConfig

    def network_of(self, n_items: int) -> keras.Model:
        """Builds the untrained network."""
        network = LSTMNetwork(n_items, asdict(self.config))
        network.build((None, 4, self.config.length))
        return network
