"""Recency and frequency: logistic and Poisson regression of what follows on what was (the baseline of `activity`)."""

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from models.evaluation.forecasts import LARGEST, Forecast, from_scores

Floats = npt.NDArray[np.float64]
RIDGE = 1e-4  # on standardised weights, of the mean loss: keeps them finite where a feature separates


class RecencyFrequency:
    """P(any event) = σ(w · x + b) and E[events] = exp(v · x + c), x the standardised summary of a user.

    Each maximises its likelihood less a small ridge, by L-BFGS: the problems are convex.
    """

    name: ClassVar[str] = "recency_frequency"
    mean: Floats
    scale: Floats
    weights: Floats  # [1 + features, 2]

    def fit(self, summary: npt.NDArray[np.float32], events: npt.NDArray[np.int64]) -> Self:
        """Learns from summaries [n, features] and the numbers of events [n] that followed."""
        self.mean = summary.mean(axis=0, dtype=np.float64)
        self.scale = np.maximum(summary.std(axis=0, dtype=np.float64), 1e-9)
        x = self._design(summary)
        many = events.astype(np.float64)
        self.weights = np.stack([_fit(x, np.minimum(many, 1.0), _logistic), _fit(x, many, _poisson)], axis=1)
        return self

    def _design(self, summary: npt.NDArray[np.float32]) -> Floats:
        return np.concatenate([np.ones((len(summary), 1)), (summary - self.mean) / self.scale], axis=1)

    def predict(self, summary: npt.NDArray[np.float32]) -> Forecast:
        """Of n users."""
        return from_scores(self._design(summary) @ self.weights)


Loss = Callable[[Floats, Floats], tuple[Floats, Floats]]  # of scores and targets, and its derivative


def _logistic(score: Floats, active: Floats) -> tuple[Floats, Floats]:
    return np.logaddexp(0, score) - active * score, expit(score) - active


def _poisson(score: Floats, events: Floats) -> tuple[Floats, Floats]:
    mean = np.exp(np.minimum(score, LARGEST))
    return mean - events * score, mean - events


def _fit(x: Floats, target: Floats, loss: Loss) -> Floats:
    def objective(weights: Floats) -> tuple[float, Floats]:
        value, slope = loss(x @ weights, target)
        penalised = np.r_[0.0, weights[1:]]
        return float(value.mean() + RIDGE / 2 * penalised @ penalised), x.T @ slope / len(x) + RIDGE * penalised

    return np.asarray(minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x, np.float64)
