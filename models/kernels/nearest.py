"""The item of a user's own history that is nearest to a recommended one, in any space of item vectors."""

import numpy as np
import numpy.typing as npt

from models.histories import Histories, IntArray
from models.kernels.compilation import kernel
from models.kernels.top_k import TASK_USERS, in_blocks


def nearest_in_history(histories: Histories, items: IntArray, vectors: npt.NDArray[np.float32]) -> IntArray:
    """int64 [n, k]: for items [n, k] of n users (-1 for none), the history item with the largest cosine to each.

    vectors: float32 [n_items, d]. Of equals the newest; -1 for a user without history, and where no cosine is above 0.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    reasons = np.full(items.shape, -1, np.int64)

    def one(low: int) -> None:
        high = min(low + TASK_USERS, len(items))
        _nearest(histories.indptr, histories.items, items, unit, low, high, reasons)

    in_blocks(one, len(items))
    return reasons


@kernel
def _nearest(indptr, history, items, unit, low, high, reasons):  # type: ignore[no-untyped-def]
    """Cosines of one history item with all k items at once: element by element, so that the k sums are one vector."""
    k, size = items.shape[1], unit.shape[1]
    listed, cosines, largest = np.zeros((size, k), np.float32), np.empty(k, np.float32), np.empty(k, np.float32)
    for u in range(low, high):
        for place in range(k):
            largest[place] = 0
            for p in range(size):
                listed[p, place] = unit[items[u, place], p] if items[u, place] >= 0 else 0
        for event in range(indptr[u + 1] - 1, indptr[u] - 1, -1):
            cosines[:] = 0
            for p in range(size):
                value = unit[history[event], p]
                for place in range(k):
                    cosines[place] += value * listed[p, place]
            for place in range(k):
                if cosines[place] > largest[place]:
                    largest[place], reasons[u, place] = cosines[place], history[event]
