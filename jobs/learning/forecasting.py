"""Which days a forecast of activity learns from and is judged on, and which of two models makes it.

With `last` the day of the newest event: judged is what is predicted at the end of `last` - 7, by models that learned
from the ends of days up to `last` - 14, so that no day that is judged was learned. What is published was learned up to
`last` - 7, whose following week is over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.classic.recency_frequency import RecencyFrequency
from models.evaluation.bootstrap import intervals
from models.evaluation.forecasts import Forecast, auc, auc_difference, brier, calibration_bins
from models.features.activity import HORIZON_DAYS, ActiveDays, Examples, events_ahead, examples, summaries

EVERY_DAYS, LEARNED_DAYS = 1, 90  # ends of days that are learned: one in so many, of the last so many
MOST_EXAMPLES = 300_000  # that are drawn from them
LEAST_HISTORY_DAYS = 7  # that precede the first of them
LEAST_USERS = 20  # who are active, and who are not, among those learned from or judged on: fewer say nothing
BASELINE, NETWORK = "recency_frequency", "activity"
Fit = Callable[[Examples], Callable[[Examples], Forecast]]  # examples to learn from → what predicts others


@dataclass(frozen=True)
class Score:
    """What was measured of one model, as a row of `metrics`: (segment, metric), value, its interval, users."""

    model: str
    segment: str
    metric: str
    value: float
    low: float
    high: float
    users: int


@dataclass(frozen=True)
class Verdict:
    """Which model makes the forecast, why, and what was measured of both; nothing where nobody could be judged."""

    model: str
    reason: str
    scores: list[Score] = field(default_factory=list)


def learnable(days: ActiveDays, last: int, seed: int = 0) -> Examples:
    """The examples whose following week ends with day `last` at the latest; of many a part that the seed draws."""
    end = last - HORIZON_DAYS
    begin = max(int(days.day.min()) + LEAST_HISTORY_DAYS - 1, end - LEARNED_DAYS + 1)
    return examples(days, np.arange(end, begin - 1, -EVERY_DAYS)[::-1], MOST_EXAMPLES, seed)


def enough_users(days: ActiveDays, some: Examples) -> bool:
    """Whether enough of the users are active in the week that follows, and enough are not."""
    active = events_ahead(days, some) > 0
    return min(len(np.unique(some.user[active])), len(np.unique(some.user[~active]))) >= LEAST_USERS


def baseline(days: ActiveDays) -> Fit:
    """Regression on recency and frequency."""

    def fit(learn: Examples) -> Callable[[Examples], Forecast]:
        model = RecencyFrequency().fit(summaries(days, learn), events_ahead(days, learn))
        return lambda some: model.predict(summaries(days, some))

    return fit


def judge(days: ActiveDays, network: Fit | None, seed: int = 0) -> Verdict:
    """The network makes the forecast only where its AUC is above the baseline's by more than the interval of the
    difference; else the baseline. Without a network the baseline is measured alone."""
    last = int(days.day.max())
    learn, test = learnable(days, last - HORIZON_DAYS, seed), examples(days, np.array([last - HORIZON_DAYS]))
    if not (enough_users(days, learn) and enough_users(days, test)):
        return Verdict(BASELINE, f"too few events to judge on: under {LEAST_USERS} users active, or not active")
    active = events_ahead(days, test) > 0
    forecasts = {BASELINE: baseline(days)(learn)(test)}
    if network is None:
        return Verdict(BASELINE, "the night trains no network", measure(forecasts, active, seed))
    forecasts[NETWORK] = network(learn)(test)
    gain = auc_difference(forecasts[NETWORK].probability, forecasts[BASELINE].probability, active)
    better = gain.low > 0
    word = "better" if better else "not better"
    reason = f"AUC of the network is {gain} to {BASELINE}: {word} beyond the interval, {len(active)} users"
    return Verdict(NETWORK if better else BASELINE, reason, measure(forecasts, active, seed))


def measure(forecasts: Mapping[str, Forecast], active: npt.NDArray[np.bool_], seed: int) -> list[Score]:
    """AUC and Brier score of each model over all users, and its calibration: of the users in each tenth by probability
    (`decile_01` has the lowest) the mean probability (`predicted`) and how many were active (`active_share`)."""
    scores = []
    for name, forecast in forecasts.items():
        area, users = auc(forecast.probability, active), len(active)
        ends = (max(area.low, 0.0), min(area.high, 1.0))
        scores.append(Score(name, "all", "auc", area.value, *ends, users))
        bins = calibration_bins(forecast.probability)
        columns = np.full((users, 1 + len(bins)), np.nan)
        columns[:, 0] = brier(forecast.probability, active)
        for place, members in enumerate(bins, 1):
            columns[members, place] = active[members]
        means, (lows, highs) = np.nanmean(columns, axis=0).tolist(), intervals(columns, seed).T.tolist()
        scores.append(Score(name, "all", "brier", means[0], lows[0], highs[0], users))
        for place, members in enumerate(bins, 1):
            mean, segment = float(forecast.probability[members].mean()), f"decile_{place:02}"
            scores.append(Score(name, segment, "predicted", mean, mean, mean, len(members)))
            scores.append(Score(name, segment, "active_share", means[place], lows[place], highs[place], len(members)))
    return scores


def everybody(days: ActiveDays) -> Examples:
    """All users with events, at the end of the day of the newest event."""
    return examples(days, np.array([days.day.max()]))
