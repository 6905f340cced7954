"""The training loop of the Keras models: epochs, early stop, checkpoints, progress."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from models.base import TrainingData
from models.data import UnlearnableError
from models.evaluation.validation import sample_users
from models.layers.devices import device, on_gpu, on_jax
from models.training.checkpoint import STATE, Checkpoint, list_numbered
from models.training.event_file import CURVES, EventFile
from models.training.memory import halve, run_in_halves_if_needed
from models.training.progress import Progress
from models.training.steps import Ahead, Group, Grouping, HostSteps, Pace, Steps, on_device
from models.training.trainable import Plan, Trainable, Trained

# Compiling by XLA takes some ten seconds and then halves the time: for training on so many examples in all epochs.
COMPILED_EXAMPLES = 2_000_000
CHECKPOINT_SECONDS = 60.0  # between checkpoints within an epoch
# A training with earlier weights begins with such a share of them (the rest is new) and so many times the rate.
KEPT, WARM_RATE = 0.8, 4.0
MEAN_KEPT = 0.8  # the share of it that the running mean of the epochs' weights keeps when another comes
log = logging.getLogger(__name__)
Weights = list[npt.NDArray[Any]]


class DivergedError(UnlearnableError):
    """The loss, or a weight, is no longer a number."""


def train(
    model: Trainable, data: TrainingData, epochs: int, warm: int = 0, fresh: Weights | None = None, later: bool = False
) -> Trained:
    """Trains `model.network`, from the checkpoint in `data.workspace` or `data.store` where there is one.

    Stops after `epochs`, or when `patience` epochs brought no better NDCG@10 on validation, and keeps the best weights.
    The result hangs on data, configuration, seed and kind of device alone, also after an interruption. Where the
    device's memory does not hold a step, all is done again with batches in halves; raises OutOfMemoryError where it
    does not hold these.

    warm: see Trained. fresh: where it is not 0, untrained weights. Then the network has earlier weights w, which are
    among those that may be the best, and learns on from KEPT w + (1 - KEPT) fresh: weights that have settled learn what
    is new worse than new ones do (shrink and perturb, Ash & Adams 2020).

    later: the network has settled weights too, and learns later events from them, without validation. It keeps the
    running mean of the epochs' weights, as most trainings that validation judges.
    """
    examples = model.examples_per_epoch(data.histories)
    jit = on_gpu() or on_jax() or (model.xla_on_cpu and examples * epochs >= COMPILED_EXAMPLES)
    model.network.compile(jit_compile=jit)
    compiled, precision = "compiled by XLA" if jit else "without XLA", model.network.compute_dtype
    log.info("%s trains on %s in %s, %s", model.name, device(), precision, compiled)
    if not examples:
        return Trained(1, data.seed, 0, None, warm)
    plan = Plan(epochs, examples, jit, warm, later)

    def attempt(halved: bool) -> Trained:
        return Training(model, data, plan._replace(halved=halved)).run(fresh or [])

    return run_in_halves_if_needed(model, attempt)


class Training:
    """State of one training. best, best_epoch, best_weights: by validation, of the epochs so far and of their running
    means.

    mean: that of the weights after each epoch (Polyak & Juditsky 1992). It lags while much is learned, and then is what
    the steps only scatter about. epoch: how many are done; batches, seen, total: of the one under way, with its
    examples and the sum of their losses.
    """

    def __init__(self, model: Trainable, data: TrainingData, plan: Plan) -> None:
        self.model, self.data, self.plan = model, data, plan
        held_out = sample_users(data.validation, data.seed)
        self.validate = model.validator(held_out) if held_out is not None else None
        self.optimizer = keras.optimizers.Adam(
            model.config.learning_rate, gradient_accumulation_steps=2 if plan.halved else None
        )
        self.loss = model.loss_of(model.network)
        self.loss.compile(optimizer=self.optimizer, loss=None, jit_compile=plan.jit)
        on_host = getattr(self.loss, "steps_on_host", False)
        self.steps = HostSteps(self.loss) if on_host else Steps(self.loss, self.optimizer, plan.jit)
        self.grouping = Grouping(plan.examples, stacked=not on_host)
        self.optimizer.build(self.loss.trainable_variables)
        self.epoch, self.batches, self.seen, self.total = 0, 0, 0, 0.0
        self.best, self.best_epoch = -1.0, 0
        self.best_weights: Weights = []
        self.mean: Weights = []
        self.pace = Pace()
        self.checkpoint = Checkpoint(model.name, data.workspace, data.store)
        self.kept = 0.0  # when the last checkpoint was

    def run(self, fresh: Weights) -> Trained:
        """Trains, and leaves the best weights in the network, without validation the last, or their mean."""
        if not self._resume() and self.plan.warm:
            self._judge()
            pairs = zip(self.model.network.get_weights(), fresh, strict=True)
            self.model.network.set_weights([KEPT * earlier + (1 - KEPT) * new for earlier, new in pairs])
        curves = None if self.data.workspace is None else EventFile(self.data.workspace / CURVES)
        learned = self.epoch, self.batches
        ahead = Ahead(lambda epoch: self._groups(epoch, *learned), range(self.epoch, self.plan.epochs))
        try:
            self._epochs(ahead, curves)
        finally:
            ahead.close()
            self.checkpoint.close()
            if curves:
                curves.close()
        if self.validate is None:
            if self.plan.later:
                self.model.network.set_weights(self.mean)
            return Trained(self.epoch, self.data.seed, self.plan.examples, None, self.plan.warm)
        self.model.network.set_weights(self.best_weights)
        return Trained(self.best_epoch, self.data.seed, self.plan.examples, self.best, self.plan.warm)

    def _epochs(self, ahead: Ahead, curves: EventFile | None) -> None:
        patience = self.model.config.patience if self.validate else self.plan.epochs
        while self.epoch < self.plan.epochs and self.epoch - self.best_epoch < patience:
            progress = self._one_epoch(ahead)
            self.epoch, self.batches, self.seen, self.total = self.epoch + 1, 0, 0, 0.0
            judged = self._judge()
            log.info("%s%s", progress.line(), "".join(f", {name} {value:.4f}" for name, value in judged.items()))
            if curves:
                curves.add(self.epoch, {"loss": progress.loss, "events/s": progress.rate, **judged})
            self._keep(progress.ended)

    def _judge(self) -> dict[str, float]:
        """NDCG@10 on validation, where there is one, of the weights and of their running mean; remembers the better,
        if they are the best so far. No mean where a rate that falls to 0 makes the steps small."""
        if self.validate is None and not self.plan.later:
            return {}
        weights = self.model.network.get_weights()
        if self.epoch and not self.plan.warm:
            new = max(1 - MEAN_KEPT, 2 / (self.epoch + 1))  # more at first: the beginning is soon forgotten
            self.mean = [m + new * (w - m) for m, w in zip(self.mean or weights, weights, strict=True)]
        if self.validate is None:
            return {}
        scalars = {"validation NDCG@10": self._quality(weights)}
        if self.epoch > 1 and not self.plan.warm:
            self.model.network.set_weights(self.mean)
            scalars["of the mean"] = self._quality(self.mean)
            self.model.network.set_weights(weights)
        return scalars

    def _quality(self, weights: Weights) -> float:
        """NDCG@10 of the network, whose weights these are."""
        assert self.validate is not None
        ndcg = self.validate()
        if ndcg > self.best:
            self.best, self.best_epoch, self.best_weights = ndcg, self.epoch, weights
        return ndcg

    def _groups(self, epoch: int, begun: int = 0, learned: int = 0) -> Iterator[Group]:
        """The batches of an epoch, of the one that was begun without those learned already; what is random in it hangs
        on seed and epoch alone. Called in another thread."""
        batches = self.model.training_batches(self.data.histories, np.random.default_rng((self.data.seed, epoch)))
        if self.plan.halved:
            batches = halve(self.model, batches)
        skipped = learned if epoch == begun else 0
        return self.grouping.groups(batches, skipped)

    def _one_epoch(self, ahead: Ahead) -> Progress:
        """Trains an epoch, or what is left of it."""
        head = f"{self.model.name} epoch {self.epoch + 1} of {self.plan.epochs}"
        progress = Progress(head, self.plan.examples, self.plan.epochs - self.epoch, self.seen, self.total)
        self.kept = self.kept or progress.started
        good = self.model.network.get_weights()
        for group in ahead.epoch(self.epoch):
            batches = on_device(group.batches) if isinstance(self.steps, Steps) else group.batches
            while self.batches - group.first + 1 < len(group.examples):
                first = self.batches - group.first + 1
                examples = group.examples[first : first + self.pace.steps]
                progress.begin()
                losses = self.steps.learn(batches, self._rates(examples), first)
                if not np.isfinite(losses).all():
                    bad = int(np.flatnonzero(~np.isfinite(losses))[0])
                    raise self._restore_diverged(
                        good, f"{head}: the loss of batch {self.batches + bad + 1} is {losses[bad]}"
                    )
                progress.end(sum(examples), float(losses @ examples))
                self.pace.record_time(len(examples), progress.ended - progress.begun)
                self.batches, self.seen, self.total = self.batches + len(examples), progress.done, progress.total
                if progress.ended - self.kept >= CHECKPOINT_SECONDS:
                    self._keep(progress.ended)
        self.model.settle(self.loss)
        if not _finite(self.model.network.get_weights()):
            raise self._restore_diverged(
                good, f"{head}: batch {self.batches}, the last, made weights that are no numbers"
            )
        return progress

    def _rates(self, examples: list[int]) -> list[float]:
        """The learning rates of the next batches, which have so many examples each: from earlier weights WARM_RATE
        times the setting, falling to 0."""
        rate: float = self.model.config.learning_rate
        if not self.plan.warm:
            return [rate] * len(examples)
        seen = self.seen + np.cumsum(examples) - examples
        done = (self.epoch + seen / self.plan.examples) / self.plan.epochs
        return list(rate * WARM_RATE * (1 - np.minimum(done, 1.0)))

    def _restore_diverged(self, good: Weights, what: str) -> DivergedError:
        """The error, after the network has got back its last `good` weights."""
        self.model.network.set_weights(good)
        rate = f"{self.model.name}.learning_rate (now {self.model.config.learning_rate})"
        return DivergedError(f"{what}; kept the weights from before the epoch; lower {rate}")

    @property
    def _variables(self) -> list[Any]:
        """All that changes from step to step: weights, the optimizer's, and the seeds of dropout."""
        return [*self.loss.variables, *self.optimizer.variables]

    def _keep(self, now: float) -> None:
        """Writes the checkpoint."""
        if self.data.workspace is None:
            return
        self.model.settle(self.loss)
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self._variables)}
        arrays |= {f"best{i}": weights for i, weights in enumerate(self.best_weights)}
        arrays |= {f"mean{i}": weights for i, weights in enumerate(self.mean)}
        state = [self.epoch, self.batches, self.seen, self.total, self.best_epoch, self.best]
        self.checkpoint.write({STATE: np.array(state, np.float64), **arrays})
        self.kept = now

    def _resume(self) -> bool:
        """Takes the checkpoint back; False where there is none, and a line in the log where it is another network's."""
        arrays = self.checkpoint.read()
        if arrays is None:
            return False
        values = [arrays.get(f"variable{i}") for i in range(len(self._variables))]
        shapes = [tuple(variable.shape) for variable in self._variables]
        if [None if value is None else value.shape for value in values] != shapes:
            log.warning("%s trains from the beginning: the checkpoint is another network's", self.model.name)
            return False
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self.best_weights, self.mean = (list_numbered(arrays, name) for name in ("best", "mean"))
        epoch, batches, seen, self.total, best_epoch, self.best = arrays[STATE].tolist()
        self.epoch, self.batches, self.seen, self.best_epoch = int(epoch), int(batches), int(seen), int(best_epoch)
        log.info("%s goes on after epoch %d and %d batches", self.model.name, self.epoch, self.batches)
        return True


def _finite(weights: Iterable[npt.NDArray[Any]]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in weights)
