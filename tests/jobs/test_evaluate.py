"""What models are judged by: no leak from the test, segments, eligible items, and ties, through the jobs themselves."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from jobs import evaluate, train
from jobs.learning import arrays as held_out
from jobs.learning.arrays import Split
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.frames import read
from models.base import Recommender, TopK, TrainingData
from models.classic.popularity import Popularity
from models.data import HeldOut
from models.evaluation.metrics import METRICS
from models.evaluation.ties import ServedLists, tie_groups
from models.histories import Histories
from models.registry import REGISTRY
from models.serving.lists import Serving
from models.serving.ranking import serve
from schemas.tables import TABLES
from tests.support.examples import histories_of, silent
from tests.support.tastes import ITEMS, USERS, Events, jobs, night_of

HIT = ITEMS - 1  # nobody takes it before tonight
# Networks learn for minutes, and the ensemble is made of the others; they are given the same training data.
SLOW = {"ncf", "lstm", "sasrec", "two_tower", "seq2seq", "ensemble"}
QUICK = tuple(name for name in REGISTRY if name not in SLOW)


def only_the_hit(tonight: Events) -> Events:
    """Every user takes the same new item tonight, and nothing else."""
    return np.array([[user, HIT, tonight[0, 2]] for user in range(USERS)], np.int64)


def metrics(night: Night) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    rows = read(night.tonight("metrics"), TABLES["metrics"].schema).to_pylist()
    return {(row["model"], row["segment"], row["metric"], row["k"]): row for row in rows}


def test_a_signal_of_the_test_days_alone_is_learned_by_no_model(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hit of the last days: who guesses has it among 200 items at place 10 or better in a twentieth of the cases.
    With a planted leak, the test events among the training events, popularity knows it."""
    night = night_of(config, 3, change=only_the_hit, models=QUICK)
    assert jobs(night, "train", "evaluate") == [0] * (len(QUICK) + 1)
    honest = metrics(night)
    for name in QUICK:
        assert honest[name, "all", "hr", 10]["value"] < 0.1, name

    def leaking(night: Night, known: held_out.Ids) -> Split:
        parts = held_out.split(night, known)
        return Split(held_out.all_events(night, known), parts.validation, parts.test)

    monkeypatch.setattr(train, "split", leaking)
    night = night_of(config, 3, "leaking", change=only_the_hit, models=["popularity"])
    assert jobs(night, "train", "evaluate") == [0, 0]
    assert metrics(night)["popularity", "all", "hr", 10]["value"] == 1


@pytest.mark.parametrize("name", QUICK)
def test_what_a_model_learns_does_not_depend_on_the_test(config: Settings, name: str) -> None:
    """Two nights that differ in the test events alone give the same artifact."""
    checksums = set()
    for run, change in (("one", lambda tonight: tonight), ("two", only_the_hit)):
        night = night_of(config, 3, run, change=change, models=[name])
        assert jobs(night, "train") == [0]
        checksums.add(night.run.entry(f"train_{name}").facts["checksum"])
    assert len(checksums) == 1


def test_every_metric_of_every_segment_is_there(config: Settings) -> None:
    night = night_of(config, 3)
    assert jobs(night, "train", "evaluate") == [0] * 3
    result = metrics(night)
    # nobody is new: all came on the first night
    for segment in ("all", "casual", "heavy", "head_items", "tail_items"):
        for metric in METRICS:
            for k in (5, 10, 20):
                row = result["item_knn", segment, metric, k]
                assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
    assert result["item_knn", "casual", "ndcg", 10]["users"] + result["item_knn", "heavy", "ndcg", 10]["users"] == USERS
    assert result["item_knn", "all", "coverage", 10]["value"] > 2 * result["popularity", "all", "coverage", 10]["value"]
    assert result["item_knn", "all", "popularity", 10]["value"] < result["popularity", "all", "popularity", 10]["value"]
    assert {metric for _, _, metric, _ in result} == {
        *METRICS, "coverage", "novelty", "diversity", "popularity", "cold_items", "tail_items",
    }  # fmt: skip
    assert {row["split"] for row in result.values()} == {"time"}


def test_segments_of_users_by_eye() -> None:
    histories = histories_of([], [0], [0, 1], [0, 1, 2, 3], n_items=5)
    test = HeldOut(np.arange(4), histories, sp.csr_array(np.ones((4, 5), np.float32)))
    result = {name: members.tolist() for name, members in evaluate.segment_members(test).items()}
    assert result == {
        "all": [True] * 4,
        "new": [True, False, False, False],
        "casual": [False, True, True, False],
        "heavy": [False, False, False, True],
    }


def serving(n_users: int, allowed: list[bool], popular: list[float]) -> Serving:
    """Everybody is one segment and one group; content knows nothing."""
    n, nobody = len(allowed), np.zeros(n_users, np.int64)
    vectors = np.array([popular], np.float32)
    return Serving(
        nobody, vectors, nobody, np.array([allowed]), np.zeros(n, bool), sp.csr_array((n, 1)), lambda: Told([[]], n)
    )


class Told(Recommender):
    """Scores as told, the same for every user; -inf where nothing is."""

    name, Config = "told", dict  # type: ignore[assignment]

    def __init__(self, scores: list[list[float]], n_items: int = 0) -> None:
        super().__init__({})
        self.scores = np.full((len(scores), n_items or len(scores[0])), -np.inf, np.float32)
        for row, values in zip(self.scores, scores, strict=True):
            row[: len(values)] = values

    def fit(self, data: TrainingData) -> "Told":
        return self

    def score(self, histories: Histories) -> np.ndarray:
        return np.broadcast_to(self.scores[0], (histories.n_users, self.scores.shape[1]))

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        pass


def test_a_value_lies_in_its_interval_however_sums_round(config: Settings) -> None:
    """Users who all have the same value have an interval without width, which a sum in another order left by 1e-17."""
    night = night_of(config, 0, models=["popularity"])
    lists = ServedLists(np.zeros((7, 1), np.int64), np.ones((7, 1), bool), np.zeros(7, np.int64), sp.csr_array((7, 3)))
    for users in range(1, 60):
        values = {("all", "ndcg", k): np.full(users, 1 / k) for k in range(2, 12)}
        rows = evaluate.rows(night, "popularity", lists, values, serving(users, [True], [1])).to_pylist()
        assert all(row["low"] <= row["value"] <= row["high"] <= 1 for row in rows), users


def test_items_that_may_not_be_recommended_are_not_asked_for() -> None:
    relevant = sp.csr_array(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    test = HeldOut(np.arange(3), silent(3, 3), relevant)
    result = evaluate.keep_eligible(test, serving(3, [True, False, True], [1, 1, 1]))
    assert result.users.tolist() == [0, 2]
    assert result.relevant.toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert result.histories.n_users == 2


NEVER = -np.inf


@pytest.mark.parametrize(
    ("scores", "popular", "size", "result"),
    [
        # of items 1 to 4 two fit behind item 0; 5 may not be recommended, 6 was seen: 1 of the 2 relevant ones is there
        ([9, 5, 5, 5, 5, 5, 5], [1] * 7, 4, 2),
        # the list ends with a group of its own
        ([9, 6, 6, 5, 5, 5, 5], [1] * 7, 2, 1),
        # the model knows item 0 alone; the others are popular alike
        ([9, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER], [7, 3, 3, 3, 3, 3, 3], 4, 2),
        # fillers do not tie with the model's own last item
        ([9, 5, NEVER, NEVER, NEVER, NEVER, NEVER], [7, 7, 5, 5, 5, 5, 5], 3, 1),
    ],
)
def test_ties_behind_the_end_of_a_list_are_counted(
    scores: list[float], popular: list[float], size: int, result: int
) -> None:
    """A list of three; items 1 and 3 are relevant."""
    test = HeldOut(
        np.array([0]), histories_of([6], n_items=7), sp.csr_array(np.array([[0, 1, 0, 1, 0, 0, 0]], np.float32))
    )
    served = serve(Told([scores]), serving(1, [True] * 5 + [False, True], popular), test, 3)
    seen = tie_groups(served, np.array([2]))
    assert (seen.size[0, 2], seen.hits[0, 2]) == (size, result)


def test_lists_that_end_with_nothing_behind_need_no_scores() -> None:
    class Once(Told):
        def recommend(self, histories: Histories, k: int, **more: Any) -> TopK:
            return TopK(np.array([[0, 1, 2]]), np.array([[3, 2, 1]], np.float32))

        def score(self, histories: Histories) -> np.ndarray:
            raise AssertionError("nothing ties")

    test = HeldOut(np.array([0]), histories_of([3], n_items=4), sp.csr_array(np.array([[0, 1, 0, 0]], np.float32)))
    served = serve(Once([[0] * 4]), serving(1, [True] * 4, [1] * 4), test, 2)
    assert (served.items.tolist(), served.beyond.tolist()) == ([[0, 1]], [0])


def test_recent_popularity_of_equal_items_is_no_better_than_chance() -> None:
    """All 200 items were taken once: to know nothing is to have 10 of 199 unseen ones by chance, whatever their ids."""
    users = np.arange(200)
    histories = histories_of(*[[int(user)] for user in users], n_items=200)
    relevant = sp.csr_array((np.ones(200, np.float32), (users, (users + 1) % 200)), shape=(200, 200))
    test = HeldOut(users, histories, relevant)
    model = Popularity().fit(TrainingData(histories))
    served = serve(model, serving(200, [True] * 200, [1.0] * 200), test, 20)
    result = tie_groups(served, np.ones(200, np.int64))
    np.testing.assert_allclose(METRICS["hr"](result, 10), 10 / 199, rtol=1e-12)
