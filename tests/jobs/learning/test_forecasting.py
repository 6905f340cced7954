"""Which days are learned and judged, and when the network makes the forecast."""

from collections.abc import Callable

import numpy as np
import pytest

from jobs.learning.forecasting import BASELINE, NETWORK, Fit, Verdict, baseline, enough_users, judge, learnable
from models.evaluation.forecasts import Forecast
from models.features.activity import ActiveDays, Examples, events_ahead, examples
from schemas.names import FORECASTERS

USERS, DAYS = 120, 61


def habits(changed: bool = False) -> ActiveDays:
    """Users come by chance, one day in eight, every third one until about the day of the user's number; nobody after
    day 53 where `changed`."""
    chance = np.random.default_rng(2).random((USERS, DAYS)) < 1 / 8
    chance[:, 0] = chance[0, -1] = True
    for user in range(0, USERS, 3):
        chance[user, min(user, DAYS - 1) : -1] = False
    if changed:
        chance[:, 54:] = False
    user, day = np.nonzero(chance)
    return ActiveDays(user, day, np.arange(len(user) + 1))


def knowing(days: ActiveDays, share: float) -> Fit:
    """A network that knows for a share of the users who will come."""

    def fit(learn: Examples) -> Callable[[Examples], Forecast]:
        def predict(some: Examples) -> Forecast:
            truth = (events_ahead(days, some) > 0).astype(np.float64)
            known = np.random.default_rng(0).random(len(some)) < share
            return Forecast(np.where(known, truth, 0.5), np.ones(len(some)))

        return predict

    return fit


def test_the_names_are_those_of_the_tables() -> None:
    assert (BASELINE, NETWORK) == FORECASTERS


def test_what_is_learned_is_over_before_what_is_judged_begins() -> None:
    days = habits()
    last = int(days.day.max())
    seen: list[Examples] = []

    def fit(learn: Examples) -> Callable[[Examples], Forecast]:
        seen.append(learn)

        def predict(some: Examples) -> Forecast:
            seen.append(some)
            return Forecast(np.full(len(some), 0.5), np.ones(len(some)))

        return predict

    judge(days, fit)
    learn, test = seen
    assert set(test.day) == {last - 7}
    assert learn.day.max() + 7 == last - 7
    assert learn.day.min() == 6  # after a week of history
    assert learnable(days, last).day.max() == last - 7


def test_the_judged_week_is_not_learned() -> None:
    """Users who stay away in it change what is measured, and nothing that was learned."""
    learned_of = []
    for changed in (False, True):
        days = habits(changed=changed)
        learn = learnable(days, DAYS - 1 - 7)
        learned_of.append((learn.user.tolist(), learn.day.tolist(), events_ahead(days, learn).tolist()))
    assert learned_of[0] == learned_of[1]


@pytest.mark.parametrize(("share", "model"), [(1.0, NETWORK), (0.0, BASELINE)])
def test_the_network_must_be_better_beyond_the_interval(share: float, model: str) -> None:
    days = habits()
    verdict = judge(days, knowing(days, share))
    assert verdict.model == model
    assert ("not better" in verdict.reason) == (model == BASELINE)
    result = {(row.model, row.segment, row.metric): row for row in verdict.scores}
    assert result[NETWORK, "all", "auc"].value == (1.0 if share else 0.5)
    assert result[NETWORK, "all", "brier"].value == (0.0 if share else 0.25)
    deciles = {segment for _, segment, metric in result if metric == "predicted"}
    assert deciles == {f"decile_{n:02}" for n in range(1, 11)}
    for row in result.values():
        assert 0 <= row.low <= row.value <= row.high <= 1
    users = [row.users for key, row in result.items() if key[0] == NETWORK and key[2] == "active_share"]
    assert sum(users) == result[NETWORK, "all", "auc"].users


def test_an_equal_network_does_not_reign() -> None:
    days = habits()
    assert judge(days, baseline(days)).model == BASELINE


def test_too_few_to_judge_on() -> None:
    """All users but ten are always there."""
    rows = [(user, day) for user in range(100) for day in range(DAYS) if user >= 10 or day < 20]
    user, day = np.array(rows).T
    days = ActiveDays(user, day, np.arange(len(rows) + 1))
    assert not enough_users(days, learnable(days, DAYS - 1))
    verdict = judge(days, knowing(days, 1.0))
    assert verdict == Verdict(BASELINE, "too few events to judge on: under 20 users active, or not active")


def test_a_single_day_teaches_nothing() -> None:
    days = ActiveDays(np.arange(50), np.full(50, 3), np.arange(51))
    assert len(learnable(days, 3)) == 0
    assert not enough_users(days, learnable(days, 3))
    assert len(examples(days, np.array([3]))) == 50
