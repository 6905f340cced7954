"""The contract of every recommender, kept by a model that scores with vectors: what `models/base.py` does for it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pytest

from models.base import Recommender, Scores, TrainingData
from models.histories import Histories
from tests.support.contract import RecommenderContract
from tests.support.examples import N_ITEMS, N_USERS, example


@dataclass(frozen=True)
class MeansConfig:
    """size: elements of a vector."""

    size: int = 8

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"means.size must be at least 1, got {self.size}")


class Means(Recommender):
    """Items are drawn, users are the mean of their items: whole numbers, so that any product gives the same bits."""

    name: ClassVar[str] = "means"
    Config: ClassVar[type] = MeansConfig

    def fit(self, data: TrainingData) -> Self:
        random = np.random.default_rng(data.seed)
        self.vectors = random.integers(-4, 5, (data.histories.n_items, self.config.size)).astype(np.float32)
        return self

    def user_vectors(self, histories: Histories) -> Scores:
        sums = np.asarray(histories.matrix() @ self.vectors, np.float32)
        return np.where(np.diff(histories.indptr)[:, None] > 0, sums, np.float32(np.nan))

    def item_vectors(self) -> Scores:
        return self.vectors

    def score(self, histories: Histories) -> Scores:
        if histories.n_items != len(self.vectors):
            raise ValueError(f"{self.name} learned {len(self.vectors)} items, the histories have {histories.n_items}")
        return np.nan_to_num(self.user_vectors(histories) @ self.vectors.T, nan=-np.inf)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"vectors": self.vectors}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.vectors = arrays["vectors"]


class TestMeans(RecommenderContract):
    model = Means
    out_of_range = (("size", 0),)

    def test_the_reason_is_the_nearest_item_of_the_history(self) -> None:
        histories = example()
        top = self.fitted.recommend(histories, 4)
        reasons = self.fitted.explain(histories, top.items)
        vectors = self.fitted.item_vectors()
        assert vectors is not None
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for user in range(N_USERS):
            own = set(histories.items[histories.indptr[user] : histories.indptr[user + 1]].tolist())
            for item, reason in zip(top.items[user], reasons[user], strict=True):
                if reason >= 0:
                    assert unit[item] @ unit[reason] == pytest.approx(max(unit[item] @ unit[j] for j in own), abs=1e-5)
                else:
                    assert all(unit[item] @ unit[j] <= 1e-6 for j in own)


class TestGroups:
    """What may be recommended differs from group to group."""

    def test_every_group_gets_what_it_would_get_alone(self) -> None:
        histories, model = example(), Means().fit(TrainingData(example()))
        eligible = np.random.default_rng(0).random((3, N_ITEMS)) < 0.6
        groups = np.arange(N_USERS) % 3
        top = model.recommend(histories, 5, eligible=eligible, groups=groups)
        for user in range(N_USERS):
            alone = model.recommend(histories.take(np.array([user])), 5, eligible=eligible[user % 3])
            assert top.items[user].tolist() == alone.items[0].tolist()
            assert top.scores[user].tolist() == alone.scores[0].tolist()

    def test_groups_must_be_those_of_the_users(self) -> None:
        model = Means().fit(TrainingData(example()))
        with pytest.raises(ValueError, match="expected the groups of 25 users"):
            model.recommend(example(), 5, eligible=np.ones((2, N_ITEMS), bool))
