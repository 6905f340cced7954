"""SASRec: causal self-attention (Kang & McAuley 2018) with full cross-entropy (Klenitskiy & Vasilev 2023)."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from models.attention import BLOCKS, visible
from models.dropout import Dropout
from models.next_item import NextItem
from models.packing import ITEM, POSITION, SEGMENT
from models.ranges import between, one_of


@dataclass(frozen=True)
class SASRecConfig:
    """Architecture and training of SASRec.

    dim: of the embeddings. blocks, heads: of attention. length: how many of a user's newest events are looked at.
    block: "original" or "ligr". dropout: share of activations dropped in training. batch_rows: at most so many rows of
    `length` events in a step. epochs: at most so many, and after `patience` without a better validation NDCG@10 no
    more. learning_rate: Adam's.
    """

    dim: int = 64
    blocks: int = 2
    heads: int = 1
    length: int = 100
    block: str = "original"
    dropout: float = 0.1
    batch_rows: int = 64
    epochs: int = 20
    patience: int = 2
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        """Raises ValueError for a value out of range."""
        between("sasrec", self, dim=(1, 4096), blocks=(1, 64), heads=(1, 64), length=(1, 10_000))
        between("sasrec", self, batch_rows=(1, 100_000), epochs=(1, 10_000), patience=(1, 10_000))
        between("sasrec", self, dropout=(0.0, 0.9), learning_rate=(1e-7, 1.0))
        one_of("sasrec", self, block=("original", "ligr"))
        if self.dim % self.heads:
            raise ValueError(f"sasrec.heads must divide sasrec.dim ({self.dim}), got {self.heads}")


@keras.saving.register_keras_serializable(package="encore")
class SASRecNetwork(keras.Model):
    """x_0 = √d e_item + p_position; x_l = Block_l(x_{l-1}); h = LN(x_last). See models/packing.py for the rows."""

    def __init__(self, n_items: int, settings: dict[str, Any], **keras_settings: Any) -> None:
        super().__init__(**keras_settings)
        self.n_items, self.settings = n_items, settings
        config = SASRecConfig(**settings)
        self.layers_of = [BLOCKS[config.block](config.dim, config.heads, config.dropout) for _ in range(config.blocks)]
        self.dropout = Dropout(config.dropout)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6)

    def build(self, input_shape: Any) -> None:
        """For rows int32 [n, 4, length]."""
        dim, length = self.settings["dim"], self.settings["length"]
        near_zero = keras.initializers.RandomNormal(stddev=0.02)
        self.table = self.add_weight(shape=(self.n_items, dim), initializer=near_zero, name="items")
        self.positions = self.add_weight(shape=(length, dim), initializer=near_zero, name="positions")
        for layer in (*self.layers_of, self.norm):
            layer.build((None, length, dim))

    def call(self, rows: Any, training: bool = False) -> Any:
        """float32 [n, length, dim]."""
        x = ops.take(self.table, rows[:, ITEM], axis=0) * self.settings["dim"] ** 0.5
        x = self.dropout(x + ops.take(self.positions, rows[:, POSITION], axis=0), training=training)
        mask = visible(rows[:, SEGMENT])
        for block in self.layers_of:
            x = block(x, mask, training=training)
        return self.norm(x)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"n_items": self.n_items, "settings": self.settings}


class SASRec(NextItem):
    """SASRec. An order of events is what it learns from: on data without one it sees an arbitrary order."""

    name: ClassVar[str] = "sasrec"
    Config: ClassVar[type] = SASRecConfig

    def network_of(self, n_items: int) -> keras.Model:
        """Untrained."""
        network = SASRecNetwork(n_items, asdict(self.config))
        network.build((None, 4, self.config.length))
        return network
