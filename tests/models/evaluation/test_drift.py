"""Drift: the index by hand, its noise by drawing, bins by eye."""

import math

import numpy as np

from models.evaluation.drift import EPSILON, FALSE_ALARMS, deciles, noise, psi


def test_the_index_by_hand() -> None:
    expected = 0.3 * math.log(0.8 / 0.5) + (0.2 - 0.5) * math.log(0.2 / 0.5)
    assert math.isclose(psi(np.array([5, 5]), np.array([8, 2])), expected)
    assert psi(np.array([5, 5]), np.array([50, 50])) == 0
    gone = (1 - 0.5) * math.log(1 / 0.5) + (EPSILON - 0.5) * math.log(EPSILON / 0.5)
    assert math.isclose(psi(np.array([5, 5]), np.array([7, 0])), gone)


def test_samples_of_one_distribution_stay_below_the_noise() -> None:
    """5,000 nights of 200 users against 2,000 before: about one in a thousand is above."""
    rng, share = np.random.default_rng(0), np.full(10, 0.1)
    nights = [psi(rng.multinomial(2000, share), rng.multinomial(200, share)) for _ in range(5000)]
    above = np.mean(np.array(nights) > noise(2000, 200, 10))
    assert above < 5 * FALSE_ALARMS
    assert np.quantile(nights, 1 - FALSE_ALARMS) > 0.7 * noise(2000, 200, 10)
    assert noise(2000, 200, 1) == 0


def test_deciles_by_eye() -> None:
    values = np.arange(1, 101)
    assert deciles(values, np.ones(100, np.int64)).tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    # most users have one event: their bin is one, whatever share they are
    assert deciles(np.array([1, 2, 9]), np.array([75, 20, 5])).tolist() == [1, 2]
    assert deciles(np.array([4]), np.array([7])).tolist() == []
