"""Rules of the promotion gate: which model becomes champion, from the metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.classic.popularity import Popularity
from models.evaluation.bootstrap import LEVEL, intervals
from schemas.domains import Domain
from schemas.names import HEADLINE

RESAMPLES = 2000
GATED = "{}@{}".format(*HEADLINE)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """ndcg: model → NDCG@10 [n_users], the same users for all. new: bool [n_users], without events before the test.
    overall: (model, metric) → its value at k = 10 over all users. seed: of the bootstrap."""

    ndcg: Mapping[str, Floats]
    new: npt.NDArray[np.bool_]
    overall: Mapping[tuple[str, str], float]
    seed: int = 0


@dataclass(frozen=True)
class Choice:
    """champion: the model that makes the lists. reasons: model → why it is champion or not. refusal: why the night is
    refused, or None."""

    champion: str
    reasons: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None


@dataclass(frozen=True)
class Difference:
    """Mean over the users of what one model has more than another, with its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """As reasons tell it: `+0.0100 (+0.0020 to +0.0180)`."""
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


def choose(judged: Judged, candidates: list[str], incumbent: str | None, domain: Domain) -> Choice:
    """The champion among the `candidates` (simplest first, at least one).

    The incumbent, unless a challenger is better beyond the interval and keeps the guards: then the best of these.
    Where there is none, or it was not trained: the simplest that the best is not better than beyond the interval.
    """
    if not len(judged.new):
        name = incumbent if incumbent in candidates else candidates[0]
        return Choice(name, dict.fromkeys(candidates, "no held-out users to judge it on"))
    means = {name: float(judged.ndcg[name].mean()) for name in candidates}
    best = max(candidates, key=lambda name: means[name])
    measured = {name: f"{GATED} {means[name]:.4f}" for name in candidates}
    if incumbent in candidates:
        gains = differences(judged, {name: (name, incumbent) for name in candidates if name != incumbent})
        better = [name for name, gain in gains.items() if gain.low > 0]
        fallen = {name: guards(judged, name, incumbent, domain) for name in better}
        promoted = [name for name in better if not fallen[name]]
        champion = max(promoted, key=lambda name: means[name], default=incumbent)
        comparisons = {name: f"{gain} to the incumbent {incumbent}" for name, gain in gains.items()}
        comparisons |= {name: f"{comparisons[name]}, but {'; '.join(fell)}" for name, fell in fallen.items() if fell}
        comparisons[incumbent] = "incumbent" if champion == incumbent else f"was incumbent, {champion} takes its place"
    else:
        behind = differences(judged, {name: (name, best) for name in candidates if name != best})
        champion = next(name for name in candidates if name == best or behind[name].high >= 0)
        comparisons = {name: f"{difference} to the best, {best}" for name, difference in behind.items()}
        comparisons[best] = "the best"
        why = f"the incumbent {incumbent} was not trained" if incumbent else "no champion before"
        comparisons[champion] += f"; {why}: the simplest that is not worse beyond the interval"
    reasons = {name: f"{measured[name]}, {comparisons[name]}" for name in candidates}
    return Choice(champion, reasons, worse_than_popular(judged, champion))


def worse_than_popular(judged: Judged, champion: str) -> str | None:
    """Why the champion may not make lists: recent popularity is better beyond the interval."""
    popular = Popularity.name
    if champion == popular or popular not in judged.ndcg:
        return None
    gap = differences(judged, {champion: (champion, popular)})[champion]
    return f"{champion} is worse than recent popularity: {GATED} {gap}" if gap.high < 0 else None


def differences(judged: Judged, pairs: Mapping[str, tuple[str, str]]) -> dict[str, Difference]:
    """Paired bootstrap: the users are drawn for both models alike. So that all `m` pairs hold together with
    probability LEVEL, each interval has the level 1 - (1 - LEVEL) / m (Bonferroni)."""
    if not pairs:
        return {}
    values = np.stack([judged.ndcg[one] - judged.ndcg[other] for one, other in pairs.values()], axis=1)
    ends = intervals(values, judged.seed, RESAMPLES, 1 - (1 - LEVEL) / len(pairs))
    means = values.mean(axis=0)
    return {name: Difference(*map(float, row)) for name, row in zip(pairs, np.c_[means, ends], strict=True)}


def guards(judged: Judged, name: str, incumbent: str, domain: Domain) -> list[str]:
    """Which guard metrics of a challenger are past their limits: shares of the incumbent's values.

    Catalogue coverage and the share of tail items as they are; NDCG@10 of new users beyond the interval, because
    they are few.
    """
    reasons = []
    for metric, fall in (("coverage", domain.max_coverage_fall), ("tail_items", domain.max_tail_items_fall)):
        least = (1 - fall) * judged.overall.get((incumbent, metric), 0.0)
        if (value := judged.overall.get((name, metric), 0.0)) < least:
            reasons.append(f"{metric} {value:.4f} is below its limit {least:.4f}")
    if judged.new.any():
        allowed = (1 - domain.max_new_users_fall) * judged.ndcg[incumbent][judged.new]
        gap = judged.ndcg[name][judged.new] - allowed
        low, high = intervals(gap[:, None], judged.seed, RESAMPLES)[0]
        if high < 0:
            gap_told = Difference(float(gap.mean()), low, high)
            reasons.append(f"{GATED} of new users is {gap_told} to its limit {allowed.mean():.4f}")
    return reasons
