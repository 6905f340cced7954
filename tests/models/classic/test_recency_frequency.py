"""The baseline finds what was planted."""

import numpy as np
import pytest
from scipy.special import expit

from models.classic.recency_frequency import RecencyFrequency

RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((20_000, 2)).astype(np.float32) * (3.0, 0.5) + (7.0, -1.0)
X = X.astype(np.float32)


def test_planted_coefficients_are_found() -> None:
    mean = np.exp(0.2 * X[:, 0] - 0.4 * X[:, 1] - 1.5)
    events = RANDOM.poisson(mean)
    model = RecencyFrequency().fit(X, events)
    slopes = model.weights[1:] / model.scale[:, None]
    assert slopes[:, 1] == pytest.approx([0.2, -0.4], abs=0.03)
    result = model.predict(X)
    assert result.events == pytest.approx(mean, rel=0.1)
    active = RANDOM.random(len(X)) < expit(0.5 * X[:, 0] + 2 * X[:, 1] - 1)
    slopes = RecencyFrequency().fit(X, active.astype(np.int64)).weights[1:, 0] / model.scale
    assert slopes == pytest.approx([0.5, 2.0], abs=0.08)


def test_forecasts_are_right_on_average() -> None:
    """Where a likelihood with an intercept is largest, the mean forecast is the mean of what happened."""
    events = RANDOM.poisson(0.7, len(X))
    result = RecencyFrequency().fit(X, events).predict(X)
    assert result.probability.mean() == pytest.approx((events > 0).mean(), abs=1e-3)
    assert result.events.mean() == pytest.approx(events.mean(), abs=1e-3)


def test_what_separates_or_never_changes_keeps_finite_weights() -> None:
    x = np.c_[np.arange(10) >= 5, np.ones(10)].astype(np.float32)
    model = RecencyFrequency().fit(x, 3 * (np.arange(10) >= 5))
    assert np.isfinite(model.weights).all()
    assert (model.predict(x).probability[:5] < 0.1).all()
    assert (model.predict(x).probability[5:] > 0.9).all()
