"""Recent popularity: the baseline, by counts of events that decay with age."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from annotated_types import Gt, Unit, doc

from models.base import Recommender, Scores, TrainingData
from models.config import Config
from models.histories import DAY_MICROSECONDS, Histories


@dataclass(frozen=True)
class PopularityConfig(Config):
    """Settings of recent popularity."""

    model: ClassVar[str] = "popularity"
    half_life_days: Annotated[float, Gt(0.0), Unit("days"), doc("age at which an event counts half")] = 30.0


def recency(histories: Histories, half_life_days: float) -> npt.NDArray[np.float64]:
    """float64 [n_events]: 2^(-age / half-life), the age that before the newest event; 1 without times."""
    if histories.times is None or not len(histories.times):
        return np.ones(len(histories.items))
    age_days = (histories.times.max() - histories.times) / DAY_MICROSECONDS
    return np.asarray(np.exp2(-age_days / half_life_days), np.float64)


class Popularity(Recommender):
    """p_i = (1 + Σ over the events e of item i of 2^(-age(e) / half-life)) / (1 + Σ over all events).

    The age is that before the newest event that was learned; without times every event counts 1. The 1 keeps items
    without events above zero. The same for every user.
    """

    name: ClassVar[str] = "popularity"
    Config: ClassVar[type] = PopularityConfig

    def fit(self, data: TrainingData) -> Self:
        """Counts."""
        histories = data.histories
        weights = recency(histories, self.config.half_life_days)
        counts = np.bincount(histories.items, weights=weights, minlength=histories.n_items)
        self.popularity = ((1 + counts) / (1 + weights.sum())).astype(np.float32)
        return self

    def score(self, histories: Histories) -> Scores:
        """Scores every user alike: the same row of popularity."""
        return np.broadcast_to(self.popularity, (histories.n_users, len(self.popularity)))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns `popularity`, float32 [n_items]."""
        return {"popularity": self.popularity}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes popularity back."""
        self.popularity = arrays["popularity"]
