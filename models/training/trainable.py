"""Interface of the training loop: the protocol of a model that it trains, its plan, and its result."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

import keras
import numpy as np

from models.data import HeldOut
from models.histories import Histories


class Trainable(Protocol):
    """What the loop uses of a model. Its config has `patience` and `learning_rate`; `network` is what is trained.

    xla_on_cpu: whether a long training on a CPU is shorter by XLA.
    """

    name: ClassVar[str]
    xla_on_cpu: ClassVar[bool]
    config: Any
    network: keras.Model

    def examples_per_epoch(self, histories: Histories) -> int:
        """How many examples an epoch has; 0 where there is nothing to learn."""

    def loss_of(self, network: keras.Model) -> keras.Model:
        """A model that takes a training batch and adds its mean loss. One that has `steps_on_host` true brings its own
        `train_on_batch`, which works on one batch at a time."""

    def settle(self, loss: keras.Model) -> None:
        """Called before weights are read: for a `loss` that has some elsewhere during an epoch."""

    def training_batches(self, histories: Histories, random: np.random.Generator) -> Iterator[tuple[Any, int]]:
        """Yields one epoch: batches, nests of NumPy arrays and all of one shape, and the number of examples in each."""

    def halves(self, batch: Any) -> tuple[Any, Any]:
        """Splits a batch into two of the same shape."""

    def validator(self, held_out: HeldOut) -> Callable[[], float]:
        """A function that gives NDCG@10 for these users by the present weights."""


class Trained(NamedTuple):
    """Result of a training.

    epochs: of the weights that were kept. seed: of all that was random. examples: in an epoch. ndcg: NDCG@10 of these
    weights on validation, None without one. warm: how many trainings in a row began with the weights of the one before;
    0: this one was from scratch.
    """

    epochs: int
    seed: int
    examples: int
    ndcg: float | None
    warm: int = 0


class Plan(NamedTuple):
    """Plan of a training. epochs: at most. examples: in an epoch. jit: compiled by XLA. warm, later: see `train`.
    halved: each batch is learned in two halves, whose gradients are added up before a step."""

    epochs: int
    examples: int
    jit: bool
    warm: int = 0
    later: bool = False
    halved: bool = False
