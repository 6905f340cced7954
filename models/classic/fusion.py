"""Weighted reciprocal-rank fusion (Cormack, Clarke & Büttcher 2009): shares by rank, weights fitted on validation."""

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt

from models.base import Scores
from models.data import HeldOut
from models.evaluation.metrics import ndcg
from models.evaluation.ties import groups_without_ties
from models.evaluation.validation import CUTOFF
from models.histories import IntArray
from models.kernels.top_k import top_scores

STEPS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # a member's weight, tried with the others' weights as they are
ROUNDS = 3
Floats = npt.NDArray[np.float64]


def align_lists(lists: list[IntArray], constant: float) -> tuple[IntArray, Scores]:
    """The items of the members' lists ([n, places] each, -1 for none), once for every user, and the members' shares.

    items: int64 [n, most], by row, padded with -1. shares: float32 [members, n, most], 0 where a list lacks the item.
    """
    together = np.sort(np.concatenate(lists, axis=1), axis=1)
    none = 1 + together.max(initial=-1)  # stands behind all items
    again = together[:, 1:] == together[:, :-1]
    together[:, 1:][again] = none
    together[together < 0] = none
    together.sort(axis=1)
    items = together[:, : max((together < none).sum(axis=1).max(initial=0), 1)]
    apart = np.arange(len(items))[:, None] * (none + 1)
    keys = (items + apart).ravel()
    shares = np.zeros((len(lists), *items.shape), np.float32)
    for share, ranked in zip(shares, lists, strict=True):
        there = ranked >= 0
        at = np.searchsorted(keys, (ranked + apart)[there])
        share.ravel()[at] = (1 / (constant + 1 + np.nonzero(there)[1])).astype(np.float32)
    return np.where(items < none, items, -1), shares


def fused_quality(candidates: IntArray, shares: Scores, held_out: HeldOut, weights: Floats) -> Floats:
    """Every user's NDCG@10, float64 [n], of lists as `align_lists` returns them, under weights [members]."""
    top = top_scores(np.tensordot(weights.astype(np.float32), shares, 1), CUTOFF).items
    items = np.where(top >= 0, np.take_along_axis(candidates, top, axis=1), -1)
    return ndcg(groups_without_ties(items, held_out.relevant), CUTOFF)


def ascend(members: int, values: Callable[[Floats], Floats]) -> tuple[Floats, float]:
    """Weights, float64 [members], for which the mean of `values`, float64 [n] by user, is large, and that mean.

    From the best single member on, one weight at a time is set to that of STEPS which gives most, for ROUNDS rounds or
    until none gives more. A gain that is less than its standard error over the users is taken for chance (after the
    rule of Breiman et al. 1984), since every member costs its time.
    """
    alone = np.eye(members)
    best, most = max(((weights, values(weights)) for weights in alone), key=lambda pair: float(pair[1].mean()))
    for _ in range(ROUNDS):
        before = best
        for m in range(members):
            for step in STEPS:
                weights = np.where(alone[m] > 0, step, best)
                if step == best[m] or not weights.any():
                    continue
                reached = values(weights)
                gain = reached - most
                if gain.mean() > gain.std() / np.sqrt(len(gain)):
                    best, most = weights, reached
        if best is before:
            break
    return best, float(most.mean())


@numba.njit(cache=True, nogil=True)
def rank_shares(items, listed, indptr, had, scores, constant, shares):  # type: ignore[no-untyped-def]
    """Writes 1 / (constant + rank) into shares [n, n_items]: for the lists `items` [n, k] with their scores `listed`,
    and for the items that users had, where they would stand among them; behind the k-th place nothing."""
    n, k = items.shape
    for u in range(n):
        for place in range(k):
            if items[u, place] >= 0:
                shares[u, items[u, place]] = 1 / (constant + 1 + place)
        for e in range(indptr[u], indptr[u + 1]):
            score = scores[u, had[e]]
            if score > -np.inf:
                place = k - np.searchsorted(listed[u, ::-1], score, side="right")
                if place < k:
                    shares[u, had[e]] = 1 / (constant + 1 + place)
