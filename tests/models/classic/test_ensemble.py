"""The ensemble against its definition, by eye, and with members that are right or wrong."""

import logging
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from models.base import Recommender, Scores, TrainingData
from models.classic.ensemble import Ensemble, EnsembleConfig
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity
from models.histories import Histories
from models.registry import REGISTRY
from tests.support.contract import RecommenderContract
from tests.support.examples import example, histories_of, one_new_item


def together(histories: Histories) -> TrainingData:
    """With two trained members."""
    data = TrainingData(histories)
    return replace(data, models={model.name: model().fit(data) for model in (Popularity, ItemKNN)})


class TestEnsemble(RecommenderContract):
    model = Ensemble
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        *(("constant", -1.0), ("constant", np.inf), ("depth", 0), ("depth", 10_001), ("fitted", 9), ("fitted", 1001)),
        *(("second_stage", 2), ("seeds", 0), ("seeds", 21)),
    )

    @classmethod
    def data(cls, histories: Histories) -> TrainingData:
        return together(histories)


@dataclass(frozen=True)
class FixedConfig:
    """scores: by item."""

    scores: tuple[float, ...] = ()


class Fixed(Recommender):
    """A member whose scores are written out, the same for all users."""

    name: ClassVar[str] = "fixed"
    Config: ClassVar[type] = FixedConfig

    def fit(self, data: TrainingData) -> Self:
        return self

    def score(self, histories: Histories) -> Scores:
        return np.tile(np.array(self.config.scores, np.float32), (histories.n_users, 1))

    def arrays(self) -> dict[str, Any]:
        return {}

    def restore(self, arrays: dict[str, Any]) -> None:
        pass


def fixed(*scores: float) -> Fixed:
    return Fixed(FixedConfig(scores))


def test_scores_are_those_of_the_equation() -> None:
    """Item 0 is in the history: it gets the rank that it would have among the others."""
    members = {"a": fixed(5, 4, 3, 2, 1), "b": fixed(1.5, 1, 2, -np.inf, 3)}
    histories = histories_of([0], n_items=5)
    model = Ensemble(EnsembleConfig(constant=1.0, depth=3)).fit(TrainingData(histories, models=members))
    ranks = np.array([[1, 1, 2, 3, np.inf], [3, 3, 2, np.inf, 1]])
    expected = (0.5 / (1 + ranks)).sum(axis=0)
    np.testing.assert_allclose(model.score(histories), [expected], rtol=1e-6)


def test_weights_come_from_validation() -> None:
    """One member always ranks the held-out item first, the others last: it alone is kept."""
    histories = histories_of([0], [1], [2], n_items=30)
    right = fixed(*[0] * 29, 1)
    wrong = fixed(*range(30, 1, -1), 0)
    data = TrainingData(histories, None, one_new_item(histories, [29] * 3), models={"w": wrong, "r": right, "v": wrong})
    model = Ensemble().fit(data)
    assert list(model.members) == ["r"]
    assert model.weights.tolist() == [1]
    assert model.recommend(histories, 1).items.tolist() == [[29]] * 3


def test_members_that_know_different_users_are_better_together() -> None:
    """Each member knows the next item of another user; only both give all."""
    histories = histories_of([0], [1], n_items=30)
    a, b = fixed(*[0] * 28, 2, 1), fixed(*[0] * 28, 1, 2)
    data = TrainingData(histories, None, one_new_item(histories, [28, 29]), models={"a": a, "b": b})
    model = Ensemble().fit(data)
    assert sorted(model.recommend(histories, 2).items[0].tolist()) == [28, 29]


def test_weights_are_equal_without_validation() -> None:
    model = Ensemble().fit(together(example()))
    assert model.weights.tolist() == [0.5, 0.5]


def test_the_reason_is_that_of_the_member_with_the_largest_share() -> None:
    histories = example()
    model = Ensemble().fit(together(histories))
    items = model.recommend(histories, 4).items
    knn = model.members["item_knn"].explain(histories, items)
    np.testing.assert_array_equal(model.explain(histories, items), knn)  # popularity gives no reasons


def test_members_refit_and_weights_stay() -> None:
    later = example(seed=1)
    model = Ensemble().fit(together(example())).refit(TrainingData(later))
    expected = Popularity().fit(TrainingData(later)).score(later)
    np.testing.assert_array_equal(model.members["popularity"].score(later), expected)


def test_nothing_to_combine() -> None:
    with pytest.raises(ValueError, match="ensemble: there is no trained model to combine"):
        Ensemble().fit(TrainingData(example()))


def test_a_saved_ensemble_needs_no_keras(tmp_path: Path) -> None:
    Ensemble().fit(together(example())).save(tmp_path)
    code = (
        "import sys; from pathlib import Path; from models.classic.ensemble import Ensemble\n"
        f"assert sorted(Ensemble.load(Path({str(tmp_path)!r})).members) == ['item_knn', 'popularity']\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_weights_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    histories = histories_of([0], n_items=30)
    data = TrainingData(histories, None, one_new_item(histories, [29]), models={"r": fixed(*range(30))})
    with caplog.at_level(logging.INFO):
        Ensemble().fit(data)
    assert "ensemble: r 1.00" in caplog.text


class Chance(Fixed):
    """A member that ranks at random, by its seed."""

    name: ClassVar[str] = "chance"
    by_chance: ClassVar[bool] = True
    workspace: Path | None = None
    seed = 0

    def fit(self, data: TrainingData) -> Self:
        self.seed, self.workspace = data.seed, data.workspace
        assert data.store is None
        assert not data.models
        return self

    def score(self, histories: Histories) -> Scores:
        scores = np.random.default_rng(self.seed).random(histories.n_items).astype(np.float32)
        return np.tile(scores, (histories.n_users, 1))

    def arrays(self) -> dict[str, Any]:
        return {"seed": np.array(self.seed)}

    def restore(self, arrays: dict[str, Any]) -> None:
        self.seed = int(arrays["seed"])


def with_chance(tmp_path: Path) -> TrainingData:
    """One member that draws and one that does not."""
    histories = histories_of([0], [1], n_items=30)
    members = {"chance": Chance(), "popularity": Popularity().fit(TrainingData(histories))}
    return TrainingData(histories, seed=7, workspace=tmp_path, models=members)


def test_members_of_several_seeds_share_their_members_weight(tmp_path: Path) -> None:
    data = with_chance(tmp_path)
    model = Ensemble(EnsembleConfig(seeds=3)).fit(data)
    assert list(model.members) == ["chance", "chance-1", "chance-2", "popularity"]
    np.testing.assert_allclose(model.weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert model.members["chance"] is data.models["chance"]
    others = [model.members["chance-1"], model.members["chance-2"]]
    assert [vars(other)["seed"] for other in others] == [8, 9]
    assert [vars(other)["workspace"] for other in others] == [tmp_path / "chance-1", tmp_path / "chance-2"]
    assert (tmp_path / "chance-2").is_dir()


def test_one_seed_trains_nothing_again(tmp_path: Path) -> None:
    assert list(Ensemble().fit(with_chance(tmp_path)).members) == ["chance", "popularity"]
    assert [*tmp_path.iterdir()] == []


def test_members_of_several_seeds_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY.places, "chance", f"{__name__}:Chance")  # type: ignore[index]
    (tmp_path / "work").mkdir()
    data = with_chance(tmp_path / "work")
    model = Ensemble(EnsembleConfig(seeds=2)).fit(data)
    model.save(tmp_path / "saved")
    loaded = Ensemble.load(tmp_path / "saved")
    assert list(loaded.members) == ["chance", "chance-1", "popularity"]
    np.testing.assert_array_equal(loaded.score(data.histories), model.score(data.histories))


def test_networks_learn_by_chance_and_nothing_else_does() -> None:
    by_chance = {name for name in REGISTRY if REGISTRY[name].by_chance}
    assert by_chance == {name for name, place in REGISTRY.places.items() if place.startswith("models.neural.")}
