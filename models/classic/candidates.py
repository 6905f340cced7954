"""Candidates of the ensemble's second stage: the first items of the fused list, and what is known of each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numba
import numpy as np

from models.base import Recommender, Scores
from models.histories import DAY_MICROSECONDS, Histories, IntArray
from models.kernels.top_k import TopK, top_scores

CANDIDATES = 60  # of the fused list
WINDOWS_DAYS = (1, 7, 30)  # over which an item's newest events are counted
SIMILAR = "item_knn"  # the member whose scores of the last events are their similarity to an item
LAST_EVENTS = (1, 2, 5)  # how many those are


def count_features(members: Collection[str]) -> int:
    """How many features `Candidates.of` gives an item: of the fused list, the members, the times, the user, the last
    events."""
    return 1 + 2 * len(members) + len(WINDOWS_DAYS) + 2 + 2 + (len(LAST_EVENTS) if SIMILAR in members else 0)


@dataclass(frozen=True)
class ItemTimes:
    """When items had their events.

    recent: float32 [n_items, windows + 1], log(1 + events) of the last days, by window, and of all. age: float32
    [n_items], days since the first event, NaN for none. newest: int64 [], µs since 1970, of all events; 0 without
    times, where all events count as of that instant.
    """

    recent: Scores
    age: Scores
    newest: IntArray

    @classmethod
    def of(cls, histories: Histories) -> Self:
        """Counts the events that were learned."""
        n, items = histories.n_items, histories.items
        newest = 0 if histories.times is None else int(histories.times.max(initial=0))
        days = np.zeros(len(items)) if histories.times is None else (newest - histories.times) / DAY_MICROSECONDS
        counts = [np.bincount(items[days < window], minlength=n) for window in (*WINDOWS_DAYS, np.inf)]
        age = np.full(n, -np.inf)
        np.maximum.at(age, items, days)
        recent = np.log1p(np.stack(counts, axis=1)).astype(np.float32)
        return cls(recent, np.where(np.isfinite(age), age, np.nan).astype(np.float32), np.array(newest))

    def require_items(self, n_items: int) -> None:
        """Raises ValueError where the times are those of another number of items."""
        shapes = self.recent.shape, self.age.shape
        if shapes != ((n_items, len(WINDOWS_DAYS) + 1), (n_items,)):
            raise ValueError(f"times of {n_items} items have the shapes {shapes[0]} and {shapes[1]}")


@dataclass(frozen=True)
class Candidates:
    """Candidates of n users. items: int64 [n, CANDIDATES], in the order of the fused list, -1 for none. features:
    float32 [n, CANDIDATES, d], NaN where unknown."""

    items: IntArray
    features: Scores

    @classmethod
    def of(
        cls, histories: Histories, fused: Scores, lists: Mapping[str, TopK], similar: Recommender | None,
        times: ItemTimes,
    ) -> Self:  # fmt: skip
        """The best of `fused` [n, n_items] that the users did not have. Their features: the fused score; the place in
        each member's list and the score there, over that of the list's first item; the item's recent events and age;
        the user's events and the days since the last one; `similar`'s score by the last events."""
        items = top_scores(fused, CANDIDATES, histories=histories).items
        at = np.maximum(items, 0)
        columns = [np.take_along_axis(fused, at, axis=1)]
        for top in lists.values():
            columns += look_up(items, top, fused.shape[1])
        columns += [*np.moveaxis(times.recent[at], 2, 0), times.age[at]]
        columns += [np.broadcast_to(fact[:, None], at.shape) for fact in describe_users(histories, int(times.newest))]
        if similar is not None:
            by_last = (similar.score(last_events(histories, n)) for n in LAST_EVENTS)
            columns += [np.take_along_axis(np.asarray(scores, np.float32), at, axis=1) for scores in by_last]
        features = np.stack(columns, axis=2).astype(np.float32)
        return cls(items, np.where(np.isfinite(features), features, np.float32(np.nan)))

    @classmethod
    def join(cls, parts: Sequence["Candidates"]) -> Self:
        """Those of several blocks of users, one after the other."""
        return cls(np.concatenate([p.items for p in parts]), np.concatenate([p.features for p in parts]))

    def take(self, users: IntArray) -> "Candidates":
        """Those of some users, in that order."""
        return Candidates(self.items[users], self.features[users])


def look_up(items: IntArray, top: TopK, n_items: int) -> tuple[Scores, Scores]:
    """The places of items [n, k] in a member's lists, from 0, and their scores there over that of the first item;
    float32 [n, k] each, NaN for what a list lacks."""
    place, score = np.full(items.shape, np.nan, np.float32), np.full(items.shape, np.nan, np.float32)
    find_in_lists(items, top.items, top.scores, np.full(n_items, -1), place, score)
    best: Scores = np.abs(top.scores[:, :1])
    return place, np.asarray(score / np.where(np.isfinite(best) & (best > 0), best, np.float32(1)), np.float32)


def describe_users(histories: Histories, newest: int) -> Scores:
    """float32 [2, n]: log(1 + events), and days from the last event to `newest`, at least 0; NaN where unknown."""
    lengths = np.diff(histories.indptr)
    days = np.full(len(lengths), np.nan)
    if histories.times is not None:
        some = lengths > 0
        days[some] = np.maximum(newest - histories.times[histories.indptr[1:][some] - 1], 0) / DAY_MICROSECONDS
    return np.stack([np.log1p(lengths), days]).astype(np.float32)


def last_events(histories: Histories, n: int) -> Histories:
    """The last n events of every history."""
    ends = histories.indptr[1:]
    kept = np.arange(len(histories.items)) >= ends[histories.users] - n
    indptr = np.concatenate(([0], np.cumsum(np.minimum(np.diff(histories.indptr), n))))
    times = None if histories.times is None else histories.times[kept]
    return Histories(indptr, histories.items[kept], histories.values[kept], times, histories.n_items, histories.ordered)


@numba.njit(cache=True, nogil=True)
def find_in_lists(items, listed, scores, places, place, score):  # type: ignore[no-untyped-def]
    """Writes where items [n, k] stand in lists [n, m] and with which score; places: int64 [n_items], all -1, a scratch
    that holds one list at a time."""
    for u in range(len(items)):
        for m in range(listed.shape[1]):
            if listed[u, m] >= 0:
                places[listed[u, m]] = m
        for k in range(items.shape[1]):
            if items[u, k] >= 0 and places[items[u, k]] >= 0:
                place[u, k] = places[items[u, k]]
                score[u, k] = scores[u, places[items[u, k]]]
        for m in range(listed.shape[1]):
            if listed[u, m] >= 0:
                places[listed[u, m]] = -1
