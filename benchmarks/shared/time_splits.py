"""Histories cut by time: what was known at an instant, what came after it, and what users would then be served."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from benchmarks.shared.timed import Timed
from jobs.learning.arrays import held_out
from jobs.settings import read_domains
from jobs.spark.splits import Block, Facts, Times, assign_parts, choose_split, count_days
from models.base import Recommender, TrainingData
from models.classic.content_knn import ContentKNN
from models.classic.ensemble import Ensemble
from models.data import HeldOut
from models.evaluation.metrics import ndcg
from models.evaluation.ties import ServedLists, tie_groups
from models.histories import DAY_MICROSECONDS, Histories, IntArray, from_events
from models.registry import REGISTRY
from models.serving.lists import Serving, popular_by_segment
from schemas.working import TIME

Floats = npt.NDArray[np.float64]
LEAVE_LAST_OUT = "leave-last-out"
SHARE = 0.1  # of the events, by time, for the test and as many for the validation where the nights' rule finds no test


class Parts(NamedTuple):
    """A split: its name, and the events to learn, to choose settings by, and to be judged on."""

    name: str
    train: Histories
    validation: Histories
    test: Histories


def select(histories: Histories, kept: Any) -> Histories:
    """The histories of some events (bool [n_events]), over the same users and items."""
    assert histories.times is not None
    users, items, values, times = histories.users[kept], histories.items[kept], histories.values, histories.times
    return from_events(users, items, values[kept], times[kept], histories.n_users, histories.n_items)


def between_days(histories: Histories, first: int, last: int) -> Histories:
    """The events of the days since 1970 from `first` to `last`."""
    assert histories.times is not None
    day = histories.times // DAY_MICROSECONDS
    return select(histories, (day >= first) & (day <= last))


def nightly_parts(histories: Histories) -> Parts:
    """The split that a night makes of these events: by time where it can, else leave-last-out."""
    assert histories.times is not None
    n, newest = len(histories.items), int(histories.times.max()) // DAY_MICROSECONDS
    domain = read_domains()["movies"]
    block = Block(histories.users, histories.items, histories.times, np.zeros(n, np.int64))
    facts: Facts = choose_split(Times(n, n, n, newest), domain, partial(count_days, block, domain=domain))
    parts = assign_parts(block, facts, timed=True)
    by_time = facts["split"] == TIME
    name = f"by time, {facts['test_days']} + {facts['validation_days']} days" if by_time else LEAVE_LAST_OUT
    return Parts(name, *(select(histories, parts == part) for part in range(3)))


def share_parts(histories: Histories) -> Parts:
    """The last tenth of all events by time as the test, the tenth before as the validation."""
    assert histories.times is not None
    borders = np.quantile(histories.times, [1 - 2 * SHARE, 1 - SHARE])
    parts = np.searchsorted(borders, histories.times, side="right")
    return Parts("by time, the last tenth", *(select(histories, parts == part) for part in range(3)))


def join(*parts: Histories) -> Histories:
    """The events of several histories of the same users, oldest first."""
    users, items, values, times = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("users", "items", "values", "times")
    )
    order = np.lexsort((times, users))
    n_users, n_items = parts[0].n_users, parts[0].n_items
    return from_events(users[order], items[order], values[order], times[order], n_users, n_items)


def new_events(before: Histories, after: Histories) -> Histories:
    """The events of `after` with items that the user did not have before."""
    had = np.sort(before.users * before.n_items + before.items)
    cells = after.users * after.n_items + after.items
    place = np.minimum(np.searchsorted(had, cells), max(len(had) - 1, 0))
    return select(after, had[place] != cells if len(had) else np.ones(len(cells), bool))


def targets(before: Histories, after: Histories) -> dict[str, HeldOut]:
    """What is held out of `after`: `next`, each user's first new event; `day`, the new items of the first day on which
    the user has any; `all` new items. The same users in each."""
    new = new_events(before, after)
    assert new.times is not None
    users, day = new.users, new.times // DAY_MICROSECONDS
    first = new.indptr[:-1][users]
    parts = {"next": np.arange(len(users)) == first, "day": day == day[first], "all": np.ones(len(users), bool)}
    return {name: held_out(before, select(new, kept)) for name, kept in parts.items()}


def serving(data: TrainingData) -> Serving:
    """What a night makes lists with, without segments and diversity: users without history get what is popular."""
    histories = data.histories
    nobody: IntArray = np.zeros(histories.n_users, np.int64)
    every = np.ones((1, histories.n_items), bool)
    content = ContentKNN().fit(TrainingData(histories, data.catalogue))
    kinds = sp.csr_array((histories.n_items, 1))
    popular = popular_by_segment(histories, nobody, 1)
    return Serving(nobody, popular, nobody, every, np.zeros(histories.n_items, bool), kinds, lambda: content)


def training_data(timed: Timed, histories: Histories, validation: HeldOut | None, seed: int = 0) -> TrainingData:
    """Histories with the catalogue of the data set."""
    return TrainingData(histories, timed.catalogue, validation, seed)


class Trained(NamedTuple):
    """Models by name, the ensemble of them last, and the seconds that each took."""

    models: dict[str, Recommender]
    seconds: dict[str, float]

    @classmethod
    def on(cls, data: TrainingData, names: Sequence[str]) -> "Trained":
        """Fits the models and weighs the ensemble."""
        trained = cls({}, {})
        for name in names:
            with trained.clock(name):
                trained.models[name] = REGISTRY[name]().fit(data)
        with trained.clock(Ensemble.name):
            members = dict(trained.models)
            given = TrainingData(data.histories, data.catalogue, data.validation, data.seed, models=members)
            trained.models[Ensemble.name] = Ensemble().fit(given)
        return trained

    def learn(self, later: TrainingData) -> None:
        """All learn later events too, with the settings that they have; the ensemble has the same models."""
        for name, model in self.models.items():
            if name != Ensemble.name:
                with self.clock(name):
                    model.refit(later)

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Adds the seconds of what is done in it."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def user_ndcg(served: ServedLists, test: HeldOut, k: int) -> Floats:
    """NDCG@k of each user."""
    return ndcg(tie_groups(served, np.diff(test.relevant.indptr)), k)
