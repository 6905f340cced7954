"""Hybrid kNN against a dense definition, and what it chooses on validation."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from models.base import TrainingData
from models.classic.hybrid_knn import ALPHAS, HybridKNN, HybridKNNConfig
from models.histories import Histories
from tests.support.contract import RecommenderContract
from tests.support.dense import FILMS, dense_content, dense_similarity, dense_weights
from tests.support.examples import catalogue_of, example, histories_of, one_new_item


class TestHybridKNN(RecommenderContract):
    model = HybridKNN
    settings: ClassVar[dict[str, Any]] = {"neighbours": 4, "decay": 0.8, "alpha": 0.5}
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        *(("neighbours", 0), ("decay", 0.0), ("decay", 1.01)),
        *(("alpha", 0.0), ("alpha", 1.0)),
    )

    @classmethod
    def data(cls, histories: Histories) -> TrainingData:
        return TrainingData(histories, catalogue_of(histories.n_items))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_scores_are_those_of_the_equation(alpha: float) -> None:
    """Item 3 has neither events nor content, 1 no events."""
    histories = histories_of([0, 2], [0], [2, 0], [1], n_items=4)
    learned = histories.take(np.arange(3))
    model = HybridKNN(HybridKNNConfig(neighbours=3, decay=0.5, alpha=alpha)).fit(TrainingData(learned, FILMS))
    content = dense_content(FILMS) @ dense_content(FILMS).T
    np.fill_diagonal(content, 0)
    similarity = alpha * dense_similarity(learned, 3) + (1 - alpha) * content
    expected = dense_weights(histories, 0.5) @ similarity
    expected[expected == 0] = -np.inf
    np.testing.assert_allclose(model.score(histories), expected, rtol=1e-5)


def test_alpha_is_the_best_on_validation() -> None:
    """What users have next is like what they had in content alone: the smallest α is the best."""
    train = histories_of([0, 2], [0, 2], [1, 3], [1, 3], n_items=6)
    items = catalogue_of(6)
    words = ["a", "b", "c", "d", "a", "b"]
    data = TrainingData(
        train,
        replace(items, genres=[(word,) for word in words]),
        one_new_item(histories_of([0], [0], [1], [1], n_items=6), [4, 4, 5, 5]),
    )
    model = HybridKNN().fit(data)
    assert model.config.alpha == min(ALPHAS)
    assert None not in (model.config.neighbours, model.config.decay)
    again = HybridKNN(model.config).fit(replace(data, validation=None))
    np.testing.assert_array_equal(again.score(train), model.score(train))


def test_settings_that_are_given_stay() -> None:
    histories = example()
    given = HybridKNNConfig(neighbours=2, decay=0.3, alpha=0.25)
    validation = one_new_item(histories.take(np.arange(3)), [0, 1, 2])
    assert HybridKNN(given).fit(TrainingData(histories, None, validation)).config == given
