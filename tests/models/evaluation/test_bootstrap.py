"""Bootstrap intervals: what they contain, how wide they are, users without a value."""

import math

import numpy as np
import pytest

from models.evaluation.bootstrap import intervals


@pytest.mark.parametrize("values", [[0.3], [0.0, 1.0], [1 / 3] * 7, [0.0] * 50 + [1.0]])
def test_the_interval_contains_the_mean(values: list[float]) -> None:
    sample = np.array(values)[:, None]
    for seed in range(5):
        [(low, high)] = intervals(sample, seed)
        assert min(values) - 1e-15 <= low <= sample.mean() <= high <= max(values) + 1e-15


def test_the_interval_follows_from_the_seed() -> None:
    sample = np.random.default_rng(0).random((40, 2))
    assert (intervals(sample, 1) == intervals(sample, 1)).all()
    assert (intervals(sample, 1) != intervals(sample, 2)).all()


def test_it_is_that_of_the_normal_distribution_for_many_users() -> None:
    """1.96 standard errors each side; so four times the users halve it."""
    for users in (1000, 4000):
        sample = np.random.default_rng(0).random(users)
        [result] = intervals(sample[:, None], 0, resamples=2000)
        error = 1.96 * sample.std() / math.sqrt(users)
        np.testing.assert_allclose(result, [sample.mean() - error, sample.mean() + error], atol=0.1 * error)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    sample = np.random.default_rng(0).random((200, 1))
    [(low, high)], [(inner_low, inner_high)] = intervals(sample, 0), intervals(sample, 0, level=0.5)
    assert low < inner_low < inner_high < high


def test_it_is_the_definition_resample_by_resample() -> None:
    """The same draws, one after the other, as means of what was drawn."""
    values = np.random.default_rng(3).random((30, 2))
    rng = np.random.default_rng(5)
    means = np.array([values[rng.integers(0, 30, 30)].mean(axis=0) for _ in range(120)])
    expected = np.quantile(means, [0.05, 0.95], axis=0).T
    np.testing.assert_allclose(intervals(values, 5, resamples=120, level=0.9), expected, rtol=1e-12)


def test_users_without_a_value_are_left_out_of_that_mean_alone() -> None:
    """A column with 100 of 300 users has the interval of 100 users, about; the others are as they were."""
    values = np.random.default_rng(0).random((300, 2))
    whole = intervals(values, 0)
    values[100:, 1] = np.nan
    part = intervals(values, 0)
    assert part[0].tolist() == whole[0].tolist()
    error = 1.96 * values[:100, 1].std() / 10
    np.testing.assert_allclose(part[1] - np.nanmean(values[:, 1]), [-error, error], atol=0.2 * error)


def test_a_difference_of_paired_users_is_narrower_than_that_of_strangers() -> None:
    """Two models that differ by 0.01 for every user: certain in pairs, lost in the noise of each alone."""
    one = np.random.default_rng(0).random(50)
    both = np.stack([one, one + 0.01, one + 0.01 - one], axis=1)
    (_, high), (low, _), difference = intervals(both, 0)
    assert low < high
    np.testing.assert_allclose(difference, 0.01, rtol=1e-9)
