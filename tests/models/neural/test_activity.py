"""The network finds what recency and frequency do not tell, and is saved whole."""

from pathlib import Path

import numpy as np
import pytest

from models.classic.recency_frequency import RecencyFrequency
from models.evaluation.forecasts import auc_difference
from models.features.activity import ActiveDays, events_ahead, examples, summaries
from models.neural import activity
from models.neural.activity import Activity, ActivityConfig
from models.training.loop import DivergedError

QUICK = ActivityConfig(days=8, units=8, epochs=6, batch=128, learning_rate=0.02)
USERS, LAST = 300, 70


def rhythms() -> ActiveDays:
    """All users come after 5 days and after 23 by turns: how often and how long ago says little of what is next, and
    the gap before the last day nearly all."""
    rows = []
    for user in range(USERS):
        days = [start + more for start in range(-28 + user % 28, LAST, 28) for more in (0, 5)]
        rows += [(user, day) for day in days if 0 <= day < LAST]
    user, day = np.array(rows).T
    return ActiveDays(user, day, np.arange(len(rows) + 1))


DAYS = rhythms()


EVERY = examples(DAYS, np.arange(40, 61, 3))
LEARN, TEST = (EVERY.take(np.flatnonzero((EVERY.user % 5 == 0) == held)) for held in (False, True))


@pytest.fixture(scope="module")
def model() -> Activity:
    return Activity(QUICK).fit(DAYS, LEARN)


def test_a_rhythm_is_learned(model: Activity) -> None:
    active = events_ahead(DAYS, TEST) > 0
    base = RecencyFrequency().fit(summaries(DAYS, LEARN), events_ahead(DAYS, LEARN)).predict(summaries(DAYS, TEST))
    forecast = model.predict(DAYS, TEST)
    assert auc_difference(forecast.probability, base.probability, active).low > 0
    assert (forecast.events >= forecast.probability).all()
    assert forecast.events.mean() == pytest.approx(events_ahead(DAYS, TEST).mean(), rel=0.3)


def test_a_forecast_does_not_depend_on_who_stands_beside(model: Activity) -> None:
    every = model.predict(DAYS, TEST).probability
    assert model.predict(DAYS, TEST.take(np.array([5]))).probability == pytest.approx(every[5:6], abs=1e-6)
    assert len(model.predict(DAYS, TEST.take(np.zeros(0, np.int64))).events) == 0


def test_the_same_seed_gives_the_same_forecast(model: Activity) -> None:
    again = Activity(QUICK).fit(DAYS, LEARN)
    assert np.array_equal(again.predict(DAYS, TEST).probability, model.predict(DAYS, TEST).probability)


def test_what_is_saved_predicts_the_same(model: Activity, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = Activity.load(tmp_path)
    assert again.config == QUICK
    assert np.array_equal(again.predict(DAYS, TEST).probability, model.predict(DAYS, TEST).probability)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"activity"', '"other"', 1))
    with pytest.raises(ValueError, match="holds the model 'other', not 'activity'"):
        Activity.load(tmp_path)


@pytest.mark.slow
def test_of_too_many_examples_some_are_drawn() -> None:
    config = ActivityConfig(days=2, units=2, epochs=1, examples=1000, batch=1000)
    assert np.isfinite(Activity(config).fit(DAYS, LEARN).loss)


def test_a_training_that_diverges_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "loss_of", lambda events: lambda number, scores: scores[:, 0] * float("nan"))
    with pytest.raises(DivergedError, match=r"lower activity\.learning_rate"):
        Activity(ActivityConfig(days=2, units=2, epochs=1)).fit(DAYS, LEARN)
