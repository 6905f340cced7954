"""AUC against all pairs, its interval against DeLong's equations written out and against the bootstrap."""

from itertools import pairwise

import numpy as np
import pytest

from models.evaluation.forecasts import auc, auc_difference, brier, calibration_bins, from_scores

RANDOM = np.random.default_rng(3)
N = 400
ACTIVE = RANDOM.random(N) < 0.3
GOOD = np.clip(0.3 + 0.25 * ACTIVE + 0.2 * RANDOM.standard_normal(N), 0, 1).round(2)  # rounded: with ties
WORSE = np.clip(0.3 + 0.1 * ACTIVE + 0.2 * RANDOM.standard_normal(N), 0, 1).round(2)


def pairs(p: np.ndarray, active: np.ndarray) -> np.ndarray:
    """[active, others]: 1 where the active user has the higher probability, a half where they tie."""
    gap = p[active][:, None] - p[~active]
    return (gap > 0) + 0.5 * (gap == 0)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auc(GOOD, ACTIVE).value == pytest.approx(pairs(GOOD, ACTIVE).mean())
    assert auc(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])).value == 1
    assert auc(np.full(6, 0.4), np.array([True, False] * 3)).value == 0.5


def test_the_interval_is_delongs() -> None:
    kernel = pairs(GOOD, ACTIVE) - pairs(WORSE, ACTIVE)
    m, n = kernel.shape
    variance = kernel.mean(axis=1).var(ddof=1) / m + kernel.mean(axis=0).var(ddof=1) / n
    result = auc_difference(GOOD, WORSE, ACTIVE)
    assert result.value == pytest.approx(kernel.mean())
    assert (result.high - result.low) / 2 == pytest.approx(1.959964 * variance**0.5)
    one = pairs(GOOD, ACTIVE)
    variance = one.mean(axis=1).var(ddof=1) / m + one.mean(axis=0).var(ddof=1) / n
    assert (auc(GOOD, ACTIVE).high - auc(GOOD, ACTIVE).low) / 2 == pytest.approx(1.959964 * variance**0.5)


def test_the_bootstrap_agrees() -> None:
    drawn = []
    for _ in range(500):
        users = RANDOM.integers(0, N, N)
        drawn.append(auc(GOOD[users], ACTIVE[users]).value - auc(WORSE[users], ACTIVE[users]).value)
    result = auc_difference(GOOD, WORSE, ACTIVE)
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([result.low, result.high], abs=0.01)


def test_equal_forecasts_differ_by_nothing() -> None:
    result = auc_difference(GOOD, GOOD, ACTIVE)
    assert (result.value, result.low, result.high) == (0, 0, 0)


def test_one_kind_of_users_alone_has_no_auc() -> None:
    assert np.isnan(auc(GOOD, np.ones(N, bool)).value)
    assert np.isnan(auc_difference(GOOD, WORSE, np.arange(N) == 0).low)


def test_brier_score() -> None:
    assert brier(np.array([1.0, 0.5, 0.25]), np.array([True, True, False])).tolist() == [0, 0.25, 0.0625]


def test_bins_hold_as_many_users_each_by_rising_probability() -> None:
    result = calibration_bins(GOOD)
    assert [len(part) for part in result] == [40] * 10
    assert all(GOOD[low].max() <= GOOD[high].min() for low, high in pairwise(result))
    assert [part.tolist() for part in calibration_bins(np.array([0.3, 0.1]))] == [[1], [0]]


def test_scores_become_probabilities_and_counts_that_fit_together() -> None:
    result = from_scores(np.array([[0.0, np.log(3.0)], [2.0, -5.0], [-800.0, 800.0]], np.float32))
    assert result.probability == pytest.approx([0.5, 0.880797, 0.0])
    assert result.events == pytest.approx([3.0, 0.880797, np.exp(20.0)])  # never below the probability, never infinite
