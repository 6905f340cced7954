"""Ranking metrics of top-k lists against held-out items, one value a user.

Items with equal scores have no order: a metric is its mean over all orders of the tied items, in closed form (McSherry
& Najork 2008). Of a tie group with n items, r of them relevant, that begins behind `a` items, the place p = a + j + 1
(j from 0) holds a relevant item with probability r / n, two given places with r (r - 1) / (n (n - 1)), and the first j
+ 1 places none with Π over i from 0 to j of (n - r - i) / (n - i). Where nothing ties these are the usual definitions.
"""

from collections.abc import Callable, Mapping
from functools import wraps

import numpy as np
import numpy.typing as npt

from models.evaluation.ties import TieGroups

Floats = npt.NDArray[np.float64]
Metric = Callable[[TieGroups, int], Floats]


def _share(groups: TieGroups) -> Floats:
    """[n, k]: probability of a relevant item at the place."""
    return np.asarray(groups.hits / groups.size, np.float64)


def _none(groups: TieGroups) -> Floats:
    """[n, k]: probability that no place up to this one holds a relevant item."""
    left = groups.size - (np.arange(groups.start.shape[1]) - groups.start)
    return np.asarray(np.cumprod(np.maximum(left - groups.hits, 0) / left, axis=1), np.float64)


def _clip(metric: Metric) -> Metric:
    """The metric from 0 to 1, out of which rounding takes sums of probabilities by some 1e-16."""

    @wraps(metric)
    def bounded(groups: TieGroups, k: int) -> Floats:
        return np.asarray(np.clip(metric(groups, k), 0.0, 1.0))

    return bounded


@_clip
def hit_rate(groups: TieGroups, k: int) -> Floats:
    """1 for a user with any hit in the first k places, else 0."""
    return 1 - _none(groups)[:, k - 1]


@_clip
def recall(groups: TieGroups, k: int) -> Floats:
    """Hits in the first k places over the user's number of relevant items."""
    return np.asarray(_share(groups)[:, :k].sum(axis=1) / groups.relevant, np.float64)


@_clip
def precision(groups: TieGroups, k: int) -> Floats:
    """Hits in the first k places over k, also where the list is shorter."""
    return np.asarray(_share(groups)[:, :k].sum(axis=1) / k, np.float64)


@_clip
def ndcg(groups: TieGroups, k: int) -> Floats:
    """Σ over the hits at place p (from 1) of 1 / log2(p + 1), over the same sum for an ideal list of min(k, relevant)
    hits (Järvelin & Kekäläinen 2002, binary gains)."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(groups.relevant, k) - 1]
    return np.asarray((_share(groups)[:, :k] @ discount) / ideal, np.float64)


@_clip
def average_precision(groups: TieGroups, k: int) -> Floats:
    """Σ over the hits at place p up to k of (hits up to p) / p, over the number of relevant items (`map_cut` of
    trec_eval); its mean over users is MAP@k."""
    p = np.arange(1, groups.start.shape[1] + 1)
    n, r, j = groups.size, groups.hits, p - 1 - groups.start
    pairs = j * r * (r - 1) / np.maximum(n * (n - 1), 1)
    return np.asarray(((_share(groups) * (1 + groups.before) + pairs) / p)[:, :k].sum(axis=1) / groups.relevant)


@_clip
def reciprocal_rank(groups: TieGroups, k: int) -> Floats:
    """1 / p for the first hit at place p up to k, else 0; its mean over users is MRR@k (Voorhees 1999)."""
    none = np.concatenate([np.ones((len(groups.relevant), 1)), _none(groups)[:, :k]], axis=1)
    return np.asarray((none[:, :-1] - none[:, 1:]) @ (1 / np.arange(1, k + 1)), np.float64)


METRICS: Mapping[str, Metric] = {
    "ndcg": ndcg,
    "hr": hit_rate,
    "recall": recall,
    "precision": precision,
    "map": average_precision,
    "mrr": reciprocal_rank,
}
