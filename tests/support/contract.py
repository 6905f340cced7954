"""What every recommender promises, as tests that the test class of each model inherits; not collected by itself."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pytest

from models import base
from models.base import Recommender, Scores, TopK, TrainingData
from models.histories import Histories
from tests.support.examples import N_ITEMS, N_USERS, SILENT, example, histories_of, silent


@dataclass(frozen=True)
class NoSettings:
    """Of a model without any."""


class Stranger(Recommender):
    """A model that learns nothing, for a folder that no other model may load."""

    name: ClassVar[str] = "stranger"
    Config: ClassVar[type] = NoSettings

    def fit(self, data: TrainingData) -> Self:
        return self

    def score(self, histories: Histories) -> Scores:
        return np.zeros((histories.n_users, histories.n_items), np.float32)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        pass


@cache
def fitted(test: "type[RecommenderContract]") -> Recommender:
    """The model of a test class after it learned the example, once."""
    return test.new().fit(test.data(example()))


def ranked(scores: npt.NDArray[np.float32], allowed: npt.NDArray[np.bool_], k: int) -> list[int]:
    """The k best allowed items, equal ones by row, padded with -1: the definition."""
    usable = [item for item in range(len(scores)) if allowed[item] and np.isfinite(scores[item])]
    best = sorted(usable, key=lambda item: (-scores[item], item))[:k]
    return best + [-1] * (k - len(best))


def assert_lists(top: TopK, n: int, k: int) -> None:
    """What holds for all lists: shapes, types, nothing twice, padding at the end only, finite scores that fall."""
    assert top.items.shape == top.scores.shape == (n, k)
    assert (top.items.dtype, top.scores.dtype) == (np.int64, np.float32)
    for items, scores in zip(top.items, top.scores, strict=True):
        length = int((items >= 0).sum())
        assert len(set(items[:length].tolist())) == length
        assert (items[length:] == -1).all()
        assert (scores[length:] == -np.inf).all()
        assert np.isfinite(scores[:length]).all()
        assert (np.diff(scores[:length]) <= 0).all()


def assert_same(result: TopK, expected: TopK, tolerance: float = 0.0) -> None:
    np.testing.assert_array_equal(result.items, expected.items)
    np.testing.assert_allclose(result.scores, expected.scores, rtol=tolerance, atol=tolerance)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a folder and what is packed in them."""
    for file in sorted(folder.rglob("*")):
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                yield from ((name, archive.read(name)) for name in archive.namelist())
        elif file.is_file():
            yield file.name, file.read_bytes()


class RecommenderContract:
    """Inherit, and name the model, quick settings for it, and a value out of range for each of its settings."""

    model: ClassVar[type[Recommender]]
    settings: ClassVar[dict[str, Any]] = {}
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]]
    tolerance: ClassVar[float] = 1e-6  # of scores that another batch, or a copy of the model, gives

    @classmethod
    def new(cls) -> Recommender:
        return cls.model(cls.model.Config(**cls.settings))

    @classmethod
    def data(cls, histories: Histories) -> TrainingData:
        """What to learn; a model that needs more than histories adds it."""
        return TrainingData(histories)

    @property
    def fitted(self) -> Recommender:
        return fitted(type(self))

    def test_scores_are_one_number_for_each_user_and_item(self) -> None:
        scores = self.fitted.score(example())
        assert scores.shape == (N_USERS, N_ITEMS)
        assert scores.dtype == np.float32
        assert (np.isfinite(scores) | (scores == -np.inf)).all()

    @pytest.mark.parametrize("seen", [False, True])
    @pytest.mark.parametrize("k", [1, 3, N_ITEMS, 40])
    def test_lists_are_the_best_scores_among_new_and_eligible_items(self, k: int, seen: bool) -> None:
        histories, eligible = example(), np.arange(N_ITEMS) % 3 != 1
        top = self.fitted.recommend(histories, k, eligible=eligible, seen=seen)
        assert_lists(top, N_USERS, k)
        had = histories.matrix().toarray() > 0
        for user, scores in enumerate(self.fitted.score(histories)):
            assert top.items[user].tolist() == ranked(scores, eligible & (seen | ~had[user]), k)

    def test_seen_and_ineligible_items_are_left_out(self) -> None:
        histories, eligible = example(), np.arange(N_ITEMS) != 0
        top = self.fitted.recommend(histories, N_ITEMS, eligible=eligible)
        assert_lists(top, N_USERS, N_ITEMS)
        assert (top.items != 0).all()
        for user in range(N_USERS):
            own = histories.items[histories.indptr[user] : histories.indptr[user + 1]]
            assert not set(own.tolist()) & set(top.items[user].tolist())

    def test_nothing_is_eligible(self) -> None:
        top = self.fitted.recommend(example(), 2, eligible=np.zeros(N_ITEMS, bool))
        assert_lists(top, N_USERS, 2)
        assert (top.items == -1).all()

    @pytest.mark.parametrize("k", [0, -1])
    def test_a_list_has_at_least_one_place(self, k: int) -> None:
        with pytest.raises(ValueError, match=f"k = {k}: expected at least 1"):
            self.fitted.recommend(example(), k)

    def test_histories_over_other_items_are_refused(self) -> None:
        with pytest.raises(ValueError, match=f"{self.model.name} learned {N_ITEMS} items, the histories have 13"):
            self.fitted.recommend(silent(2, 13), 1)

    def test_a_user_without_history_has_no_reasons(self) -> None:
        nobody = example().take(np.array([SILENT]))
        top = self.fitted.recommend(nobody, 5)
        assert_lists(top, 1, 5)
        assert (self.fitted.explain(nobody, top.items) == -1).all()

    def test_no_user_at_all(self) -> None:
        assert_lists(self.fitted.recommend(silent(0, N_ITEMS), 5), 0, 5)

    def test_one_user_learned(self) -> None:
        one = example().take(np.array([0]))
        assert_lists(self.new().fit(self.data(one)).recommend(one, 4), 1, 4)

    def test_one_item_learned(self) -> None:
        histories = histories_of([0], [], [0, 0], n_items=1)
        top = self.new().fit(self.data(histories)).recommend(histories, 2)
        assert_lists(top, 3, 2)
        assert (top.items[[0, 2]] == -1).all()

    def test_histories_of_one_event_learned(self) -> None:
        histories = histories_of(*([user % 3] for user in range(6)), n_items=4)
        top = self.new().fit(self.data(histories)).recommend(histories, 4)
        assert_lists(top, 6, 4)
        assert all(user % 3 not in items for user, items in enumerate(top.items.tolist()))

    def test_no_event_learned(self) -> None:
        model = self.new().fit(self.data(silent(3, 4)))
        assert_lists(model.recommend(silent(3, 4), 5), 3, 5)
        assert_lists(model.recommend(histories_of([1], [2, 3], n_items=4), 5), 2, 5)

    def test_events_without_times(self) -> None:
        histories = histories_of([0, 1], [1, 2], [0, 2, 3], n_items=4)
        assert_lists(self.new().fit(self.data(histories)).recommend(histories, 4), 3, 4)

    def test_users_that_were_not_learned_from(self) -> None:
        others = example(seed=1)
        assert_lists(self.fitted.recommend(others, 4), N_USERS, 4)

    def test_the_same_input_gives_the_same_output(self) -> None:
        again = self.new().fit(self.data(example()))
        assert_same(again.recommend(example(), 5), self.fitted.recommend(example(), 5))
        np.testing.assert_array_equal(again.score(example()), self.fitted.score(example()))

    def test_a_user_does_not_depend_on_the_others(self) -> None:
        histories = example()
        scores = self.fitted.score(histories)
        for user in range(N_USERS):
            alone = self.fitted.score(histories.take(np.array([user])))
            np.testing.assert_allclose(alone[0], scores[user], rtol=self.tolerance, atol=self.tolerance)

    @pytest.mark.parametrize("block", [1, 4, N_USERS, N_USERS - 1])
    def test_blocks_of_users_do_not_show(self, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = self.fitted.recommend(example(), 5)
        monkeypatch.setattr(base, "BLOCK_USERS", block)
        assert_same(self.fitted.recommend(example(), 5), whole, self.tolerance)

    def test_reasons_are_items_of_the_own_history(self) -> None:
        histories = example()
        items = self.fitted.recommend(histories, 6).items
        reasons = self.fitted.explain(histories, items)
        assert reasons.shape == items.shape
        assert reasons.dtype == np.int64
        assert (reasons[items < 0] == -1).all()
        for user in range(N_USERS):
            own = histories.items[histories.indptr[user] : histories.indptr[user + 1]]
            assert set(reasons[user].tolist()) <= {-1, *own.tolist()}

    def test_reasons_do_not_depend_on_other_users(self) -> None:
        histories = example()
        items = self.fitted.recommend(histories, 6).items
        reasons = self.fitted.explain(histories, items)
        for user in reversed(range(N_USERS)):
            alone = self.fitted.explain(histories.take(np.array([user])), items[[user]])
            np.testing.assert_array_equal(alone[0], reasons[user])

    def test_a_saved_model_predicts_the_same(self, tmp_path: Path) -> None:
        self.fitted.save(tmp_path / "new" / "folder")
        loaded = self.model.load(tmp_path / "new" / "folder")
        assert loaded.config == self.fitted.config
        histories = example(seed=1)
        top = self.fitted.recommend(histories, 6)
        assert_same(loaded.recommend(histories, 6), top, 1e-6)
        np.testing.assert_allclose(loaded.score(histories), self.fitted.score(histories), rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(loaded.explain(histories, top.items), self.fitted.explain(histories, top.items))

    def test_nothing_saved_is_a_pickle(self, tmp_path: Path) -> None:
        self.fitted.save(tmp_path)
        saved = dict(contents(tmp_path))
        assert saved
        for name, data in saved.items():
            assert not data.startswith(b"\x80"), name  # how pickles begin
            assert b"'descr': '|O'" not in data[:200], name  # NumPy's header of pickled objects

    def test_the_folder_of_another_model_is_refused(self, tmp_path: Path) -> None:
        Stranger().save(tmp_path)
        with pytest.raises(ValueError, match=f"holds the model 'stranger', not '{self.model.name}'"):
            self.model.load(tmp_path)

    def test_settings_out_of_range_are_refused(self) -> None:
        for setting, value in self.out_of_range:
            with pytest.raises(ValueError, match=rf"^{self.model.name}\.{setting} must .*, got {value!r}$"):
                self.model.Config(**{setting: value})

    def test_every_setting_has_a_range(self) -> None:
        assert {setting for setting, _ in self.out_of_range} == {field.name for field in fields(self.model.Config)}
