"""Item-kNN: items like those of the user's history, recent ones first (Sarwar et al. 2001; Deshpande, Karypis 2004)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numba
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.base import Recommender, Scores
from models.histories import Histories, IntArray
from models.neighbours import top_k_neighbours
from models.training import TrainingData


@numba.njit(cache=True)
def strongest(w_indptr, w_items, w, s_indptr, s_items, s, items, n_items):  # type: ignore[no-untyped-def]
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


@dataclass(frozen=True)
class ItemKNNConfig:
    """neighbours: how many an item keeps. decay: weight of a history item relative to the one after it."""

    neighbours: int = 200
    decay: float = 0.85

    def __post_init__(self) -> None:
        """Raises ValueError for a value out of range."""
        if not 1 <= self.neighbours <= 100_000:
            raise ValueError(f"item_knn.neighbours must be between 1 and 100000, got {self.neighbours}")
        if not 0 < self.decay <= 1:
            raise ValueError(f"item_knn.decay must be above 0 and at most 1, got {self.decay}")


class ItemKNN(Recommender):
    """score(u, i) = Σ over j in the history of u of decay^p(j) · s_ij, for the s_ij among the nearest of j.

    s_ij is the cosine of the items' users, p(j) = 0 for the user's newest event. No evidence where the sum is 0.
    """

    name: ClassVar[str] = "item_knn"
    Config: ClassVar[type] = ItemKNNConfig

    def fit(self, data: TrainingData) -> Self:
        """Computes every item's neighbours."""
        histories = data.histories
        items = sp.csr_array(histories.matrix().T)
        found = top_k_neighbours(items, min(self.config.neighbours, max(histories.n_items - 1, 1)))
        there = found.indices >= 0
        indptr = np.concatenate(([0], np.cumsum(there.sum(axis=1))))
        shape = (histories.n_items, histories.n_items)
        self.similarity = sp.csr_array((found.similarity[there], found.indices[there], indptr), shape=shape)
        return self

    def score(self, histories: Histories) -> Scores:
        """One sparse product."""
        scores = np.asarray((self._weights(histories) @ self.similarity).toarray(), np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _weights(self, histories: Histories) -> sp.csr_array:
        """[n_users, n_items]: the weight of each history item, the sum over its events."""
        if histories.n_items != self.similarity.shape[0]:
            learned = self.similarity.shape[0]
            raise ValueError(f"{self.name} learned {learned} items, the histories have {histories.n_items}")
        decayed = self.config.decay ** histories.position_from_end().astype(np.float64)
        return histories.matrix(decayed.astype(np.float32))

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The history item j with the largest decay^p(j) · s_ij, of equals the smallest row; repeated events add up."""
        w, s = self._weights(histories), self.similarity
        if items.max(initial=-1) >= s.shape[0]:
            raise ValueError(f"{self.name} learned {s.shape[0]} items, got the item row {items.max()}")
        return strongest(w.indptr, w.indices, w.data, s.indptr, s.indices, s.data, items, s.shape[0])  # type: ignore[no-any-return]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The similarity matrix [n_items, n_items] in CSR form."""
        s = self.similarity
        return {"data": s.data, "indices": s.indices, "indptr": s.indptr, "n_items": np.array(s.shape[0])}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the similarity matrix back."""
        n = int(arrays["n_items"])
        self.similarity = sp.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
