"""User-kNN: what the users nearest to the user's present history took (Herlocker et al. 1999), recent events first."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import numba
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from annotated_types import Interval, Unit, doc

from models.base import Arrays, Recommender, Scores, TrainingData
from models.classic.knn import Decay, recency_weights, run_in_stripes
from models.config import Config
from models.evaluation.validation import mean_ndcg, sample_users
from models.features.hybrid import norms
from models.histories import Histories, IntArray
from models.kernels.neighbours import Neighbours, RowBlock, stream_neighbours

# To choose from on validation; the first where there is none.
NEIGHBOURS = (200, 50, 500)
DECAYS = (0.8, 0.7, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class UserKNNConfig(Config):
    """Settings of user-kNN."""

    model: ClassVar[str] = "user_knn"
    neighbours: Annotated[
        int | None,
        Interval(ge=1, le=100_000),
        Unit("users"),
        doc("users asked; none: chosen on validation"),
    ] = None
    decay: Decay = None


class UserKNN(Recommender):
    """score(u, i) = Σ over the neighbours v of u of s_uv · w_vi, for the items i of v.

    s_uv is the cosine of u's recency weights w_u, from the history that is asked about, with those of the user v of
    training; w_vi sums decay^p over v's events of i, p = 0 for the newest. Neighbours are exact, so users whom the
    model did not learn have them too; one that it learned is a neighbour of itself, for what it has already. No
    evidence where the sum is 0. Memory: the training events, and BLOCK_USERS × n_items scores.
    """

    name: ClassVar[str] = "user_knn"
    Config: ClassVar[type] = UserKNNConfig

    def fit(self, data: TrainingData) -> Self:
        """Keeps the training users' weights; chooses the decay, then the number of neighbours."""
        validation = sample_users(data.validation, data.seed)
        sizes = (self.config.neighbours,) if self.config.neighbours else NEIGHBOURS
        decays = (self.config.decay,) if self.config.decay else DECAYS
        if not data.histories.ordered:
            decays = decays[:1]
        if validation is None:
            return self._set(data.histories, sizes[0], decays[0])
        values = dict[tuple[int, float], float]()
        for decay in decays:
            values[sizes[0], decay] = mean_ndcg(self._set(data.histories, sizes[0], decay), validation)
        decay = max(values, key=values.__getitem__)[1]
        for size in sizes[1:]:
            values[size, decay] = mean_ndcg(self._set(data.histories, size, decay), validation)
        return self._set(data.histories, *max(values, key=values.__getitem__))

    def _set(self, histories: Histories, neighbours: int, decay: float) -> Self:
        self.config = replace(self.config, neighbours=neighbours, decay=decay)
        self.users = recency_weights(histories, decay)
        return self

    def _neighbours(self, histories: Histories) -> tuple[sp.csr_array, Neighbours]:
        """The weights of the users asked about, and their nearest among the training users."""
        if histories.n_items != self.users.shape[1]:
            raise ValueError(f"user_knn learned {self.users.shape[1]} items, the histories have {histories.n_items}")
        weights = recency_weights(histories, self.config.decay)
        counts = np.bincount(self.users.indices, minlength=self.users.shape[1])
        # Numbered apart from the training users, because no row is compared with its own number.
        numbers = np.arange(self.users.shape[0] + weights.shape[0], dtype=np.int32)
        learned = RowBlock(numbers[: self.users.shape[0]], self.users)
        asked = RowBlock(numbers[self.users.shape[0] :], weights)
        return weights, stream_neighbours(asked, [learned], self.config.neighbours, feature_counts=counts)

    def score(self, histories: Histories) -> Scores:
        """Finds the neighbours, then sums their items."""
        weights, nearest = self._neighbours(histories)
        scores = np.empty(weights.shape, np.float32)
        x = self.users
        arrays = (nearest.indices, nearest.similarity, x.indptr, x.indices, x.data, scores)
        run_in_stripes(lambda low, high: vote(low, high, *arrays), histories.n_users)
        return scores

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The history item j with the largest share of the score, w_uj · Σ_v w_vj · w_vi / (‖w_u‖ ‖w_v‖); of equals the
        smallest row."""
        w, nearest = self._neighbours(histories)
        x = self.users
        if items.max(initial=-1) >= x.shape[1]:
            raise ValueError(f"user_knn learned {x.shape[1]} items, got the item row {items.max()}")
        reasons = np.full(items.shape, -1, np.int64)
        arrays = (w.indptr, w.indices, w.data, x.indptr, x.indices, x.data, items, reasons)
        if len(w.data) and len(x.data) and items.size:
            lengths = norms(x)
            run_in_stripes(lambda low, high: shares(low, high, nearest.indices, lengths, *arrays), len(items))
        return reasons

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The training users' weights [n_users, n_items] in CSR form."""
        x = self.users
        return {"data": x.data, "indices": x.indices, "indptr": x.indptr, "shape": np.array(x.shape)}

    @classmethod
    def without_users(cls, arrays: Arrays, rows: IntArray) -> Arrays | None:
        """Their rows are empty: nobody's neighbour."""
        owners = np.repeat(np.arange(len(arrays["indptr"]) - 1), np.diff(arrays["indptr"]))
        kept = ~np.isin(owners, rows)
        if kept.all():
            return None
        counts = np.bincount(owners[kept], minlength=len(arrays["indptr"]) - 1)
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(arrays["indptr"].dtype)
        return {**arrays, "data": arrays["data"][kept], "indices": arrays["indices"][kept], "indptr": indptr}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the training users' weights back."""
        csr = arrays["data"], arrays["indices"], arrays["indptr"]
        self.users = sp.csr_array(csr, shape=tuple(arrays["shape"].tolist()))


@numba.njit(cache=True, nogil=True)
def vote(low, high, neighbours, similarity, indptr, items, weights, scores):  # type: ignore[no-untyped-def]
    """scores[u] = Σ over neighbours v of s_uv · w_v for users low..high, float32, nearest first; -inf where it is 0."""
    for u in range(low, high):
        row = scores[u]
        row[:] = 0
        for n in range(neighbours.shape[1]):
            v = neighbours[u, n]
            if v < 0:
                break
            for e in range(indptr[v], indptr[v + 1]):
                row[items[e]] += similarity[u, n] * weights[e]
        for i in range(len(row)):
            if row[i] == 0:
                row[i] = -np.inf


@numba.njit(cache=True, nogil=True)
def shares(low, high, neighbours, lengths, w_indptr, w_items, w, indptr, items, weights, listed, reasons):  # type: ignore[no-untyped-def]
    """reasons[u, p]: the history item with the largest share in item listed[u, p], -1 for none, for users low..high.

    own, place: where an item stands in the user's history and list, -1 for nowhere. Neighbours are walked once.
    """
    k, n_items = listed.shape[1], 1 + max(listed.max(), w_items.max(), items.max())
    own, place = np.full(n_items, -1, np.int64), np.full(n_items, -1, np.int64)
    shared, wanted = np.empty(n_items, np.int64), np.empty(k, np.int64)
    for u in range(low, high):
        history = w_items[w_indptr[u] : w_indptr[u + 1]]
        sums = np.zeros((k, len(history)))
        for j in range(len(history)):
            own[history[j]] = j
        for p in range(k):
            if listed[u, p] >= 0:
                place[listed[u, p]] = p
        for v in neighbours[u]:
            if v < 0:
                break
            n_shared = n_wanted = 0
            for e in range(indptr[v], indptr[v + 1]):
                if own[items[e]] >= 0:
                    shared[n_shared] = e
                    n_shared += 1
                if place[items[e]] >= 0:
                    wanted[n_wanted] = e
                    n_wanted += 1
            for e in wanted[:n_wanted]:
                for f in shared[:n_shared]:
                    j = own[items[f]]
                    sums[place[items[e]], j] += w[w_indptr[u] + j] * weights[f] * weights[e] / lengths[v]
        for p in range(k):
            if listed[u, p] >= 0:
                place[listed[u, p]] = -1
                if len(history) and sums[p].max() > 0:
                    reasons[u, p] = history[np.argmax(sums[p])]
        for j in history:
            own[j] = -1
