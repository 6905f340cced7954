"""Popularity against its formula."""

from typing import Any, ClassVar

import numpy as np
import pytest

from models.base import TrainingData
from models.classic.popularity import Popularity, PopularityConfig
from models.histories import DAY_MICROSECONDS
from tests.support.contract import RecommenderContract
from tests.support.examples import example, histories_of


class TestPopularity(RecommenderContract):
    model = Popularity
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = tuple(
        ("half_life_days", value) for value in (0.0, -1.0, np.inf, np.nan)
    )


def test_an_event_one_half_life_old_counts_half() -> None:
    times = [0, 10 * DAY_MICROSECONDS, 20 * DAY_MICROSECONDS]  # 20, 10 and 0 days old
    histories = histories_of([0, 1, 2], n_items=4, times=times)
    scores = Popularity(PopularityConfig(half_life_days=10)).fit(TrainingData(histories)).score(histories)
    weights = np.array([0.25, 0.5, 1.0, 0.0])
    np.testing.assert_allclose(scores[0], (1 + weights) / (1 + 1.75), rtol=1e-6)


def test_without_times_every_event_counts_one() -> None:
    histories = histories_of([0, 0, 2], [0], n_items=3)
    np.testing.assert_allclose(
        Popularity().fit(TrainingData(histories)).score(histories), [[4 / 5, 1 / 5, 2 / 5]] * 2, rtol=1e-6
    )


def test_the_formula_on_random_events() -> None:
    histories = example()
    weights = [2.0 ** (-(max(histories.times) - time) / DAY_MICROSECONDS / 30) for time in histories.times]
    counts = [sum(w for w, i in zip(weights, histories.items, strict=True) if i == item) for item in range(12)]
    expected = (1 + np.array(counts)) / (1 + sum(weights))
    scores = Popularity().fit(TrainingData(histories)).score(histories)
    np.testing.assert_allclose(scores, np.tile(expected, (histories.n_users, 1)), rtol=1e-6)


@pytest.mark.parametrize(("half_life_days", "first"), [(1.0, 1), (365.0, 0)])
def test_a_short_half_life_prefers_what_is_new(half_life_days: float, first: int) -> None:
    days = [0, 0, 10]  # item 0 twice, ten days before item 1
    histories = histories_of([0, 0, 1], [], n_items=2, times=[day * DAY_MICROSECONDS for day in days])
    model = Popularity(PopularityConfig(half_life_days)).fit(TrainingData(histories))
    assert model.recommend(histories, 2).items[1].tolist() == [first, 1 - first]
