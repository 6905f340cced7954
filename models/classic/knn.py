"""Base of the item-based nearest-neighbour recommenders: scores and reasons from item similarities."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numba
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from annotated_types import Interval, Unit, doc

from models.base import Recommender, Scores
from models.config import Config
from models.data import HeldOut
from models.evaluation.validation import mean_ndcg
from models.features.hybrid import Floats
from models.histories import Histories, IntArray
from models.kernels.neighbours import Neighbours, top_k_neighbours

# To choose from on validation; the first where there is none.
NEIGHBOURS = (1000, 200)
DECAYS = (0.6, 0.5, 0.7, 0.8, 0.9, 1.0)
MIN_WEIGHT = 1e-9  # of history items: less is not seen in float32 sums, and would cost the time of slow tiny numbers


@numba.njit(cache=True, nogil=True)
def add_similarities(low, high, w_indptr, w_items, w, s_indptr, s_items, s, scores):  # type: ignore[no-untyped-def]
    """scores[u] = Σ_j w_uj · s_j for the users low..high, float32, in the order of j; -inf where the sum is 0."""
    for u in range(low, high):
        row = scores[u]
        row[:] = 0
        for e in range(w_indptr[u], w_indptr[u + 1]):
            j = w_items[e]
            for x in range(s_indptr[j], s_indptr[j + 1]):
                row[s_items[x]] += w[e] * s[x]
        for i in range(len(row)):
            if row[i] == 0:
                row[i] = -np.inf


@numba.njit(cache=True, nogil=True)
def strongest_reasons(w_indptr, w_items, w, s_indptr, s_items, s, items, n_items):  # type: ignore[no-untyped-def]
    """int64 [n, k]: for each of a user's `items` (-1 for none), the history item j with the largest w_uj · s_ji.

    One walk over the similarity rows of the user's history, as long as that of scoring; the first of equals.
    """
    n, k = items.shape
    reasons = np.full((n, k), -1, np.int64)
    place = np.full(n_items, -1, np.int64)
    for u in range(n):
        largest = np.zeros(k)
        for p in range(k):
            if items[u, p] >= 0:
                place[items[u, p]] = p
        for e in range(w_indptr[u], w_indptr[u + 1]):
            j = w_items[e]
            for x in range(s_indptr[j], s_indptr[j + 1]):
                p = place[s_items[x]]
                if p >= 0 and w[e] * s[x] > largest[p]:
                    largest[p] = w[e] * s[x]
                    reasons[u, p] = j
        for p in range(k):
            if items[u, p] >= 0:
                place[items[u, p]] = -1
    return reasons


def run_in_stripes(work: Callable[[int, int], None], n: int) -> None:
    """Calls work(low, high) for parts of 0..n, a thread for each core that this process may use."""
    threads = len(os.sched_getaffinity(0))
    borders = np.linspace(0, n, threads + 1).astype(np.int64)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, borders[:-1], borders[1:]))


def recency_weights(histories: Histories, decay: float) -> sp.csr_array:
    """float32 [n_users, n_items]: Σ over a user's events of the item of decay^p, p = 0 for the user's newest event.

    Events that weigh less than MIN_WEIGHT are left out.
    """
    decayed = decay ** histories.position_from_end().astype(np.float64)
    decayed[decayed < MIN_WEIGHT] = 0
    weights = histories.matrix(decayed.astype(np.float32))
    weights.eliminate_zeros()
    return weights


Decay = Annotated[
    float | None,
    Interval(gt=0.0, le=1.0),
    doc("weight of an item of the history relative to the one after it; none: chosen on validation"),
]


@dataclass(frozen=True)
class ItemNeighboursConfig(Config):
    """Settings of the models that know each item's neighbours."""

    neighbours: Annotated[
        int | None, Interval(ge=1, le=100_000), Unit("items"), doc("how many an item keeps; none: chosen on validation")
    ] = None
    decay: Decay = None


class ItemNeighbours(Recommender):
    """score(u, i) = Σ over j in the history of u of w_uj · s_ji, where w_uj is the item's recency weight.

    A subclass's `fit` calls `learn` with what the items are compared by. No evidence where the sum is 0.
    Memory: 8 bytes for each of the n_items × neighbours similarities that are kept, 24 while they are learned.
    """

    similarity: sp.csr_array  # [n_items, n_items], s_j in row j

    def learn(self, items: sp.csr_array, validation: HeldOut | None, norms: Floats | None = None) -> float:
        """Keeps the cosines of the rows of `items` [n_items, features] to their nearest; returns NDCG@10 on validation.

        norms: float64 [n_items], lengths to divide by in place of the rows' own (`models.features.hybrid`).
        Neighbours and decay are chosen where they are None, the decay first; the NDCG is 0 without validation.
        """
        sizes = (self.config.neighbours,) if self.config.neighbours else NEIGHBOURS
        decays = (self.config.decay,) if self.config.decay else DECAYS
        if validation is None:
            sizes, decays = sizes[:1], decays[:1]
        elif not validation.histories.ordered:
            decays = decays[:1]
        nearest = top_k_neighbours(items, min(max(sizes), max(items.shape[0] - 1, 1)), norms=norms)
        values = dict[tuple[int, float], float]()

        def value(size: int, decay: float) -> float:
            self._set(nearest, size, decay)
            values[size, decay] = 0.0 if validation is None else mean_ndcg(self, validation)
            return values[size, decay]

        decay = max(decays, key=lambda decay: value(sizes[0], decay))
        for size in sizes[1:]:
            value(size, decay)
        best = max(values, key=values.__getitem__)
        self._set(nearest, *best)
        return values[best]

    def _set(self, nearest: Neighbours, neighbours: int, decay: float) -> None:
        self.config = replace(self.config, neighbours=neighbours, decay=decay)
        indices, similarity = nearest.indices[:, :neighbours], nearest.similarity[:, :neighbours]
        there = indices >= 0
        indptr = np.concatenate(([0], np.cumsum(there.sum(axis=1))))
        shape = (len(indices), len(indices))
        self.similarity = sp.csr_array((similarity[there], indices[there], indptr), shape=shape)

    def score(self, histories: Histories) -> Scores:
        """One walk over the similarities of each user's history."""
        w, s = self._weights(histories), self.similarity
        scores = np.empty(w.shape, np.float32)
        arrays = (w.indptr, w.indices, w.data, s.indptr, s.indices, s.data, scores)
        run_in_stripes(lambda low, high: add_similarities(low, high, *arrays), histories.n_users)
        return scores

    def _weights(self, histories: Histories) -> sp.csr_array:
        if histories.n_items != self.similarity.shape[0]:
            learned = self.similarity.shape[0]
            raise ValueError(f"{self.name} learned {learned} items, the histories have {histories.n_items}")
        return recency_weights(histories, self.config.decay)

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The history item j with the largest w_uj · s_ji, of equals the smallest row; repeated events add up."""
        w, s = self._weights(histories), self.similarity
        if items.max(initial=-1) >= s.shape[0]:
            raise ValueError(f"{self.name} learned {s.shape[0]} items, got the item row {items.max()}")
        return strongest_reasons(w.indptr, w.indices, w.data, s.indptr, s.indices, s.data, items, s.shape[0])  # type: ignore[no-any-return]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The similarity matrix in CSR form."""
        s = self.similarity
        return {"data": s.data, "indices": s.indices, "indptr": s.indptr, "n_items": np.array(s.shape[0])}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the similarity matrix back."""
        n = int(arrays["n_items"])
        self.similarity = sp.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
