"""How active users will be: a recurrent network over their active days (Cho et al. 2014), beside what is known of
recency and frequency."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import keras
import numpy as np
import numpy.typing as npt
from annotated_types import Interval, Unit, doc
from keras import ops

from models.base import MANIFEST
from models.config import Config
from models.evaluation.forecasts import LARGEST, Forecast, from_scores
from models.features.activity import STEP, SUMMARY, ActiveDays, Examples, events_ahead, steps, summaries
from models.layers.devices import device, on_gpu, on_jax
from models.neural.recommender import NETWORK
from models.neural.settings import LearningRate, Units
from models.training.loop import DivergedError

PREDICTED = 8192  # users at once
LARGEST_STEP = 1.0  # norm of a gradient: that of one very active user would undo others
COMPILED_EXAMPLES = 100_000  # in all epochs, from which XLA's compiling, some seconds, is worth it
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActivityConfig(Config):
    """Architecture and training of the network that predicts activity."""

    model: ClassVar[str] = "activity"
    days: Annotated[int, Interval(ge=1, le=1000), Unit("days"), doc("active days of a user that are read")] = 32
    units: Units = 32
    examples: Annotated[
        int, Interval(ge=1000, le=10**9), Unit("examples"), doc("most users at the end of a day that are learned from")
    ] = 100_000
    batch: Annotated[int, Interval(ge=1, le=100_000), Unit("examples"), doc("examples in a step")] = 256
    epochs: Annotated[int, Interval(ge=1, le=1000), Unit("epochs"), doc("passes over the examples")] = 4
    learning_rate: LearningRate = 3e-3


def network(config: ActivityConfig, mean: npt.NDArray[Any], variance: npt.NDArray[Any]) -> keras.Model:
    """[logit of any event, logarithm of the expected number] = A s + B relu(C [h ; s] + c) + b, h the last state of a
    GRU over the active days and s the standardised summary: without h it is the regression on recency and frequency.

    Inputs: float32 [n, days, STEP] and [n, SUMMARY]. mean, variance: of the summaries, float64 [SUMMARY].
    """
    days = keras.Input((config.days, STEP), name="days")
    summary = keras.Input((SUMMARY,), name="summary")
    known = keras.layers.Normalization(mean=mean, variance=variance)(summary)
    state = keras.layers.GRU(config.units)(days)
    both = keras.layers.Dense(config.units, "relu")(keras.layers.Concatenate()([state, known]))
    scores = keras.layers.Add()([keras.layers.Dense(2)(known), keras.layers.Dense(2, use_bias=False)(both)])
    return keras.Model([days, summary], scores, name="activity")


def loss_of(events: npt.NDArray[Any]) -> Callable[[Any, Any], Any]:
    """Cross-entropy of any event, and the Poisson deviance of their number over the mean number of the `events` that
    are learned, so that neither outweighs the other. Of events [n, 1] and scores [n, 2]."""
    share = 1.0 / max(float(events.mean()), 1.0)

    def loss(number: Any, scores: Any) -> Any:
        active = ops.cast(ops.greater(number[:, 0], 0), scores.dtype)
        happens = ops.softplus(scores[:, 0]) - active * scores[:, 0]
        logarithm = ops.clip(scores[:, 1], -LARGEST, LARGEST)
        return happens + share * (ops.exp(logarithm) - number[:, 0] * logarithm)

    return loss


class Activity:
    """Learns how active users were after what was known of them, predicts it for others."""

    name: ClassVar[str] = "activity"
    Config: ClassVar[type] = ActivityConfig
    network: keras.Model
    loss: float  # the mean of the last epoch

    def __init__(self, config: ActivityConfig | None = None) -> None:
        """Not yet trained."""
        self.config = ActivityConfig() if config is None else config

    def fit(self, days: ActiveDays, learn: Examples, seed: int = 0) -> Self:
        """Learns from the examples, of more than `config.examples` from so many that the seed draws.

        Raises DivergedError for a loss that is no number.
        """
        keras.utils.set_random_seed(seed)
        random = np.random.default_rng(seed)
        if len(learn) > self.config.examples:
            learn = learn.take(np.sort(random.choice(len(learn), self.config.examples, replace=False)))
        x, events = self._inputs(days, learn), events_ahead(days, learn).astype(np.float32)[:, None]
        self.network = network(self.config, x[1].mean(axis=0), x[1].var(axis=0) + 1e-6)
        optimizer = keras.optimizers.Adam(self._rates(len(learn)), clipnorm=LARGEST_STEP)
        jit = self.config.epochs * len(learn) >= COMPILED_EXAMPLES or on_jax() or on_gpu()
        self.network.compile(optimizer, loss_of(events), jit_compile=jit)
        log.info("activity trains on %d examples, %s", len(learn), device())
        for epoch in range(1, self.config.epochs + 1):
            whole = len(learn) // self.config.batch * self.config.batch  # a smaller batch would be compiled apart
            order = random.permutation(len(learn))[: whole or None]
            history = self.network.fit(
                [part[order] for part in x], events[order], self.config.batch, verbose=0, shuffle=False
            )
            self.loss = float(history.history["loss"][0])
            log.info("activity epoch %d of %d: loss %.4f", epoch, self.config.epochs, self.loss)
            if not np.isfinite(self.loss):
                raise DivergedError(
                    f"activity: the loss of epoch {epoch} is {self.loss}; lower activity.learning_rate (now "
                    f"{self.config.learning_rate})"
                )
        self.network.jit_compile = on_jax() or on_gpu()
        return self

    def _rates(self, n: int) -> Any:
        """From `learning_rate` to 0 along a cosine: the last steps settle."""
        every = self.config.epochs * -(-n // self.config.batch)
        return keras.optimizers.schedules.CosineDecay(self.config.learning_rate, every)

    def _inputs(self, days: ActiveDays, at: Examples) -> list[npt.NDArray[np.float32]]:
        return [steps(days, at, self.config.days), summaries(days, at)]

    def predict(self, days: ActiveDays, at: Examples) -> Forecast:
        """What follows each example."""
        scores = np.zeros((len(at), 2), np.float32)
        for low in range(0, len(at), PREDICTED):
            rows = np.arange(low, min(low + PREDICTED, len(at)))
            part = self._inputs(days, at.take(rows))
            scores[rows] = ops.convert_to_numpy(self.network.predict_on_batch(part))
        return from_scores(scores)

    def save(self, folder: Path) -> None:
        """Writes manifest and network into a local folder."""
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {"model": self.name, "config": asdict(self.config)}
        manifest |= {"keras": keras.version(), "backend": keras.backend.backend()}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        self.network.save(folder / NETWORK)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote. Raises ValueError where the folder holds another model."""
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["model"] != cls.name:
            raise ValueError(f"{folder}: holds the model {manifest['model']!r}, not {cls.name!r}")
        model = cls(ActivityConfig(**manifest["config"]))
        model.network = keras.saving.load_model(folder / NETWORK, compile=False)
        model.network.jit_compile = on_jax() or on_gpu()
        return model
