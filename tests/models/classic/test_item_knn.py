"""Item-kNN against a dense float64 definition, and where the answer is visible by eye."""

from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import TrainingData
from models.classic.item_knn import ItemKNN, ItemKNNConfig
from models.classic.knn import NEIGHBOURS, recency_weights
from models.data import HeldOut
from tests.support.contract import RecommenderContract
from tests.support.dense import dense_similarity, dense_weights
from tests.support.examples import histories_of

some_histories = st.lists(st.lists(st.integers(0, 8), max_size=9), min_size=1, max_size=9)
some_settings = st.builds(ItemKNNConfig, st.sampled_from([1, 2, 3, 200]), st.sampled_from([0.3, 0.85, 1.0]))


class TestItemKNN(RecommenderContract):
    model = ItemKNN
    settings: ClassVar[dict[str, Any]] = {"neighbours": 4, "decay": 0.85}
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("neighbours", 0),
        ("neighbours", 100_001),
        ("decay", 0.0),
        ("decay", 1.01),
        ("decay", np.nan),
    )


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(some_histories, some_histories, some_settings)
def test_scores_are_those_of_the_equation(
    learned: list[list[int]], scored: list[list[int]], config: ItemKNNConfig
) -> None:
    learn, ask = histories_of(*learned, n_items=9), histories_of(*scored, n_items=9)
    expected = dense_weights(ask, config.decay) @ dense_similarity(learn, config.neighbours)
    expected[expected == 0] = -np.inf
    np.testing.assert_allclose(ItemKNN(config).fit(TrainingData(learn)).score(ask), expected, rtol=1e-5)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(some_histories, some_settings)
def test_the_reason_is_the_largest_term_of_the_sum(learned: list[list[int]], config: ItemKNNConfig) -> None:
    histories = histories_of(*learned, n_items=9)
    every_item = np.tile(np.arange(9), (histories.n_users, 1))
    reasons = ItemKNN(config).fit(TrainingData(histories)).explain(histories, every_item)
    weights, similarity = dense_weights(histories, config.decay), dense_similarity(histories, config.neighbours)
    terms = weights[:, :, None] * similarity[None, :, :]  # [user, history item, item]
    largest = terms.max(axis=1)
    np.testing.assert_array_equal(reasons >= 0, largest > 0)
    given_terms = np.take_along_axis(terms, np.maximum(reasons, 0)[:, None, :], axis=1)[:, 0]
    np.testing.assert_allclose(given_terms, largest, rtol=1e-6)


def test_checkerboard() -> None:
    """User u has every item of its own parity but item u: that is the one to recommend, and no item of the others."""
    n = 8
    histories = histories_of(*([i for i in range(n) if (i - u) % 2 == 0 and i != u] for u in range(n)), n_items=n)
    top = ItemKNN().fit(TrainingData(histories)).recommend(histories, 3)
    assert top.items.tolist() == [[u, -1, -1] for u in range(n)]


def test_newer_history_weighs_more() -> None:
    """Items 0 and 2 go together, and 1 and 3: a user's newest item decides which comes first."""
    model = ItemKNN(ItemKNNConfig(decay=0.5)).fit(TrainingData(histories_of([0, 2], [1, 3], n_items=4)))
    top = model.recommend(histories_of([0, 1], [1, 0], [0, 0, 1], n_items=4), 2)
    assert top.items.tolist() == [[3, 2], [2, 3], [3, 2]]
    np.testing.assert_allclose(top.scores, [[1, 0.5], [1, 0.5], [1, 0.75]], rtol=1e-6)


def test_of_equally_near_items_the_first_are_neighbours() -> None:
    model = ItemKNN(ItemKNNConfig(neighbours=2)).fit(TrainingData(histories_of([0, 1, 2, 3], [3, 2, 1, 0], n_items=4)))
    scores = model.score(histories_of([0], [3], n_items=4))
    np.testing.assert_allclose(scores, [[-np.inf, 1, 1, -np.inf], [1, 1, -np.inf, -np.inf]], rtol=1e-6)


def test_of_equal_reasons_the_first_item_is_given() -> None:
    model = ItemKNN(ItemKNNConfig(decay=1.0)).fit(TrainingData(histories_of([0, 1, 2], n_items=3)))
    asked = histories_of([1, 0], [0, 1], n_items=3)
    assert model.explain(asked, np.array([[2], [2]])).tolist() == [[0], [0]]


def test_an_item_without_evidence_has_no_reason() -> None:
    model = ItemKNN().fit(TrainingData(histories_of([0, 1], [2], n_items=3)))
    assert model.explain(histories_of([0], n_items=3), np.array([[1, 2, -1]])).tolist() == [[0, -1, -1]]


def test_reasons_are_asked_for_items_that_were_learned() -> None:
    model = ItemKNN().fit(TrainingData(histories_of([0, 1], n_items=2)))
    with pytest.raises(ValueError, match="item_knn learned 2 items, got the item row 2"):
        model.explain(histories_of([0], n_items=2), np.array([[2]]))
    with pytest.raises(ValueError, match="item_knn learned 2 items, the histories have 3"):
        model.explain(histories_of([2], n_items=3), np.array([[0]]))


def test_settings_are_chosen_on_validation() -> None:
    """Users go on with what goes with their newest item, so the steepest decay is the best; one neighbour is enough."""
    train = histories_of(*[[0, 4]] * 3, *[[1, 5]] * 3, *[[0, 5]] * 2, n_items=6)
    before = histories_of([1, 0], [1, 0], n_items=6)
    relevant = sp.csr_array(np.array([[0, 0, 0, 0, 1, 0]] * 2, np.float32))
    data = TrainingData(train, validation=HeldOut(np.arange(2), before, relevant))
    model = ItemKNN().fit(data)
    assert (model.config.neighbours, model.config.decay) == (NEIGHBOURS[0], 0.6)
    assert ItemKNN(ItemKNNConfig(neighbours=3, decay=1.0)).fit(data).config == ItemKNNConfig(3, 1.0)


def test_events_that_weigh_next_to_nothing_are_left_out() -> None:
    histories = histories_of([0, *[1] * 40], n_items=2)
    assert recency_weights(histories, 0.5).toarray()[0, 0] == 0
    np.testing.assert_allclose(recency_weights(histories, 0.7).toarray(), dense_weights(histories, 0.7), rtol=1e-6)
