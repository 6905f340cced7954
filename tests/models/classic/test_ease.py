"""EASE against regressions solved row by row in dense NumPy, and where the answer is visible by eye."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from models.base import TrainingData
from models.classic.ease import RIDGES, Ease, EaseConfig
from models.histories import Histories
from tests.support.contract import RecommenderContract
from tests.support.examples import example, histories_of, one_new_item


class TestEase(RecommenderContract):
    model = Ease
    settings: ClassVar[dict[str, Any]] = {"ridge": 1.0, "window": 4, "min_events": 1}
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        *(("ridge", 0.0), ("ridge", np.nan), ("next_item", "yes"), ("half", 0.0), ("half", np.inf)),
        *(("window", 0), ("window", 1001), ("ahead", -0.1), ("ahead", 1.0)),
        *(("min_events", 0), ("max_items", 0), ("max_items", 40_001)),
    )


class TestEaseWithoutOrder(RecommenderContract):
    model = Ease
    settings: ClassVar[dict[str, Any]] = {"ridge": 1.0, "next_item": False, "min_events": 1}
    out_of_range = TestEase.out_of_range


def unordered(*histories: list[int], n_items: int) -> Histories:
    """Histories whose order is not known."""
    return replace(histories_of(*histories, n_items=n_items), ordered=False)


def weights_of(history: list[int], config: EaseConfig, n_items: int) -> np.ndarray:
    """[n_items]: Σ 1 / (1 + p / half) over the last `window` items."""
    row = np.zeros(n_items)
    for p, item in enumerate(history[::-1][: config.window]):
        row[item] += 1 / (1 + p / config.half)
    return row


def lists(histories: Histories) -> list[list[int]]:
    return [histories.items[a:b].tolist() for a, b in zip(histories.indptr[:-1], histories.indptr[1:], strict=True)]


@pytest.mark.parametrize(("window", "ahead"), [(1, 0.0), (3, 0.0), (50, 0.0), (50, 0.4)])
def test_in_order_it_is_the_ridge_regression_of_what_comes_next(window: int, ahead: float) -> None:
    """One row of the regression for each training event, as the definition says; solved by least squares."""
    histories = example()
    n, config = histories.n_items, EaseConfig(ridge=2.0, half=1.5, window=window, ahead=ahead, min_events=1)
    before, after = [], []
    for history in lists(histories):
        for t in range(1, len(history)):
            before.append(weights_of(history[:t], config, n))
            target = np.zeros(n)
            for a, item in enumerate(history[t:]):
                target[item] += ahead**a
            after.append(target)
    rows = np.vstack([before, np.sqrt(2.0) * np.eye(n)])
    expected = np.linalg.lstsq(rows, np.vstack([after, np.zeros((n, n))]), rcond=None)[0]
    asked = np.array([weights_of(history, config, n) for history in lists(histories)])
    result = Ease(config).fit(TrainingData(histories)).score(histories)
    had, some = np.bincount(histories.items, minlength=n) > 0, asked.any(axis=1)
    np.testing.assert_allclose(result[np.ix_(some, had)], (asked @ expected)[np.ix_(some, had)], rtol=1e-4, atol=1e-6)
    assert (result[~some] == -np.inf).all()
    assert (result[:, ~had] == -np.inf).all()


def test_without_order_it_is_the_regression_on_the_other_items() -> None:
    """Steck 2019: column i minimises ‖x_i - X b‖² + λ ‖b‖² with b_i = 0, here solved item by item."""
    histories = unordered([0, 1, 2], [0, 1], [2, 3], [3, 0, 1], [4], n_items=5)
    x, ridge = histories.matrix().toarray().astype(float), 0.5
    expected = np.zeros((5, 5))
    for i in range(5):
        others = np.delete(np.arange(5), i)
        rows = np.vstack([x[:, others], np.sqrt(ridge) * np.eye(4)])
        expected[others, i] = np.linalg.lstsq(rows, np.append(x[:, i], np.zeros(4)), rcond=None)[0]
    model = Ease(EaseConfig(ridge=ridge, min_events=1)).fit(TrainingData(histories))
    np.testing.assert_allclose(model.score(histories), x @ expected, rtol=1e-5, atol=1e-6)


def test_what_follows_is_recommended() -> None:
    """After 0 comes 1, after 1 comes 2, after 2 comes 0: the newest item decides, and is the reason."""
    model = Ease(EaseConfig(ridge=0.1, half=0.1, ahead=0.0)).fit(
        TrainingData(histories_of(*[[0, 1, 2, 0, 1]] * 9, n_items=3))
    )
    asked = histories_of([2, 0], [0, 1], [2], n_items=3)
    top = model.recommend(asked, 1)
    assert top.items.tolist() == [[1], [2], [0]]
    assert model.explain(asked, top.items).tolist() == [[0], [1], [2]]


def test_the_reason_is_the_largest_term() -> None:
    histories = example()
    model = Ease(EaseConfig(ridge=1.0, min_events=1)).fit(TrainingData(histories))
    n = histories.n_items
    matrix = np.zeros((n, n))
    matrix[np.ix_(model.kept, model.kept)] = model.weights
    reasons = model.explain(histories, np.tile(np.arange(n), (histories.n_users, 1)))
    for user, history in enumerate(lists(histories)):
        terms = weights_of(history, model.config, n)[:, None] * matrix
        largest = terms.max(axis=0)
        np.testing.assert_array_equal(reasons[user] >= 0, largest > 0)
        given = terms[np.maximum(reasons[user], 0), np.arange(n)]
        np.testing.assert_allclose(given[largest > 0], largest[largest > 0], rtol=1e-5)


def test_the_ridge_is_chosen_on_validation() -> None:
    histories = example()
    some = histories.take(np.array([0, 1, 2]))
    data = TrainingData(histories, validation=one_new_item(some, [9, 8, 7]))
    chosen = Ease(EaseConfig(min_events=1)).fit(data)
    assert chosen.config.ridge in RIDGES
    given = Ease(EaseConfig(ridge=7.0, min_events=1)).fit(data)
    assert given.config.ridge == 7.0


def test_rare_items_are_left_out_and_too_many_refused() -> None:
    histories = histories_of([0, 1, 0, 1, 2], [0, 1], n_items=4)
    assert sorted(Ease(EaseConfig(min_events=3)).fit(TrainingData(histories)).kept.tolist()) == [0, 1]
    with pytest.raises(
        ValueError, match=r"^ease\.max_items = 2, but 3 items have 1 training events or more.*leave the"
    ):
        Ease(EaseConfig(min_events=1, max_items=2)).fit(TrainingData(histories))
