"""Content-kNN against a dense definition, and on items that nobody had."""

from typing import Any, ClassVar

import numpy as np

from models.base import TrainingData
from models.classic.content_knn import ContentKNN, ContentKNNConfig
from models.histories import Histories
from tests.support.contract import RecommenderContract
from tests.support.dense import FILMS, dense_content, dense_weights
from tests.support.examples import catalogue_of, histories_of


class TestContentKNN(RecommenderContract):
    model = ContentKNN
    settings: ClassVar[dict[str, Any]] = {"neighbours": 4, "decay": 0.8}
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (("neighbours", 0), ("decay", 0.0), ("decay", 1.01))

    @classmethod
    def data(cls, histories: Histories) -> TrainingData:
        return TrainingData(histories, catalogue_of(histories.n_items))


def test_scores_are_those_of_the_equation() -> None:
    histories = histories_of([0], [2, 1], [3], [], n_items=4)
    model = ContentKNN(ContentKNNConfig(neighbours=3, decay=0.5)).fit(TrainingData(histories, FILMS))
    cosine = dense_content(FILMS) @ dense_content(FILMS).T
    np.fill_diagonal(cosine, 0)
    expected = dense_weights(histories, 0.5) @ cosine
    expected[expected == 0] = -np.inf
    np.testing.assert_allclose(model.score(histories), expected, rtol=1e-5)


def test_items_without_events_are_found() -> None:
    model = ContentKNN().fit(TrainingData(histories_of([0], n_items=4), FILMS))
    asked = histories_of([0], n_items=4)
    top = model.recommend(asked, 3)
    assert top.items.tolist() == [[1, 2, -1]]
    assert model.explain(asked, top.items).tolist() == [[0, 0, -1]]


def test_without_catalogue_there_is_no_evidence() -> None:
    histories = histories_of([0, 1], n_items=3)
    assert (ContentKNN().fit(TrainingData(histories)).recommend(histories, 2).items == -1).all()
