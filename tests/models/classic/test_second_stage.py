"""The second stage: it re-ranks what validation says is better re-ranked, the same each time, and nothing else."""

import logging
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from jobs.learning.artifacts import fingerprint
from models.base import TrainingData
from models.classic import second_stage
from models.classic.candidates import Candidates, ItemTimes
from models.classic.ensemble import Ensemble, EnsembleConfig
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity
from models.classic.second_stage import SecondStage, cross_validate, find_labels, learn_trees, list_quality, predict
from models.data import HeldOut, UnlearnableError
from models.histories import DAY_MICROSECONDS, Histories
from models.kernels.trees import Trees
from tests.support.contract import RecommenderContract
from tests.support.examples import example, histories_of, one_new_item

USERS, ITEMS, NEW = 200, 40, 4  # the last NEW items have their first events on the last day


def planted(users: int = USERS, seed: int = 0) -> TrainingData:
    """Old items that everybody takes, new ones that few have taken yet, and users who all take a new one next.

    Both members rank by what was taken, so that fusion puts the new items last; their age tells a second stage.
    """
    random = np.random.default_rng(seed)
    items, days, following = [], [], []
    for user in range(users):
        old = random.choice(ITEMS - NEW, 8, replace=False).tolist()
        new = [ITEMS - NEW + user // 10 % NEW] if user % 10 == 0 else []
        items.append(old + new)
        days += [min(user, 90)] * len(old) + [99] * len(new)
        following.append(ITEMS - NEW + (user // 10 + 1) % NEW)
    times = [day * DAY_MICROSECONDS + event for event, day in enumerate(days)]
    histories = histories_of(*items, n_items=ITEMS, times=times)
    data = TrainingData(histories, None, one_new_item(histories, following))
    return replace(data, models={model.name: model().fit(data) for model in (Popularity, ItemKNN)})


def candidates_of(features: str) -> tuple[HeldOut, Candidates]:
    """Ten candidates a user, of which the held-out one is among the first three; one feature, which tells it
    (`labels`), says nothing (`noise`), or is the user's number (`users`)."""
    random = np.random.default_rng(3)
    items = random.permuted(np.tile(np.arange(ITEMS), (USERS, 1)), axis=1)[:, :10]
    nothing = histories_of(*[[0]] * USERS, n_items=ITEMS)
    held_out = one_new_item(nothing, items[np.arange(USERS), random.integers(0, 3, USERS)].tolist())
    values = {"labels": find_labels(items, held_out), "noise": random.random(items.shape)}
    values["users"] = np.broadcast_to(np.arange(USERS)[:, None], items.shape)
    return held_out, Candidates(items, values[features][:, :, None].astype(np.float32))


class Staged(Ensemble):
    """An ensemble that has a second stage whatever it has learned: another order of the candidates."""

    def fit(self, data: TrainingData) -> Self:
        super().fit(replace(data, validation=None))
        some = example(seed=5)
        times = ItemTimes.of(data.histories)
        if some.n_items == self.n_items:
            candidates = self._candidates(some, *self._fuse(some), times)
            labels = (candidates.items % 3 == 1) & (candidates.items >= 0)
            self.stage = SecondStage(learn_trees(candidates, labels, 0), times)
            self.config = replace(self.config, second_stage=True)
        return self


class TestEnsembleWithSecondStage(RecommenderContract):
    model = Staged
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        *(("constant", -1.0), ("depth", 0), ("fitted", 9)),
        *(("second_stage", 2), ("seeds", 0)),
    )

    @classmethod
    def data(cls, histories: Histories) -> TrainingData:
        data = TrainingData(histories)
        return replace(data, models={model.name: model().fit(data) for model in (Popularity, ItemKNN)})

    def test_the_second_stage_changes_lists(self) -> None:
        model = self.fitted
        assert isinstance(model, Ensemble)
        assert model.stage is not None
        plain = Ensemble(EnsembleConfig(second_stage=False)).fit(self.data(example()))
        assert (model.recommend(example(), 5).items != plain.recommend(example(), 5).items).any()


def test_what_fusion_cannot_know_is_learned(caplog: pytest.LogCaptureFixture) -> None:
    """All users take a new item next: first after the second stage, beyond the tenth place by fusion alone."""
    data = planted()
    assert data.validation is not None
    with caplog.at_level(logging.INFO):
        staged = Ensemble().fit(data)
    plain = Ensemble(EnsembleConfig(second_stage=False)).fit(data)
    lists = [model.recommend(data.histories, 10).items for model in (plain, staged)]
    fused, reranked = (list_quality(items, data.validation).mean() for items in lists)
    assert (staged.config.second_stage, plain.config.second_stage) == (True, False)
    assert fused < 0.1
    assert reranked > 0.5
    assert "second stage: re-ranks, NDCG@10 +" in caplog.text


def test_candidates_stand_above_all_others() -> None:
    data = planted()
    staged, plain = (Ensemble(EnsembleConfig(second_stage=on)).fit(data) for on in (True, False))
    assert staged.stage is not None
    scores = staged.score(data.histories)
    had = data.histories.matrix().toarray() > 0
    fused = plain.score(data.histories)
    candidate = np.isfinite(fused) & ~had
    assert ((scores[candidate] > 1) & (scores[candidate] < 2)).all()
    np.testing.assert_array_equal(scores[~candidate], fused[~candidate])
    assert fused[np.isfinite(fused)].max() < 1


@pytest.mark.parametrize(("features", "reigns"), [("noise", False), ("labels", True)])
def test_what_is_not_better_is_left_out(features: str, reigns: bool, caplog: pytest.LogCaptureFixture) -> None:
    held_out, candidates = candidates_of(features)
    with caplog.at_level(logging.INFO):
        stage = SecondStage.fit(held_out, candidates, ItemTimes.of(held_out.histories), 0)
    assert (stage is not None) == reigns
    assert f"second stage: {'re-ranks' if reigns else 'left out'}, NDCG@10 " in caplog.text


def test_a_gain_within_the_interval_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """One user of 200 gains 0.5: on average more than nothing, but not surely."""
    held_out, candidates = candidates_of("labels")
    gains = np.zeros(USERS)
    gains[7] = 0.5
    monkeypatch.setattr(second_stage, "cross_validate", lambda *given: gains)
    assert SecondStage.fit(held_out, candidates, ItemTimes.of(held_out.histories), 0) is None
    monkeypatch.setattr(second_stage, "cross_validate", lambda *given: gains + 0.001)
    assert SecondStage.fit(held_out, candidates, ItemTimes.of(held_out.histories), 0) is not None


def test_users_are_judged_by_trees_that_did_not_learn_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    held_out, candidates = candidates_of("users")
    labels = find_labels(candidates.items, held_out)
    learned: list[set[int]] = []
    judged: list[set[int]] = []

    def users_of(given: Candidates) -> set[int]:
        return set(given.features[:, 0, 0].astype(int).tolist())

    def learn(given: Candidates, given_labels: np.ndarray, seed: int) -> Trees:
        learned.append(users_of(given))
        assert (given_labels == labels[sorted(learned[-1])]).all()
        return learn_trees(given, given_labels, seed)

    def judge(trees: Trees, given: Candidates) -> np.ndarray:
        judged.append(users_of(given))
        return predict(trees, given)

    monkeypatch.setattr(second_stage, "learn_trees", learn)
    monkeypatch.setattr(second_stage, "predict", judge)
    cross_validate(held_out, candidates, labels, 0)
    assert sorted(user for users in judged for user in users) == list(range(USERS))
    assert all(mine | others == set(range(USERS)) for mine, others in zip(judged, learned, strict=True))
    assert not any(mine & others for mine, others in zip(judged, learned, strict=True))


def test_the_gain_is_that_of_the_lists() -> None:
    """The feature is the label: every held-out item comes first, an NDCG of 1."""
    held_out, candidates = candidates_of("labels")
    gains = cross_validate(held_out, candidates, find_labels(candidates.items, held_out), 0)
    place = find_labels(candidates.items, held_out).argmax(axis=1)
    np.testing.assert_allclose(gains, 1 - 1 / np.log2(place + 2), rtol=1e-12)


def test_few_users_teach_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        model = Ensemble().fit(planted(users=49))
    assert model.stage is None
    assert model.config.second_stage is False
    assert re.search(r"second stage: left out, [1-4]?\d users have a held-out item among the candidates", caplog.text)


def test_without_validation_there_is_no_second_stage() -> None:
    assert Ensemble().fit(replace(planted(), validation=None)).stage is None


def test_a_re_run_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    for name in ("first", "again"):
        Ensemble().fit(planted()).save(tmp_path / name)
    assert fingerprint(tmp_path / "first") == fingerprint(tmp_path / "again")


def test_a_seed_draws_trees() -> None:
    held_out, noise = candidates_of("noise")
    labels = find_labels(noise.items, held_out)
    first, again, other = (predict(learn_trees(noise, labels, seed), noise) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_what_measures_similarity_is_a_member_without_weight() -> None:
    """Its list never counts in the fusion, and it gives no reasons."""
    data = planted()
    popular = {"popularity": data.models["popularity"]}
    alone = Ensemble(EnsembleConfig(second_stage=False)).fit(replace(data, models=popular))
    model = Ensemble().fit(data)
    assert model.stage is not None
    weights = dict(zip(model.members, model.weights.tolist(), strict=True))
    assert weights == {"popularity": 1, "item_knn": 0}
    np.testing.assert_array_equal(model._fuse(data.histories)[0], alone.score(data.histories))


def test_reasons_stay_those_of_the_members() -> None:
    """Every row keeps the item of the own history that speaks for it."""
    data = planted()
    staged, plain = (Ensemble(EnsembleConfig(second_stage=on)).fit(data) for on in (True, False))
    items = staged.recommend(data.histories, 5).items
    members = {name: weight for name, weight in zip(staged.members, staged.weights, strict=True) if weight}
    assert list(members) == list(plain.members)
    np.testing.assert_array_equal(staged.explain(data.histories, items), plain.explain(data.histories, items))


def test_after_refit_the_trees_stay_and_times_are_those_of_all_events() -> None:
    data = planted()
    model = Ensemble().fit(data)
    assert model.stage is not None
    trees = model.stage.trees
    later = planted(seed=1).histories
    model.refit(TrainingData(later))
    assert model.stage.trees is trees
    np.testing.assert_array_equal(model.stage.times.recent, ItemTimes.of(later).recent)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trees_feature", np.full(1000, 99), "names what there is not"),
        ("times_age", np.zeros(3, np.float32), "times of 40 items have the shapes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, value: np.ndarray, message: str) -> None:
    model = Ensemble().fit(planted())
    with pytest.raises(ValueError, match=message):
        Ensemble(model.config).restore(model.arrays() | {name: value})


def test_an_ensemble_that_was_saved_before_there_was_a_second_stage() -> None:
    plain = Ensemble(EnsembleConfig(second_stage=False)).fit(planted())
    model = Ensemble()
    model.restore(plain.arrays())
    assert model.stage is None


def test_lists_need_no_lightgbm(tmp_path: Path) -> None:
    """Spark's executors have none (`encore package`), and nothing native reads a file."""
    Ensemble().fit(planted()).save(tmp_path)
    code = (
        "import sys; sys.modules['lightgbm'] = None\n"
        "from pathlib import Path; from models.classic.ensemble import Ensemble\n"
        "from tests.support.examples import silent\n"
        f"model = Ensemble.load(Path({str(tmp_path)!r}))\n"
        f"assert model.stage; model.recommend(silent(2, {ITEMS}), 3)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_lightgbm_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(UnlearnableError, match=r"libgomp1 .* or set models\.ensemble\.second_stage to false"):
        Ensemble().fit(planted())
    assert Ensemble(EnsembleConfig(second_stage=False)).fit(planted()).stage is None
