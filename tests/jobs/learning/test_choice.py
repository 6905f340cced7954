"""The gate's rules on values whose answer is visible by eye."""

from dataclasses import replace

import numpy as np
import pytest

from jobs.learning.choice import Judged, choose, differences
from tests.support.domains import MOVIES

USERS = 400
NOISE = np.random.default_rng(0).permutation(np.linspace(-0.05, 0.05, USERS))
NEW = np.arange(USERS) % 4 == 0
NAMES = ["popularity", "item_knn", "hybrid"]


def judged(popularity: float, item_knn: float, hybrid: float, **overall: float) -> Judged:
    """Models whose users have these values, item_knn's apart by a noise that is theirs alone; guards as told."""
    ndcg = {
        "popularity": np.full(USERS, popularity),
        "item_knn": item_knn + NOISE,
        "hybrid": np.full(USERS, hybrid),
    }
    values = {(name, metric): 0.5 for name in NAMES for metric in ("coverage", "tail_items")}
    return Judged(ndcg, NEW, values | {("hybrid", metric): value for metric, value in overall.items()})


def test_the_first_champion_is_the_simplest_that_is_not_worse_beyond_the_interval() -> None:
    assert choose(judged(0.3, 0.4, 0.5), NAMES, None, MOVIES).champion == "hybrid"
    # 0.4 with a standard error of 0.0014 is the same as 0.401
    choice = choose(judged(0.3, 0.4, 0.401), NAMES, None, MOVIES)
    assert choice.champion == "item_knn"
    assert choice.reasons["item_knn"].startswith("ndcg@10 0.4")
    assert choice.reasons["item_knn"].endswith("no champion before: the simplest that is not worse beyond the interval")
    assert choice.reasons["hybrid"] == "ndcg@10 0.4010, the best"
    assert choose(judged(0.5, 0.4, 0.4), NAMES, None, MOVIES).champion == "popularity"


def test_the_champion_stays_until_a_challenger_is_better_beyond_the_interval() -> None:
    choice = choose(judged(0.3, 0.4, 0.401), NAMES, "item_knn", MOVIES)
    assert (choice.champion, choice.refusal) == ("item_knn", None)
    assert "to the incumbent item_knn" in choice.reasons["hybrid"]
    choice = choose(judged(0.3, 0.4, 0.41), NAMES, "item_knn", MOVIES)
    assert (choice.champion, choice.refusal) == ("hybrid", None)
    assert choice.reasons["item_knn"].endswith("was incumbent, hybrid takes its place")


def test_the_best_of_several_challengers_is_promoted() -> None:
    assert choose(judged(0.3, 0.4, 0.5), NAMES, "popularity", MOVIES).champion == "hybrid"


def test_a_baseline_may_be_champion() -> None:
    assert choose(judged(0.5, 0.4, 0.4), NAMES, "item_knn", MOVIES).champion == "popularity"


@pytest.mark.parametrize("metric", ["coverage", "tail_items"])
def test_a_challenger_past_a_guard_is_not_promoted(metric: str) -> None:
    """Limits: half of the incumbent's 0.5."""
    assert choose(judged(0.3, 0.4, 0.5, **{metric: 0.26}), NAMES, "item_knn", MOVIES).champion == "hybrid"
    choice = choose(judged(0.3, 0.4, 0.5, **{metric: 0.24}), NAMES, "item_knn", MOVIES)
    assert choice.champion == "item_knn"
    assert choice.reasons["hybrid"].endswith(f"but {metric} 0.2400 is below its limit 0.2500")
    lenient = replace(MOVIES, **{f"max_{metric}_fall": 0.6})
    assert choose(judged(0.3, 0.4, 0.5, **{metric: 0.24}), NAMES, "item_knn", lenient).champion == "hybrid"


def test_a_challenger_that_fails_new_users_is_not_promoted() -> None:
    values = judged(0.3, 0.4, 0.6)
    values.ndcg["hybrid"][NEW] = 0.3  # nine tenths of 0.4 are allowed
    choice = choose(values, NAMES, "item_knn", MOVIES)
    assert choice.champion == "item_knn"
    assert "but ndcg@10 of new users is -0.0" in choice.reasons["hybrid"]
    assert choose(values, NAMES, "item_knn", replace(MOVIES, max_new_users_fall=0.5)).champion == "hybrid"


def test_where_the_champion_was_not_trained_the_next_best_takes_its_place() -> None:
    choice = choose(judged(0.3, 0.4, 0.5), ["popularity", "item_knn"], "hybrid", MOVIES)
    assert choice.champion == "item_knn"
    assert "the incumbent hybrid was not trained" in choice.reasons["item_knn"]


def test_who_is_worse_than_recent_popularity_makes_no_lists() -> None:
    """Popularity itself may not have been asked for; it is judged all the same."""
    choice = choose(judged(0.5, 0.4, 0.4), ["item_knn"], None, MOVIES)
    assert choice.champion == "item_knn"
    assert choice.refusal is not None
    assert choice.refusal.startswith("item_knn is worse than recent popularity: ndcg@10 -0.1")
    assert choose(judged(0.4, 0.4, 0.4), ["item_knn"], None, MOVIES).refusal is None


def test_a_champion_that_popularity_beats_stays_only_where_a_guard_keeps_popularity_out() -> None:
    values = judged(0.5, 0.4, 0.4)
    overall = {**values.overall, ("popularity", "coverage"): 0.01}
    choice = choose(replace(values, overall=overall), NAMES, "item_knn", MOVIES)
    assert choice.champion == "item_knn"
    assert choice.refusal is not None


def test_nobody_to_judge_changes_nothing() -> None:
    nobody = Judged({name: np.zeros(0) for name in NAMES}, np.zeros(0, bool), {})
    assert choose(nobody, NAMES, "item_knn", MOVIES).champion == "item_knn"
    assert choose(nobody, NAMES, None, MOVIES).champion == "popularity"


def test_the_more_challengers_the_wider_the_intervals() -> None:
    values = judged(0.3, 0.4, 0.5)
    pair = ("item_knn", "popularity")
    alone, among = differences(values, {"a": pair})["a"], differences(values, dict.fromkeys("abcdef", pair))["a"]
    assert among.low < alone.low < alone.mean < alone.high < among.high
