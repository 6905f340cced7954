"""Sequential recommenders: predict the next item from the earlier ones, trained on all places of a sequence at once."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from models.histories import Histories
from models.layers.devices import on_gpu
from models.layers.losses import softmax_cross_entropy
from models.layers.packing import POSITION, SEGMENT, TARGET, Rows, batches, newest, pack
from models.neural.dot_product import DotProduct, VectorBatch
from models.neural.recommender import MIN_STEPS

GPU_PLACES = 1 << 17  # whose vectors a GPU computes at a time


class NextItemLoss(keras.Model):
    """Rows with targets (see models/layers/packing.py) → the mean cross-entropy over the places that have one."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, rows: Any, training: bool = False) -> Any:
        """Adds the loss of a batch int32 [rows, 4 or 5, length]."""
        hidden = self.network(rows, training=training)
        targets = ops.reshape(rows[:, TARGET], (-1,))
        real = ops.reshape(ops.cast(rows[:, SEGMENT] > 0, "float32"), (-1,))
        weights = real / ops.maximum(ops.sum(real), 1.0)
        hidden = ops.reshape(hidden, (-1, hidden.shape[-1]))
        loss = softmax_cross_entropy(hidden, self.network.table, targets, weights)
        self.add_loss(loss)
        return loss


class NextItem(DotProduct):
    """score(u, i) = h_u · e_i: h_u what the network makes of the user's last `length` items, e_i the item's embedding.

    The network is a keras model from rows int32 [rows, 4, length], or 5 where it is `timed`, to float32 [rows, length,
    dim] with the embeddings as `table`, which makes nothing of what is later in the row or in another segment. Its
    config has `length` and `batch_rows`.
    """

    bfloat16: ClassVar[bool] = True

    @property
    def timed(self) -> bool:
        """Whether the network's rows have times."""
        return False

    @abstractmethod
    def network_of(self, n_items: int) -> keras.Model:
        """Builds the untrained network."""

    def loss_of(self, network: keras.Model) -> keras.Model:
        """Builds the loss: full cross-entropy."""
        return NextItemLoss(network)

    def examples_per_epoch(self, histories: Histories) -> int:
        """Events that have a next one, of the last `length`."""
        return int(newest(histories, self.config.length, before=1).lengths.sum())

    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Rows, int]]:
        """Every user's last `length` events that have a next one, packed, in random order."""
        pieces = pack(newest(histories, self.config.length, before=1), self.config.length, random)
        rows = min(self.config.batch_rows, max(1, pieces.n_rows // MIN_STEPS))
        for batch in batches(histories, pieces, self.config.length, rows, targets=True, timed=self.timed):
            yield batch, int((batch[:, SEGMENT] > 0).sum())

    @property
    def width(self) -> int:
        """That of the embeddings."""
        return int(self.config.dim)

    def vector_batches(self, histories: Histories) -> Iterator[VectorBatch]:
        """Every user's last `length` events, packed; a vector is what is made of the newest."""
        length = self.config.length
        at_once = max(self.config.batch_rows, GPU_PLACES // length) if on_gpu() else self.config.batch_rows
        rows = pack(newest(histories, length), length)
        users = np.searchsorted(histories.indptr, rows.pieces.starts, side="right") - 1
        done = 0
        for batch in batches(histories, rows, length, at_once, targets=False, timed=self.timed):
            segments = batch[:, SEGMENT].ravel()
            places = np.flatnonzero((segments > 0) & (batch[:, POSITION].ravel() == 0))
            places = places[np.argsort(segments[places])]
            yield batch, places, users[done : done + len(places)]
            done += len(places)
