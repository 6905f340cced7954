"""Forecasts of what users will do, and how good they are: AUC with DeLong's interval, Brier score, calibration."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
LARGEST = 20.0  # of the logarithm of an expected number
BINS = 10


@dataclass(frozen=True)
class Forecast:
    """Forecast of n users, float64 [n]: the probability of any event, and the expected number of events, which
    is never below the probability."""

    probability: Floats
    events: Floats


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As reasons tell it: `+0.0100 (+0.0020 to +0.0180)`."""
        return f"{self.value:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


def from_scores(scores: npt.NDArray[np.floating]) -> Forecast:
    """The forecast of linear scores [n, 2]: σ of the first, exp of the second."""
    probability = expit(scores[:, 0].astype(np.float64))
    events = np.exp(np.minimum(scores[:, 1].astype(np.float64), LARGEST))
    return Forecast(probability, np.maximum(events, probability))


def _placements(probability: Floats, active: Bools) -> tuple[Floats, Floats]:
    """For each active user the share of the others whose probability is below, a tie counts half; for each of the
    others the share of the active ones above."""
    m, n = int(active.sum()), int((~active).sum())
    every = rankdata(probability)
    above = (every[active] - rankdata(probability[active])) / n
    return above, 1 - (every[~active] - rankdata(probability[~active])) / m


def auc(probability: Floats, active: Bools, level: float = 0.95) -> Interval:
    """Area under the ROC curve: how often an active user has a higher probability than another one, ties count half;
    with DeLong's interval. NaN where all users are active or none is."""
    return auc_difference(probability, np.zeros(len(active)), active, level, 0.5)


def auc_difference(one: Floats, other: Floats, active: Bools, level: float = 0.95, plus: float = 0.0) -> Interval:
    """AUC of `one` less that of `other` over the same users, plus a constant, with its interval.

    The variance is that of the paired structural components (DeLong, DeLong & Clarke-Pearson 1988): with V the
    placements of the m active and the n other users, var = var(V_active) / m + var(V_other) / n. NaN where fewer than
    two users are active, or all but fewer than two.
    """
    if min(active.sum(), (~active).sum()) < 2:
        return Interval(float("nan"), float("nan"), float("nan"))
    parts = [a - b for a, b in zip(_placements(one, active), _placements(other, active), strict=True)]
    value = float(parts[0].mean()) + plus
    half = float(ndtri((1 + level) / 2) * np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))
    return Interval(value, value - half, value + half)


def brier(probability: Floats, active: Bools) -> Floats:
    """[n]: (p - y)², whose mean is the Brier score (1950); 0 is perfect."""
    return np.asarray((probability - active) ** 2, np.float64)


def calibration_bins(probability: Floats, bins: int = BINS) -> list[npt.NDArray[np.int64]]:
    """The users in `bins` bins of as many each, by rising probability; fewer where there are fewer users. Equal
    probabilities stand in the order of the users."""
    order = np.argsort(probability, kind="stable")
    return [part for part in np.array_split(order, bins) if len(part)]
