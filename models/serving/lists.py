"""The lists that users get: the champion's, with a cold-start fallback, diversity, and exploration of new items.

What `recommend` publishes and what `evaluate` judges is made here, by the same call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.base import Recommender
from models.classic.popularity import PopularityConfig, recency
from models.histories import Histories, IntArray
from models.kernels.top_k import Mask, Scores, TopK, top_products
from models.serving.diversity import mmr
from models.serving.exploration import explore
from models.sorting import is_among

CANDIDATES = 3  # times k: what the re-rank chooses from
PRIOR_EVENTS = 100.0  # of all users, that a segment's own are mixed with
OWN, CONTENT, POPULAR, NEW = range(4)  # what chose an item


class Lists(NamedTuple):
    """Lists of n users, best first, [n, k].

    items: int64, padded with -1. scores: float32, padded with -inf. source: int8, OWN, CONTENT, POPULAR or NEW.
    reasons: int64, the item of the user's history that spoke most for each, or -1.
    """

    items: IntArray
    scores: Scores
    source: npt.NDArray[np.int8]
    reasons: IntArray


@dataclass(frozen=True)
class Serving:
    """What turns models into lists, for all users by row; settings as in `schemas.domains.Domain`.

    segment: int64 [n_users], rows of `popular`, float32 [n_segments, n_items]: how popular items are among their like.
    group: int64 [n_users], rows of `allowed`, bool [n_groups, n_items]: what they may be recommended.
    fresh: bool [n_items], what nobody has. kinds: csr [n_items, n], unit rows, in which a list shall vary. content:
    gives the model for histories that the champion can make nothing of; asked where there are such users.
    """

    segment: IntArray
    popular: Scores
    group: IntArray
    allowed: Mask
    fresh: Mask
    kinds: sp.csr_array
    content: Callable[[], Recommender]
    diversity_lambda: float = 1.0
    exploration_slots: int = 0
    seed: int = 0

    def lists(self, model: Recommender, histories: Histories, users: IntArray, k: int) -> Lists:
        """The lists of `users`, whose histories are given in that order.

        In turn, until there are enough candidates: what the model says of users with a history; what is like their
        history in content; what is popular in their segment. Of 3k candidates MMR chooses k where λ < 1. New items
        take the last `exploration_slots` places.
        """
        wide = CANDIDATES * k if self.diversity_lambda < 1 else k
        group = self.group[users]
        top = model.recommend(histories, wide, eligible=self.allowed, groups=group)
        known = np.diff(histories.indptr) > 0
        top.items[~known], top.scores[~known] = -1, -np.inf  # what is popular among their like is better founded
        source = np.full(top.items.shape, OWN, np.int8)
        reasons = model.explain(histories, top.items)
        gaps = np.flatnonzero((top.items[:, k - 1] < 0) & known)
        if len(gaps):
            content, some = self.content(), histories.take(gaps)
            more = content.recommend(some, wide, eligible=self.allowed, groups=group[gaps])
            filler = _fill(top, source, gaps, more, CONTENT)
            why = content.explain(some, np.where(filler, top.items[gaps], -1))
            reasons[gaps] = np.where(filler, why, reasons[gaps])
        gaps = np.flatnonzero(top.items[:, k - 1] < 0)
        if len(gaps):
            _fill(top, source, gaps, self._popular(histories.take(gaps), users[gaps], wide), POPULAR)
        if self.diversity_lambda < 1:
            top, places = mmr(top, self.kinds, k, self.diversity_lambda)
            source = np.take_along_axis(source, np.maximum(places, 0), axis=1)
            reasons = np.where(places < 0, -1, np.take_along_axis(reasons, np.maximum(places, 0), axis=1))
        self._explore(top, source, reasons, users)
        return Lists(top.items, top.scores, source, reasons)

    def _popular(self, histories: Histories, users: IntArray, k: int) -> TopK:
        """What is popular in the users' segments, for each (segment, group) at once."""
        top = TopK(np.full((len(users), k), -1, np.int64), np.full((len(users), k), -np.inf, np.float32))
        both = self.segment[users] * len(self.allowed) + self.group[users]
        for one in np.unique(both):
            part = np.flatnonzero(both == one)
            segment, group = divmod(int(one), len(self.allowed))
            vectors, had = self.popular[segment][:, None], histories.take(part)
            ones = np.ones((len(part), 1), np.float32)
            best = top_products(ones, vectors, k, histories=had, eligible=self.allowed[group])
            top.items[part], top.scores[part] = best.items, best.scores
        return top

    def _explore(self, top: TopK, source: npt.NDArray[np.int8], reasons: IntArray, users: IntArray) -> None:
        group = self.group[users]
        for one in np.unique(group) if self.exploration_slots else ():
            part = np.flatnonzero(group == one)
            lists = TopK(top.items[part], top.scores[part])
            pool = np.flatnonzero(self.fresh & self.allowed[one])
            chosen = explore(lists, pool, self.exploration_slots, users[part], self.seed)
            top.items[part], top.scores[part] = lists.items, lists.scores
            source[part] = np.where(chosen, NEW, source[part])
            reasons[part] = np.where(chosen, -1, reasons[part])


def _fill(top: TopK, source: npt.NDArray[np.int8], gaps: IntArray, more: TopK, kind: int) -> Mask:
    """Fills the lists of the users `gaps` in place, from `more`, which `kind` chose; where (bool [len(gaps), k])."""
    lists, filler = fill_gaps(TopK(top.items[gaps], top.scores[gaps]), more)
    top.items[gaps], top.scores[gaps] = lists.items, lists.scores
    source[gaps] = np.where(filler, kind, source[gaps])
    return filler


def fill_gaps(first: TopK, second: TopK) -> tuple[TopK, npt.NDArray[np.bool_]]:
    """Lists of `first`, their gaps filled from `second` (same shape), and where they were filled (bool [n, k]).

    Scores of fillers are scaled so that scores still fall with the rank. With m the least score of the list's own
    (1 for an empty list) and q = s / s_max, a filler with score s gets m q, or m (2 - q) where m is negative. `second`
    must have positive scores. No item twice.
    """
    n, k = first.items.shape
    own = first.items >= 0
    # Numbers of their own for every list's items, because comparing all with all takes n · k² of memory.
    apart = np.arange(n)[:, None] * (2 + max(first.items.max(initial=-1), second.items.max(initial=-1)))
    usable = (second.items >= 0) & ~is_among(second.items + apart, np.sort(first.items + apart, axis=None))
    least = np.where(own, first.scores, np.inf).min(axis=1, keepdims=True)
    least = np.where(np.isfinite(least), least, 1.0)
    share = np.where(usable, second.scores, 0.0) / np.maximum(second.scores[:, :1], np.finfo(np.float32).tiny)
    scaled = np.where(usable, least * np.where(least < 0, 2 - share, share), -np.inf).astype(np.float32)
    items = np.concatenate([first.items, np.where(usable, second.items, -1)], axis=1)
    scores = np.concatenate([first.scores, scaled], axis=1)
    filler = np.concatenate([np.zeros_like(own), usable], axis=1)
    order = np.argsort(items < 0, axis=1, kind="stable")[:, :k]
    take = [np.take_along_axis(array, order, axis=1) for array in (items, scores, filler)]
    return TopK(take[0], take[1]), take[2]


def popular_by_segment(histories: Histories, segment: IntArray, n_segments: int) -> Scores:
    """float32 [n_segments, n_items]: recent popularity among the users of each segment.

        p_si = (c_si + μ p_i) / (Σ_i c_si + μ)

    c_si: events of segment s with item i, by recency as `Popularity` counts them; p_i: the same of all users, 1 event
    more for each item; μ = PRIOR_EVENTS: a segment with few events is mostly what all are (Dirichlet prior). segment:
    int64 [n_users].
    """
    weights = recency(histories, PopularityConfig().half_life_days)
    cells = segment[histories.users] * histories.n_items + histories.items
    counts = np.bincount(cells, weights, minlength=n_segments * histories.n_items).reshape(n_segments, -1)
    everyone = 1.0 + counts.sum(axis=0)
    everyone /= max(everyone.sum(), 1.0)
    popular = (counts + PRIOR_EVENTS * everyone) / (counts.sum(axis=1, keepdims=True) + PRIOR_EVENTS)
    return np.asarray(popular, np.float32)
