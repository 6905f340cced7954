"""Base class of the Keras recommenders: training from scratch or warm start, and the saved artifact."""

import json
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import tree

from models.base import MANIFEST, Recommender, TrainingData
from models.data import HeldOut
from models.evaluation.validation import mean_ndcg
from models.histories import Histories, IntArray
from models.layers.devices import precision
from models.neural.warm_start import carry_rows, place_new_items, relatives
from models.training.loop import Weights, train
from models.training.trainable import Trained
from models.training.usage import Usage
from models.vocabulary import ItemIds

NETWORK = "network.keras"
MIN_STEPS = 100  # in an epoch: a small catalogue gets smaller batches, or it would hardly move
LATER_SHARE = 0.25  # of the epochs, for learning later events from the weights that there are
# With earlier weights: a share of the epochs that were best from scratch, but this many where these are not fewer.
WARM_SHARE, MIN_WARM_EPOCHS = 0.15, 2
ITEM_WEIGHTS = ("items", "taken")  # names of the weights with a row for each item
log = logging.getLogger(__name__)


class Neural(Recommender):
    """A recommender whose scores a Keras network gives. Its config has at least `epochs`, `patience`, `learning_rate`.

    Items without a training event, and users without history, are not scored: nothing was learned of them.
    bfloat16: whether its network can compute in it. xla_on_cpu: as of `Trainable`. padding: what rows of a batch hold
    that are no examples. network: the keras model, in float32 but while it is trained. learned: bool [n_items], items
    with an event. trained: how the training went. usage: of what device (see `Usage`).
    """

    by_chance: ClassVar[bool] = True
    bfloat16: ClassVar[bool] = False
    xla_on_cpu: ClassVar[bool] = True
    padding: ClassVar[int] = 0
    network: keras.Model
    learned: npt.NDArray[np.bool_]
    trained: Trained
    usage: dict[str, Any]

    @abstractmethod
    def network_of(self, n_items: int) -> keras.Model:
        """The untrained network, built; weights with a row for each item are named as in ITEM_WEIGHTS."""

    @abstractmethod
    def loss_of(self, network: keras.Model) -> keras.Model:
        """A model that takes a training batch and adds its mean loss."""

    def settle(self, loss: keras.Model) -> None:
        """Does nothing: all weights are in the network."""

    @abstractmethod
    def examples_per_epoch(self, histories: Histories) -> int:
        """Number of examples in an epoch; see `Trainable`, as of the next four."""

    @abstractmethod
    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Any, int]]:
        """Yields the batches of one epoch."""

    def halves(self, batch: Any) -> tuple[Any, Any]:
        """Splits a batch by rows, an odd number of them filled up with rows of `padding`."""
        first = tree.map_structure(lambda array: _half(array, 0, self.padding), batch)
        return first, tree.map_structure(lambda array: _half(array, 1, self.padding), batch)

    def validator(self, held_out: HeldOut) -> Callable[[], float]:
        """Makes the validation by lists."""
        return lambda: mean_ndcg(self, held_out)

    def fit(self, data: TrainingData) -> Self:
        """Learns for `epochs`, or until `patience` epochs brought no better NDCG@10 on validation; keeps the best.

        From scratch; the number of epochs that was best stands in `config.epochs` afterwards. Or with the weights of
        `data.start` (see `train`), if its network is like tonight's: then for WARM_SHARE of its `config.epochs`, which
        stay the setting. Raises DivergedError for a loss that is no number.
        """
        start = data.start if isinstance(data.start, type(self)) else None
        self._make_network(data)
        fresh = self.network.get_weights()
        if start is not None and self._begin_with(start, data):
            self.config = replace(self.config, epochs=start.config.epochs)
            epochs = min(self.config.epochs, max(MIN_WARM_EPOCHS, round(WARM_SHARE * self.config.epochs)))
            self._learn(data, epochs, start.trained.warm + 1, fresh)
            return self
        self._learn(data, self.config.epochs)
        if data.validation is not None:
            self.config = replace(self.config, epochs=self.trained.epochs)
        return self

    def refit(self, data: TrainingData) -> Self:
        """Learns on from its weights for LATER_SHARE of the epochs, and keeps the mean of theirs (see `train`).

        Raises ValueError for fewer items than it learned.
        """
        n_items = data.histories.n_items
        if n_items < len(self.learned):
            raise ValueError(f"{self.name} learned {len(self.learned)} items, got histories over only {n_items}")
        before = copy(self)
        self._make_network(data)
        self._begin_with(before, data)
        self._learn(replace(data, validation=None), max(1, round(LATER_SHARE * self.config.epochs)), later=True)
        return self

    def _make_network(self, data: TrainingData) -> None:
        keras.utils.set_random_seed(data.seed)
        with precision(data.mixed_precision if self.bfloat16 else False):
            self.network = self.network_of(data.histories.n_items)

    def rows_before(self, start: Self, n_items: int) -> dict[str, IntArray]:
        """For each weight with rows of their own the row of `start` that each of its rows begins with, -1 for none.

        Here: an item's row is its row of before.
        """
        rows = np.arange(n_items)
        return dict.fromkeys(ITEM_WEIGHTS, np.where(rows < len(start.learned), rows, -1))

    def _begin_with(self, start: Self, data: TrainingData) -> bool:
        """Takes over the weights of `start`; False, and a line in the log, where they do not fit.

        An item with events, of which `start` had learned none, begins with the mean of the nearest ones in content.
        """
        n_items, catalogue = data.histories.n_items, data.catalogue
        rows = self.rows_before(start, n_items)
        now, then = (
            [(weight.name, weight.shape[weight.name in rows :]) for weight in network.weights]
            for network in (self.network, start.network)
        )
        if now != then:
            log.warning("%s trains from scratch: its network has other weights than the one of before", self.name)
            return False
        known = np.pad(start.learned, (0, n_items - len(start.learned)))
        new = np.setdiff1d(data.histories.items, np.flatnonzero(known))
        near = relatives(catalogue, new, known) if catalogue is not None and len(new) else None
        for weight, before in zip(self.network.weights, start.network.weights, strict=True):
            values = np.array(before)
            if weight.name in rows:
                values = carry_rows(np.array(weight), values, rows[weight.name])
            if weight.name in ITEM_WEIGHTS and near is not None:
                values = place_new_items(values, new, near)
            weight.assign(values)
        return True

    def _learn(
        self, data: TrainingData, epochs: int, warm: int = 0, fresh: Weights | None = None, later: bool = False
    ) -> None:
        histories = data.histories
        self.learned = np.bincount(histories.items, minlength=histories.n_items) > 0
        with Usage() as usage:
            self.trained = train(self, data, epochs, warm, fresh, later)
        self.usage = usage.facts
        if self.network.compute_dtype != "float32":  # as it will be saved and loaded
            weights = self.network.get_weights()
            with precision(False):
                self.network = self.network_of(histories.n_items)
            self.network.set_weights(weights)
            self.network.compile()

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """`learned`. The network is saved beside it."""
        return {"learned": self.learned}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes it back."""
        self.learned = arrays["learned"]

    def manifest(self) -> dict[str, Any]:
        """Also the versions of Keras and its backend, and how the training went."""
        content = super().manifest()
        content["versions"] |= {"keras": keras.version(), "backend": keras.backend.backend()}
        return content | {"trained": self.trained._asdict()}

    def save(self, folder: Path, items: ItemIds | None = None) -> None:
        """Writes manifest, arrays and the network in Keras' own format."""
        super().save(folder, items)
        self.network.save(folder / NETWORK)

    @classmethod
    def load(cls, folder: Path, items: ItemIds | None = None) -> Self:
        """Loads the model that `save` wrote, on whichever backend."""
        model = super().load(folder, items)
        model.trained = Trained(**json.loads((folder / MANIFEST).read_text())["trained"])
        model.network = keras.saving.load_model(folder / NETWORK, compile=False, safe_mode=True)
        model.network.compile()
        return model


def _half(array: npt.NDArray[Any], number: int, padding: int) -> npt.NDArray[Any]:
    rows = -(-len(array) // 2)
    half = array[number * rows : (number + 1) * rows]
    return np.concatenate([half, np.full((rows - len(half), *array.shape[1:]), padding, array.dtype)])
