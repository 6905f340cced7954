"""Negative sampling for catalogues too large for a full softmax: shared negatives, and a step over its own rows."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from models.histories import Histories, IntArray
from models.layers.devices import on_gpu, on_jax
from models.layers.losses import sampled_softmax_cross_entropy
from models.layers.packing import ITEM, SEGMENT, TARGET, Rows

FloatArray = npt.NDArray[np.float32]
Batch = dict[str, npt.NDArray[Any]]


def shared_negatives(histories: Histories, k: int, random: np.random.Generator) -> IntArray:
    """int64 [k], with replacement: ⌊k/2⌋ items of random events, then random items.

    By popularity alone a rare item is drawn so seldom, and then counts so much, that the loss is noise; evenly, the
    popular ones that a user is most likely to be mistaken about are hardly met.
    """
    events = random.integers(0, len(histories.items), k // 2)
    return np.concatenate([histories.items[events], random.integers(0, histories.n_items, k - k // 2)])


def expected_counts(histories: Histories, k: int) -> FloatArray:
    """float32 [n_items]: how often an item is expected in a draw, ⌊k/2⌋ c_i / Σ c + ⌈k/2⌉ / n_items, c: its events."""
    events = np.bincount(histories.items, minlength=histories.n_items)
    counts: FloatArray = (k // 2 * (events / events.sum()) + (k - k // 2) / histories.n_items).astype(np.float32)
    return counts


def over_own_items(rows: Rows, negatives: IntArray, log_counts: FloatArray) -> Batch:
    """A batch whose items are numbered anew, from 0 by item row, so that a step need not hold the others.

    items: int64 [m], the item row of each number. rows: the given ones, int32 [n, ·, length], changed in place.
    negatives: int32 [k]. log_counts: float32 [k], theirs of log_counts float32 [n_items].
    """
    real = rows[:, SEGMENT] > 0
    n = int(real.sum())
    held = np.concatenate([rows[:, ITEM][real], rows[:, TARGET][real], negatives])
    items, numbers = np.unique(held, return_inverse=True)
    rows[:, ITEM][real], rows[:, TARGET][real] = numbers[:n], numbers[n : 2 * n]
    return {
        "items": items,
        "rows": rows,
        "negatives": numbers[2 * n :].astype(np.int32),
        "log_counts": log_counts[negatives],
    }


class SharedNegativesLoss(keras.Model):
    """Batches of `over_own_items` → the mean sampled cross-entropy (models/layers/losses.py) over the places with a
    target.

    A step of Adam moves only the rows of its batch, and only their moments fade (the lazy variant of Kingma & Ba 2015
    that sparse optimizers have): the cost of a step does not grow with the catalogue. `part` is what a step has of the
    table and its moments. With JAX on a GPU these stay there: `take_rows` and `put_rows` begin and end a step, in its
    compiled function, which changes them in place. Elsewhere they lie in NumPy arrays during an epoch
    (`steps_on_host`), and `put_back` ends it.

    network: with the embeddings as `own` float32 [n_items, dim], the categories as `codes` int32 [n_items, c] or None,
    and `hidden` and `vectors` over the two of some items. most: of a batch's items.
    """

    def __init__(self, network: keras.Model, most: int) -> None:
        super().__init__()
        self.network = network
        self.steps_on_host = not table_on_device()
        n_items, dim = network.own.shape
        network.own.trainable = False  # `part` is
        self.part = self.add_weight(shape=(min(n_items, most), dim), initializer="zeros", name="part")
        self.moments = [
            self.add_weight(shape=(n_items, dim), initializer="zeros", trainable=False, name=name)
            for name in ("first", "second")
        ]
        self.whole: list[FloatArray] | None = None

    def call(self, batch: Any, training: bool = False) -> Any:
        """Adds the loss of a batch."""
        rows, codes = batch["rows"], batch.get("codes")
        hidden = self.network.hidden(rows, self.part, codes, training=training)
        real = ops.reshape(ops.cast(rows[:, SEGMENT] > 0, "float32"), (-1,))
        loss = sampled_softmax_cross_entropy(
            ops.reshape(hidden, (-1, hidden.shape[-1])),
            self.network.vectors(self.part, codes),
            ops.reshape(rows[:, TARGET], (-1,)),
            real / ops.maximum(ops.sum(real), 1.0),
            batch["negatives"],
            batch["log_counts"],
        )
        self.add_loss(loss)
        return loss

    def take_rows(self, batch: Any) -> Any:
        """The batch without `items`, whose rows of the table and its moments are now in `part` and its moments."""
        items = batch["items"]
        for whole, part in self._pairs():
            part.assign(ops.take(whole, items, axis=0))
        step = {name: array for name, array in batch.items() if name not in ("items", "count")}
        return step if self.network.codes is None else step | {"codes": ops.take(self.network.codes, items, axis=0)}

    def put_rows(self, batch: Any) -> None:
        """Puts them back, and of the numbers that only fill up a batch the row of the first, whose item they have."""
        items = batch["items"]
        places = ops.arange(items.shape[0], dtype="int32")
        places = ops.where(places < batch["count"], places, 0)
        for whole, part in self._pairs():
            whole.assign(ops.scatter_update(whole, items[:, None], ops.take(part, places, axis=0)))

    def _pairs(self) -> Any:
        return zip((self.network.own, *self.moments), (self.part, *self._slots()), strict=True)

    def train_on_batch(self, batch: Batch, **settings: Any) -> Any:
        """One step: takes the batch's rows out of the table, learns, and puts them in again."""
        if self.whole is None:
            self.whole = [np.array(variable) for variable in (self.network.own, *self.moments)]
        items = batch["items"]
        parts = (self.part, *self._slots())
        for array, variable in zip(self.whole, parts, strict=True):
            variable.assign(_pad(array[items], self.part.shape[0]))
        step = {name: array for name, array in batch.items() if name not in ("items", "count")}
        if self.network.codes is not None:
            step["codes"] = _pad(self.network.codes[items], self.part.shape[0])
        logs = super().train_on_batch(step, **settings)
        for array, variable in zip(self.whole, parts, strict=True):
            array[items] = np.asarray(variable)[: len(items)]
        return logs

    def put_back(self) -> None:
        """The table and its moments become the network's and this model's variables again."""
        if self.whole is not None:
            for variable, array in zip((self.network.own, *self.moments), self.whole, strict=True):
                variable.assign(array)
            self.whole = None

    def _slots(self) -> list[Any]:
        """Adam's first and second moments of `part`."""
        named = {variable.name: variable for variable in self.optimizer.variables}
        own = self.part.path.replace("/", "_")
        return [named[f"{own}_{slot}"] for slot in ("momentum", "velocity")]


def table_on_device() -> bool:
    """Whether a step takes its rows from a table on the device."""
    return on_gpu() and on_jax()


def fill_up(batch: Batch, rows: int) -> Batch:
    """The batch with `items` int32 of so many rows, the first one again behind the last, and their `count`, int32."""
    items, count = batch["items"], len(batch["items"])
    filled = np.concatenate([items, np.repeat(items[:1], rows - count)]).astype(np.int32)
    return batch | {"items": filled, "count": np.array(count, np.int32)}


def _pad(block: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    rows = np.zeros((n, *block.shape[1:]), block.dtype)
    rows[: len(block)] = block
    return rows
