"""SASRec: causal self-attention (Kang & McAuley 2018) with full cross-entropy (Klenitskiy & Vasilev 2023)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import keras
import numpy as np
import numpy.typing as npt
from annotated_types import Interval, Unit, doc
from keras import ops
from keras.initializers import RandomNormal

from models.base import TrainingData
from models.config import Config
from models.features.categories import category_codes
from models.histories import Histories
from models.layers.attention import BLOCKS, RelativeBias, digits, visible
from models.layers.dropout import Dropout
from models.layers.lookup import gather, look_up
from models.layers.negatives import (
    SharedNegativesLoss,
    expected_counts,
    fill_up,
    over_own_items,
    shared_negatives,
    table_on_device,
)
from models.layers.packing import ITEM, POSITION, SEGMENT, TIME
from models.neural.next_item import NextItem, NextItemLoss
from models.neural.settings import BatchRows, Dim, DropoutShare, Epochs, LearningRate, Length, Patience


@dataclass(frozen=True)
class SASRecConfig(Config):
    """Architecture and training of SASRec."""

    model: ClassVar[str] = "sasrec"
    dim: Dim = 64
    blocks: Annotated[int, Interval(ge=1, le=64), Unit("blocks"), doc("blocks of attention, one after the other")] = 2
    heads: Annotated[int, Interval(ge=1, le=64), Unit("heads"), doc("heads of attention; must divide `dim`")] = 1
    length: Length = 100
    block: Annotated[
        Literal["original", "ligr"], doc("kind of block: `original` of SASRec, `ligr` with learned gates")
    ] = "original"
    relative_bias: Annotated[
        bool, doc("attention also goes by how far apart two events are, in places and, where known, in seconds")
    ] = False
    categories: Annotated[
        int,
        Interval(ge=0, le=10_000_000),
        Unit("embeddings"),
        doc("embeddings that genres and tags share by a hash of their names, added to the items' own; 0: none"),
    ] = 0
    dropout: DropoutShare = 0.1
    batch_rows: BatchRows = 64
    epochs: Epochs = 20
    patience: Patience = 2
    learning_rate: LearningRate = 1e-3
    full_softmax_items: Annotated[
        int,
        Interval(ge=0, le=10**9),
        Unit("items"),
        doc("with more items the softmax is over drawn `negatives`"),
    ] = 20_000
    negatives: Annotated[
        int,
        Interval(ge=1, le=1_000_000),
        Unit("items"),
        doc("items drawn for a step where the softmax needs them"),
    ] = 3000

    def __post_init__(self) -> None:
        """Raises ValueError for a value out of range, and for heads that do not divide the width."""
        super().__post_init__()
        if self.dim % self.heads:
            raise ValueError(f"sasrec.heads must divide sasrec.dim ({self.dim}), got {self.heads}")


@keras.saving.register_keras_serializable(package="encore")
class SASRecNetwork(keras.Model):
    """x_0 = √d e_item + p_position; x_l = Block_l(x_{l-1}); h = LN(x_last). See models/layers/packing.py for the rows.

    e_i = v_i + 1/|C_i| Σ_{c ∈ C_i} f_c with C_i the item's categories, which are 0 at first: `own` holds v, `codes` the
    c of every item, int32 [n_items, m], filled up with negative numbers, or None without categories.
    """

    codes: npt.NDArray[np.int32] | None = None

    def __init__(self, n_items: int, settings: dict[str, Any], **keras_settings: Any) -> None:
        super().__init__(**keras_settings)
        self.n_items, self.settings = n_items, settings
        config = SASRecConfig(**settings)
        of_block = config.dim, config.heads, config.dropout, config.relative_bias
        self.layers_of = [BLOCKS[config.block](*of_block) for _ in range(config.blocks)]
        self.biases = [RelativeBias(config.heads) for _ in range(config.blocks if config.relative_bias else 0)]
        self.dropout = Dropout(config.dropout)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6)

    def build(self, input_shape: Any) -> None:
        """For rows int32 [n, 4, length], [n, 5, length] with relative bias."""
        dim, length, categories = (self.settings.get(name, 0) for name in ("dim", "length", "categories"))
        # Each has an initializer of its own: one that is used twice gives the same numbers twice.
        self.own = self.add_weight(shape=(self.n_items, dim), initializer=RandomNormal(stddev=0.02), name="items")
        self.positions = self.add_weight(shape=(length, dim), initializer=RandomNormal(stddev=0.02), name="positions")
        if categories:
            self.categories = self.add_weight(shape=(categories, dim), initializer="zeros", name="categories")
        for layer in (*self.layers_of, self.norm):
            layer.build((None, length, dim))
        for bias in self.biases:
            bias.build((None, length, length))

    @property
    def table(self) -> Any:
        """e, float32 [n_items, dim]."""
        return self.vectors(self.own, self.codes)

    def vectors(self, own: Any, codes: Any) -> Any:
        """e [..., dim] of v [..., dim] and codes [..., m], None without categories."""
        if codes is None:
            return own
        own = ops.convert_to_tensor(own)
        total, count = ops.zeros_like(own), 0.0
        for column in range(codes.shape[-1]):  # one after the other: the embeddings of all would be m times as large
            there = ops.cast(codes[..., column] >= 0, total.dtype)[..., None]
            total += look_up(self.categories, ops.maximum(codes[..., column], 0)) * there
            count += there
        return own + total / ops.maximum(count, 1.0)

    def call(self, rows: Any, training: bool = False) -> Any:
        """float32 [n, length, dim]."""
        return self.hidden(rows, self.own, self.codes, training=training)

    def hidden(self, rows: Any, own: Any, codes: Any, training: bool = False) -> Any:
        """Computes the hidden states for rows whose items are numbers of rows of `own` and `codes`."""
        items = rows[:, ITEM]
        embedded = self.vectors(gather(own, items), None if codes is None else ops.take(codes, items, axis=0))
        x = embedded * self.settings["dim"] ** 0.5
        x = self.dropout(x + look_up(self.positions, rows[:, POSITION]), training=training)
        mask = visible(rows[:, SEGMENT])
        apart = digits(rows[:, TIME]) if self.biases else None
        for number, block in enumerate(self.layers_of):
            x = block(x, ops.add(mask, self.biases[number](apart)) if self.biases else mask, training=training)
        return self.norm(x)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"n_items": self.n_items, "settings": self.settings}

    def save_own_variables(self, store: Any) -> None:
        """Keeps the codes beside the weights."""
        super().save_own_variables(store)
        if self.codes is not None:
            store["codes"] = self.codes

    def load_own_variables(self, store: Any) -> None:
        """Takes them back."""
        kept = {name: store[name] for name in store.keys()}  # noqa: SIM118 (h5 groups give their names so)
        if "codes" in kept:
            self.codes = np.array(kept.pop("codes"))
        super().load_own_variables(kept)


class SASRec(NextItem):
    """SASRec. An order of events is what it learns from: on data without one it sees an arbitrary order."""

    name: ClassVar[str] = "sasrec"
    Config: ClassVar[type] = SASRecConfig
    codes: npt.NDArray[np.int32] | None = None

    @property
    def timed(self) -> bool:
        """Rows have times where attention goes by them."""
        return bool(self.config.relative_bias)

    def fit(self, data: TrainingData) -> Self:
        """Learns the events, and reads the categories of the catalogue."""
        self._categorise(data)
        return super().fit(data)

    def refit(self, data: TrainingData) -> Self:
        """Refits from the model's weights."""
        self._categorise(data)
        return super().refit(data)

    def _categorise(self, data: TrainingData) -> None:
        if self.config.categories and data.catalogue is not None:
            self.codes = category_codes(data.catalogue, self.config.categories)
        else:
            self.codes = None

    def network_of(self, n_items: int) -> keras.Model:
        """Builds the untrained network."""
        network = SASRecNetwork(n_items, asdict(self.config))
        network.build((None, 5 if self.timed else 4, self.config.length))
        network.codes = self.codes
        return network

    def loss_of(self, network: keras.Model) -> keras.Model:
        """Builds the loss: cross-entropy, full or over shared negatives."""
        if network.n_items <= self.config.full_softmax_items:
            return NextItemLoss(network)
        return SharedNegativesLoss(network, self._rows_of_step(network.n_items))

    def _rows_of_step(self, n_items: int) -> int:
        """Of the table, at most."""
        places = self.config.batch_rows * self.config.length
        return int(min(n_items, 2 * places + self.config.negatives))

    def settle(self, loss: keras.Model) -> None:
        """The table of a large catalogue is not in the network while it is learned."""
        if isinstance(loss, SharedNegativesLoss):
            loss.put_back()

    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Any, int]]:
        """Yields batches of a next-item model; for a large catalogue with negatives, and numbered anew."""
        if histories.n_items <= self.config.full_softmax_items:
            yield from super().training_batches(histories, random)
            return
        log_counts = np.log(expected_counts(histories, self.config.negatives))
        for rows, places in super().training_batches(histories, random):
            negatives = shared_negatives(histories, self.config.negatives, random)
            batch = over_own_items(rows, negatives, log_counts)
            yield fill_up(batch, self._rows_of_step(histories.n_items)) if table_on_device() else batch, places

    def halves(self, batch: Any) -> tuple[Any, Any]:
        """Splits a batch; both halves have all negatives where these are shared."""
        if not isinstance(batch, dict):
            return super().halves(batch)
        first, second = super().halves(batch["rows"])
        return batch | {"rows": first}, batch | {"rows": second}
