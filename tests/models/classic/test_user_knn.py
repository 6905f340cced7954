"""User-kNN against a dense float64 definition, and where the answer is visible by eye."""

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import TrainingData
from models.classic.user_knn import UserKNN, UserKNNConfig
from models.histories import Histories
from tests.support.contract import RecommenderContract
from tests.support.dense import dense_weights
from tests.support.examples import example, histories_of, one_new_item

some_histories = st.lists(st.lists(st.integers(0, 8), max_size=9), min_size=1, max_size=9)
some_settings = st.builds(UserKNNConfig, st.sampled_from([1, 2, 200]), st.sampled_from([0.3, 0.85, 1.0]))


class TestUserKNN(RecommenderContract):
    model = UserKNN
    settings: ClassVar[dict[str, Any]] = {"neighbours": 4, "decay": 0.9}
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        *(("neighbours", 0), ("neighbours", 100_001)),
        *(("decay", 0.0), ("decay", 1.01), ("decay", np.nan)),
    )


def dense_terms(learned: Histories, asked: Histories, config: UserKNNConfig) -> np.ndarray:
    """[user, history item j, item i]: Σ over the nearest v of w_uj w_vj w_vi / (‖w_u‖ ‖w_v‖), equal ones by row."""
    assert config.neighbours is not None
    assert config.decay is not None
    w, x = dense_weights(asked, config.decay), dense_weights(learned, config.decay)
    lengths = np.maximum(np.outer(np.linalg.norm(w, axis=1), np.linalg.norm(x, axis=1)), 1e-30)
    cosine = w @ x.T / lengths
    terms = np.zeros((len(w), w.shape[1], w.shape[1]))
    for u, row in enumerate(cosine):
        for v in sorted(np.flatnonzero(row), key=lambda v: (-np.float32(round(row[v], 6)), v))[: config.neighbours]:
            terms[u] += np.outer(w[u] * x[v], x[v]) / lengths[u, v]
    return terms


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(some_histories, some_histories, some_settings)
def test_scores_are_those_of_the_equation(
    learned: list[list[int]], scored: list[list[int]], config: UserKNNConfig
) -> None:
    learn, ask = histories_of(*learned, n_items=9), histories_of(*scored, n_items=9)
    expected = dense_terms(learn, ask, config).sum(axis=1)
    expected[expected == 0] = -np.inf
    np.testing.assert_allclose(UserKNN(config).fit(TrainingData(learn)).score(ask), expected, rtol=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(some_histories, some_settings)
def test_the_reason_has_the_largest_share(learned: list[list[int]], config: UserKNNConfig) -> None:
    histories = histories_of(*learned, n_items=9)
    every_item = np.tile(np.arange(9), (histories.n_users, 1))
    reasons = UserKNN(config).fit(TrainingData(histories)).explain(histories, every_item)
    terms = dense_terms(histories, histories, config)
    largest = terms.max(axis=1)
    np.testing.assert_array_equal(reasons >= 0, largest > 0)
    given_terms = np.take_along_axis(terms, np.maximum(reasons, 0)[:, None, :], axis=1)[:, 0]
    np.testing.assert_allclose(given_terms, largest, rtol=1e-5)


def test_the_nearest_user_decides() -> None:
    """Users 0 and 1 of training are apart; whoever has something of one of them gets the rest of that one."""
    model = UserKNN(UserKNNConfig(decay=1.0)).fit(TrainingData(histories_of([0, 1], [2, 3], n_items=5)))
    asked = histories_of([0], [3], [4], [], n_items=5)
    top = model.recommend(asked, 2)
    assert top.items.tolist() == [[1, -1], [2, -1], [-1, -1], [-1, -1]]
    assert model.explain(asked, top.items).tolist() == [[0, -1], [3, -1], [-1, -1], [-1, -1]]


def test_settings_are_chosen_on_validation() -> None:
    """27 users say 4 for the older item and 20 say 5 for the newer one, which is right: for 27 · decay < 20."""
    train = histories_of(*[[0, 4]] * 27, *[[1, 5]] * 20, n_items=6)
    validation = one_new_item(histories_of([0, 1], n_items=6), [5])
    assert UserKNN().fit(TrainingData(train, validation=validation)).config == UserKNNConfig(200, 0.7)


def test_items_that_were_not_learned() -> None:
    model = UserKNN(UserKNNConfig(neighbours=3)).fit(TrainingData(example()))
    with pytest.raises(ValueError, match="user_knn learned 12 items, got the item row 12"):
        model.explain(example().take(np.array([0])), np.array([[12]]))
