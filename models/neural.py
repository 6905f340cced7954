"""What the Keras models share: training from nothing or from earlier weights, and the artifact."""

import json
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from models.base import MANIFEST, Recommender
from models.histories import Histories
from models.training import TrainingData
from models.training_loop import Trained, train

NETWORK = "network.keras"
LEAST_STEPS = 100  # in an epoch: a small catalogue gets smaller batches, or it would hardly move
LATER_SHARE = 0.25  # of the epochs, for learning later events from the weights that there are


class Neural(Recommender):
    """A recommender whose scores a Keras network gives. Its config has at least `epochs`, `patience`, `learning_rate`.

    Items without a training event, and users without history, are not scored: nothing was learned of them.
    network: the keras model. learned: bool [n_items], items with an event. trained: how the training went.
    """

    network: keras.Model
    learned: npt.NDArray[np.bool_]
    trained: Trained

    @abstractmethod
    def network_of(self, n_items: int) -> keras.Model:
        """The untrained network, built; weights with a row for each item have it on their first axis."""

    @abstractmethod
    def loss_of(self, network: keras.Model) -> keras.Model:
        """A model that takes a training batch and adds its mean loss."""

    @abstractmethod
    def places(self, histories: Histories) -> int:
        """How many examples an epoch has; 0 where there is nothing to learn."""

    @abstractmethod
    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Any, int]]:
        """One epoch: batches, all of one shape, and the number of examples in each."""

    def fit(self, data: TrainingData) -> Self:
        """Learns for `epochs`, or until `patience` epochs brought no better NDCG@10 on validation; keeps the best.

        The number of epochs that was best stands in `config.epochs` afterwards. Raises DivergedError for a loss that is
        no number.
        """
        keras.utils.set_random_seed(data.seed)
        self.network = self.network_of(data.histories.n_items)
        self._learn(data, self.config.epochs)
        if data.validation is not None:
            self.config = replace(self.config, epochs=self.trained.epochs)
        return self

    def go_on(self, data: TrainingData) -> Self:
        """Learns on from its weights for LATER_SHARE of the epochs; items that came since begin untrained.

        Raises ValueError for fewer items than it learned.
        """
        n_items, before = data.histories.n_items, self.network
        if n_items < len(self.learned):
            raise ValueError(f"{self.name} learned {len(self.learned)} items, got histories over only {n_items}")
        keras.utils.set_random_seed(data.seed)
        self.network = self.network_of(n_items)
        for new, old in zip(self.network.weights, before.weights, strict=True):
            grown, known = np.array(new), np.array(old)
            grown[: len(known)] = known
            new.assign(grown)
        self._learn(replace(data, validation=None), max(1, round(LATER_SHARE * self.config.epochs)))
        return self

    def _learn(self, data: TrainingData, epochs: int) -> None:
        histories = data.histories
        self.learned = np.bincount(histories.items, minlength=histories.n_items) > 0
        self.trained = train(self, data, epochs)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """`learned`. The network is saved beside it."""
        return {"learned": self.learned}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes it back."""
        self.learned = arrays["learned"]

    def save(self, folder: Path) -> None:
        """Writes manifest, arrays and the network in Keras' own format."""
        super().save(folder)
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest |= {"keras": keras.version(), "backend": keras.backend.backend(), "trained": self.trained._asdict()}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        self.network.save(folder / NETWORK)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote, on whichever backend."""
        model = super().load(folder)
        model.trained = Trained(**json.loads((folder / MANIFEST).read_text())["trained"])
        model.network = keras.saving.load_model(folder / NETWORK, compile=False)
        model.network.compile()
        return model
