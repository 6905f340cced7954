"""Maximal marginal relevance: lists that do not say the same thing twice (Carbonell, Goldstein 1998)."""

import numba
import numpy as np
import scipy.sparse as sp

from models.histories import IntArray
from models.kernels.top_k import TASK_USERS, TopK, in_blocks


def mmr(candidates: TopK, features: sp.csr_array, k: int, diversity_lambda: float) -> tuple[TopK, IntArray]:
    """The k of each user's candidates that are good and unlike each other, and their places among the candidates.

    Chosen one after the other, D the candidates, S the chosen ones, λ = diversity_lambda:

        argmax over i in D \\ S of  λ q_i − (1 − λ) max over j in S of cos(f_i, f_j),   q_i = (s_i − min s) / span

    with the span max s − min s of the user's candidates (1 where they are all equal). features: f, float32
    [n_items, n_features] in rows of length 1. The score of a chosen item is that value in the unit of the scores,
    s_i − span · (1 − λ) / λ · max cos: it never rises with the rank, since what is left only loses. λ = 0 counts as
    0.001. Of equals the better candidate. λ = 1 leaves the candidates as they are.
    """
    n = len(candidates.items)
    top = TopK(np.full((n, k), -1, np.int64), np.full((n, k), -np.inf, np.float32))
    places = np.full((n, k), -1, np.int64)
    penalty = (1 - diversity_lambda) / max(diversity_lambda, 0.001)

    def one(low: int) -> None:
        part = slice(low, min(low + TASK_USERS, n))
        lists = candidates.items[part], candidates.scores[part]
        f = features.indptr, features.indices, features.data, features.shape[1]
        _mmr(*lists, *f, penalty, top.items[part], top.scores[part], places[part])

    in_blocks(one, n)
    return top, places


@numba.njit(cache=True, nogil=True)
def _mmr(items, scores, indptr, terms, weights, n_terms, penalty, chosen, values, places):  # type: ignore[no-untyped-def]
    """The last item that was chosen lies dense in `dense`, so that a candidate's cosine costs its own terms."""
    n, count = items.shape
    dense = np.zeros(n_terms, np.float32)
    likeness, left = np.empty(count), np.empty(count, np.bool_)
    for u in range(n):
        length = 0
        while length < count and items[u, length] >= 0:
            length += 1
        if length == 0:
            continue
        span = np.float64(scores[u, 0]) - np.float64(scores[u, length - 1])
        cost = penalty * (span if span > 0 else 1.0)
        likeness[:length], left[:length] = 0, True
        for rank in range(min(chosen.shape[1], length)):
            best, value = -1, -np.inf
            for place in range(length):
                worth = scores[u, place] - cost * likeness[place]
                if left[place] and worth > value:
                    best, value = place, worth
            item = items[u, best]
            left[best] = False
            chosen[u, rank], values[u, rank], places[u, rank] = item, value, best
            for x in range(indptr[item], indptr[item + 1]):
                dense[terms[x]] = weights[x]
            for place in range(length):
                if left[place]:
                    cosine = 0.0
                    for x in range(indptr[items[u, place]], indptr[items[u, place] + 1]):
                        cosine += weights[x] * dense[terms[x]]
                    likeness[place] = max(likeness[place], cosine)
            for x in range(indptr[item], indptr[item + 1]):
                dense[terms[x]] = 0
