"""The training loop of the Keras models: epochs, early stop, checkpoints, progress."""

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import keras
import numpy as np
import numpy.typing as npt

from models.base import TrainingData
from models.data import UnlearnableError
from models.evaluation.validation import mean_ndcg, sample_users
from models.neural.devices import device, on_gpu
from models.neural.event_file import CURVES, EventFile
from models.neural.progress import Progress

if TYPE_CHECKING:
    from models.neural.recommender import Neural

# Compiling by XLA takes some ten seconds and then halves the time: for training on so many examples in all epochs.
COMPILED_EXAMPLES = 2_000_000
CHECKPOINT_SECONDS = 60.0  # between checkpoints within an epoch
CHECKPOINT = "checkpoint.npz"
# A training with earlier weights begins with such a share of them (the rest is new) and so many times the rate.
KEPT, WARM_RATE = 0.8, 4.0
MEAN_KEPT = 0.8  # the share of it that the running mean of the epochs' weights keeps when another comes
log = logging.getLogger(__name__)
Weights = list[npt.NDArray[Any]]


class DivergedError(UnlearnableError):
    """The loss, or a weight, is no longer a number."""


class Trained(NamedTuple):
    """How a training went.

    epochs: of the weights that were kept. seed: of all that was random. examples: in an epoch. ndcg: NDCG@10 of these
    weights on validation, None without one. warm: how many trainings in a row began with the weights of the one before;
    0: this one began from nothing.
    """

    epochs: int
    seed: int
    examples: int
    ndcg: float | None
    warm: int = 0


def train(
    model: "Neural", data: TrainingData, epochs: int, warm: int = 0, fresh: Weights | None = None, later: bool = False
) -> Trained:
    """Trains `model.network`, from the checkpoint in `data.workspace` where there is one.

    Stops after `epochs`, or when `patience` epochs brought no better NDCG@10 on validation, and keeps the best weights.
    The result hangs on data, configuration, seed and kind of device alone, also after an interruption.

    warm: see Trained. fresh: where it is not 0, untrained weights. Then the network has earlier weights w, which are
    among those that may be the best, and learns on from KEPT w + (1 - KEPT) fresh: weights that have settled learn what
    is new worse than new ones do (shrink and perturb, Ash & Adams 2020).

    later: the network has settled weights too, and learns later events from them, without validation. It keeps the
    running mean of the epochs' weights, as most trainings that validation judges.
    """
    examples = model.places(data.histories)
    jit = examples * epochs >= COMPILED_EXAMPLES or on_gpu()
    model.network.compile(jit_compile=jit)
    compiled, precision = "compiled by XLA" if jit else "without XLA", model.network.compute_dtype
    log.info("%s trains on %s in %s, %s", model.name, device(), precision, compiled)
    if not examples:
        return Trained(1, data.seed, 0, None, warm)
    return Training(model, data, epochs, examples, jit, warm, later).run(fresh or [])


class Training:
    """One training. best, best_epoch, best_weights: by validation, of the epochs so far and of their running means.

    mean: that of the weights after each epoch (Polyak & Juditsky 1992). It lags while much is learned, and then is what
    the steps only scatter about. epoch: how many are done; batches, seen, total: of the one under way, with its
    examples and the sum of their losses.
    """

    def __init__(
        self, model: "Neural", data: TrainingData, epochs: int, examples: int, jit: bool, warm: int, later: bool
    ) -> None:
        self.model, self.data, self.epochs, self.examples = model, data, epochs, examples
        self.warm, self.later = warm, later
        self.validation = sample_users(data.validation, data.seed)
        self.optimizer = keras.optimizers.Adam(model.config.learning_rate)
        self.loss = model.loss_of(model.network)
        self.loss.compile(optimizer=self.optimizer, loss=None, jit_compile=jit)
        self.optimizer.build(self.loss.trainable_variables)
        self.epoch, self.batches, self.seen, self.total = 0, 0, 0, 0.0
        self.best, self.best_epoch = -1.0, 0
        self.best_weights: Weights = []
        self.mean: Weights = []
        self.checkpoint = None if data.workspace is None else data.workspace / CHECKPOINT
        self.kept = time.perf_counter()  # when the last checkpoint was

    def run(self, fresh: Weights) -> Trained:
        """Trains, and leaves the best weights in the network, without validation the last, or their mean."""
        if not (self.checkpoint and self.checkpoint.exists() and self._resume(self.checkpoint)) and self.warm:
            self._judge()
            pairs = zip(self.model.network.get_weights(), fresh, strict=True)
            self.model.network.set_weights([KEPT * earlier + (1 - KEPT) * new for earlier, new in pairs])
        curves = None if self.data.workspace is None else EventFile(self.data.workspace / CURVES)
        patience = self.model.config.patience if self.validation else self.epochs
        while self.epoch < self.epochs and self.epoch - self.best_epoch < patience:
            progress = self._one_epoch()
            self.epoch, self.batches, self.seen, self.total = self.epoch + 1, 0, 0, 0.0
            judged = self._judge()
            log.info("%s%s", progress.line(), "".join(f", {name} {value:.4f}" for name, value in judged.items()))
            if curves:
                curves.add(self.epoch, {"loss": progress.loss, "events/s": progress.rate, **judged})
            self._keep()
        if curves:
            curves.close()
        if self.validation is None:
            if self.later:
                self.model.network.set_weights(self.mean)
            return Trained(self.epoch, self.data.seed, self.examples, None, self.warm)
        self.model.network.set_weights(self.best_weights)
        return Trained(self.best_epoch, self.data.seed, self.examples, self.best, self.warm)

    def _judge(self) -> dict[str, float]:
        """NDCG@10 on validation, where there is one, of the weights and of their running mean; remembers the better,
        if they are the best so far. No mean where a rate that falls to 0 makes the steps small."""
        if self.validation is None and not self.later:
            return {}
        weights = self.model.network.get_weights()
        if self.epoch and not self.warm:
            new = max(1 - MEAN_KEPT, 2 / (self.epoch + 1))  # more at first: the beginning is soon forgotten
            self.mean = [m + new * (w - m) for m, w in zip(self.mean or weights, weights, strict=True)]
        if self.validation is None:
            return {}
        found = {"validation NDCG@10": self._quality(weights)}
        if self.epoch > 1 and not self.warm:
            self.model.network.set_weights(self.mean)
            found["of the mean"] = self._quality(self.mean)
            self.model.network.set_weights(weights)
        return found

    def _quality(self, weights: Weights) -> float:
        """NDCG@10 of the network, whose weights these are."""
        assert self.validation is not None
        found = mean_ndcg(self.model, self.validation)
        if found > self.best:
            self.best, self.best_epoch, self.best_weights = found, self.epoch, weights
        return found

    def _one_epoch(self) -> Progress:
        """Trains an epoch, or what is left of it; what is random in it hangs on seed and epoch alone."""
        head = f"{self.model.name} epoch {self.epoch + 1} of {self.epochs}"
        progress = Progress(head, self.examples, self.epochs - self.epoch, self.seen, self.total)
        good = self.model.network.get_weights()
        random = np.random.default_rng((self.data.seed, self.epoch))
        for number, (batch, examples) in enumerate(self.model.training_batches(self.data.histories, random), 1):
            if number <= self.batches:  # learned before the interruption
                continue
            progress.begin()
            self.optimizer.learning_rate.assign(self._rate())
            self.loss.reset_metrics()
            loss = float(self.loss.train_on_batch(batch, return_dict=True)["loss"])
            if not np.isfinite(loss):
                raise self._diverged(good, f"{head}: the loss of batch {number} is {loss}")
            progress.end(examples, loss)
            self.batches, self.seen, self.total = number, progress.done, progress.total
            if progress.ended - self.kept >= CHECKPOINT_SECONDS:
                self._keep()
        self.model.settle(self.loss)
        if not _finite(self.model.network.get_weights()):
            raise self._diverged(good, f"{head}: batch {self.batches}, the last, made weights that are no numbers")
        return progress

    def _rate(self) -> float:
        """The learning rate of the next batch: from earlier weights it is WARM_RATE times that, falling to 0."""
        rate: float = self.model.config.learning_rate
        done = (self.epoch + self.seen / self.examples) / self.epochs
        return rate * WARM_RATE * (1 - min(done, 1.0)) if self.warm else rate

    def _diverged(self, good: Weights, what: str) -> DivergedError:
        """The error, after the network has got back its last `good` weights."""
        self.model.network.set_weights(good)
        rate = f"{self.model.name}.learning_rate (now {self.model.config.learning_rate})"
        return DivergedError(f"{what}; kept the weights from before the epoch; lower {rate}")

    @property
    def _variables(self) -> list[Any]:
        """All that changes from step to step: weights, the optimizer's, and the seeds of dropout."""
        return [*self.loss.variables, *self.optimizer.variables]

    def _keep(self) -> None:
        """Writes the checkpoint, whole or not at all."""
        if self.checkpoint is None:
            return
        self.model.settle(self.loss)
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self._variables)}
        for name, kept in (("best", self.best_weights), ("mean", self.mean)):
            arrays |= {f"{name}{i}": weights for i, weights in enumerate(kept)}
        state = [self.epoch, self.batches, self.seen, self.total, self.best_epoch, self.best]
        part = self.checkpoint.with_suffix(".part.npz")
        np.savez(part, allow_pickle=False, state=np.array(state, np.float64), **arrays)
        part.replace(self.checkpoint)
        self.kept = time.perf_counter()

    def _resume(self, file: Path) -> bool:
        """Takes the checkpoint back; False, and a line in the log, where it cannot be read or is another network's."""
        try:
            with np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored)
            values = [arrays[f"variable{i}"] for i in range(len(self._variables))]
            shapes = [tuple(variable.shape) for variable in self._variables]
            if [value.shape for value in values] != shapes:
                raise ValueError("it is of another network")
            epoch, batches, seen, self.total, best_epoch, self.best = arrays["state"].tolist()
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            log.warning("%s begins anew: %s cannot be read: %s", self.model.name, file, error)
            return False
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self.best_weights, self.mean = (
            [arrays[f"{name}{i}"] for i in range(sum(each.startswith(name) for each in arrays))]
            for name in ("best", "mean")
        )
        self.epoch, self.batches, self.seen, self.best_epoch = int(epoch), int(batches), int(seen), int(best_epoch)
        log.info("%s goes on after epoch %d and %d batches, from %s", self.model.name, self.epoch, self.batches, file)
        return True


def _finite(weights: Iterable[npt.NDArray[Any]]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in weights)
