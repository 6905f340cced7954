"""The training loop of the Keras models: epochs, early stop, checkpoints, progress."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from models.training import TrainingData
from models.validation import quality, sampled

if TYPE_CHECKING:
    from models.neural import Neural

# Compiling by XLA takes some ten seconds and then halves the time: for training on so many examples in all epochs.
COMPILED_EXAMPLES = 2_000_000
LINE_SECONDS = 30.0  # between lines of progress within an epoch
CHECKPOINT = "checkpoint.npz"
log = logging.getLogger(__name__)
Weights = list[npt.NDArray[Any]]


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


class Trained(NamedTuple):
    """How a training went. epochs: of the weights that were kept. ndcg: theirs on validation, None without one."""

    epochs: int
    seed: int
    examples: int
    ndcg: float | None


def train(model: "Neural", data: TrainingData, epochs: int) -> Trained:
    """Trains `model.network`, from the checkpoint in `data.workspace` where there is one.

    Stops after `epochs`, or when `patience` epochs brought no better NDCG@10 on validation, and keeps the best weights.
    The result hangs on data, configuration, seed and kind of device alone, also after an interruption.
    """
    examples = model.places(data.histories)
    jit = examples * epochs >= COMPILED_EXAMPLES or on_gpu()
    model.network.compile(jit_compile=jit)
    log.info("%s trains on %s, %s", model.name, device(), "compiled by XLA" if jit else "without XLA")
    if not examples:
        return Trained(1, data.seed, 0, None)
    return Training(model, data, epochs, examples, jit).run()


class Training:
    """One training. best, best_epoch, best_weights: by validation, of the epochs so far; epoch: the last one done."""

    def __init__(self, model: "Neural", data: TrainingData, epochs: int, examples: int, jit: bool) -> None:
        self.model, self.data, self.epochs, self.examples = model, data, epochs, examples
        self.validation = sampled(data.validation, data.seed)
        self.optimizer = keras.optimizers.Adam(model.config.learning_rate)
        self.loss = model.loss_of(model.network)
        self.loss.compile(optimizer=self.optimizer, loss=None, jit_compile=jit)
        self.optimizer.build(self.loss.trainable_variables)
        self.epoch, self.best, self.best_epoch = 0, -1.0, 0
        self.best_weights: Weights = []
        self.checkpoint = None if data.workspace is None else data.workspace / CHECKPOINT

    def run(self) -> Trained:
        """Trains, and leaves the best weights in the network."""
        if self.checkpoint is not None and self.checkpoint.exists():
            self._resume(self.checkpoint)
        patience = self.model.config.patience if self.validation else self.epochs
        while self.epoch < self.epochs and self.epoch - self.best_epoch < patience:
            line = self._one_epoch()
            self.epoch += 1
            if self.validation is not None:
                found = quality(self.model, self.validation)
                line += f", validation NDCG@10 {found:.4f}"
                if found > self.best:
                    self.best, self.best_epoch, self.best_weights = found, self.epoch, self.model.network.get_weights()
            log.info("%s", line)
            if self.checkpoint is not None:
                self._keep(self.checkpoint)
        if self.validation is None:
            return Trained(self.epoch, self.data.seed, self.examples, None)
        self.model.network.set_weights(self.best_weights)
        return Trained(self.best_epoch, self.data.seed, self.examples, self.best)

    def _one_epoch(self) -> str:
        """Trains one epoch; what is random in it hangs on seed and epoch alone. Returns the line that tells of it."""
        progress = Progress(f"{self.model.name} epoch {self.epoch + 1} of {self.epochs}", self)
        good = self.model.network.get_weights()
        random = np.random.default_rng((self.data.seed, self.epoch))
        for number, (batch, examples) in enumerate(self.model.training_batches(self.data.histories, random), 1):
            progress.begin()
            self.loss.reset_metrics()
            loss = float(self.loss.train_on_batch(batch, return_dict=True)["loss"])
            if not np.isfinite(loss):
                self.model.network.set_weights(good)
                raise DivergedError(
                    f"{progress.head}: the loss of batch {number} is {loss}; kept the weights from before the epoch; "
                    f"lower {self.model.name}.learning_rate (now {self.model.config.learning_rate})"
                )
            progress.end(examples, loss)
        return progress.line()

    @property
    def _variables(self) -> list[Any]:
        """All that changes from step to step: weights, the optimizer's, and the seeds of dropout."""
        return [*self.loss.variables, *self.optimizer.variables]

    def _keep(self, file: Path) -> None:
        """Writes the checkpoint, whole or not at all."""
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self._variables)}
        arrays |= {f"best{i}": weights for i, weights in enumerate(self.best_weights)}
        state = np.array([self.epoch, self.best_epoch, self.best], np.float64)
        part = file.with_suffix(".part.npz")
        np.savez(part, allow_pickle=False, state=state, **arrays)
        part.replace(file)

    def _resume(self, file: Path) -> None:
        with np.load(file, allow_pickle=False) as arrays:
            for i, variable in enumerate(self._variables):
                variable.assign(arrays[f"variable{i}"])
            count = sum(name.startswith("best") for name in arrays)
            self.best_weights = [arrays[f"best{i}"] for i in range(count)]
            epoch, best_epoch, best = arrays["state"].tolist()
        self.epoch, self.best_epoch, self.best = int(epoch), int(best_epoch), best
        log.info("%s goes on after epoch %d, from %s", self.model.name, self.epoch, file)


class Progress:
    """Counts an epoch's examples and seconds, and says now and then how it goes."""

    def __init__(self, head: str, training: Training) -> None:
        self.head, self.training = head, training
        self.started = self.said = self.ended = time.perf_counter()
        self.waited, self.done, self.total = 0.0, 0, 0.0

    def begin(self) -> None:
        """A batch is there."""
        self.waited += time.perf_counter() - self.ended

    def end(self, examples: int, loss: float) -> None:
        """A batch is learned, with this mean loss."""
        self.done, self.total, self.ended = self.done + examples, self.total + loss * examples, time.perf_counter()
        if self.ended - self.said >= LINE_SECONDS:
            self.said = self.ended
            log.info("%s", self.line())

    def line(self) -> str:
        """Loss, speed and time left, as after the last batch."""
        seconds = max(self.ended - self.started, 1e-9)
        rate = self.done / seconds
        epochs = self.training.epochs - self.training.epoch
        left = (self.training.examples * epochs - self.done) / max(rate, 1e-9)
        waiting = 100 * self.waited / seconds
        done = 100 * self.done / self.training.examples
        return (
            f"{self.head}: loss {self.total / self.done:.4f}, {done:.0f} % in {seconds:.1f} s, "
            f"{rate:.0f} events/s, {waiting:.1f} % of it waiting for data, at most {left:.0f} s left"
        )


def on_gpu() -> bool:
    """Whether Keras has a GPU."""
    return any(name.startswith(("gpu", "cuda")) for name in keras.distribution.list_devices())


def device() -> str:
    """The devices that Keras computes on, and its backend."""
    return f"{', '.join(keras.distribution.list_devices())} ({keras.backend.backend()} backend)"
