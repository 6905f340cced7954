"""Warm start: begins a training with the weights of an earlier one; rows are taken over, new items are placed
by what is known of them."""

import numpy as np
import numpy.typing as npt

from models.data import Catalogue
from models.features.content import content_matrix
from models.histories import IntArray
from models.kernels.top_k import top_scores

NEAREST = 10  # of a new item: known ones whose mean it begins with
AT_ONCE = 64  # new items compared with all known ones at a time
Weights = npt.NDArray[np.float32]


def carry_rows(fresh: Weights, before: Weights, rows: IntArray) -> Weights:
    """`fresh` [n, …] with row r of `before` [m, …] at every place r of `rows`, int64 [n]; -1 leaves it as it is."""
    result, known = fresh.copy(), rows >= 0
    result[known] = before[rows[known]]
    return result


def relatives(catalogue: Catalogue, new: IntArray, known: npt.NDArray[np.bool_]) -> IntArray:
    """int64 [len(new), NEAREST]: for each new item the known ones nearest in content, best first, -1 behind the last.

    The cosine of TF-IDF vectors (`models.features.content`), as in `content_knn`; an item that shares no term is no
    relative. known: bool [n_items].
    """
    vectors, old = content_matrix(catalogue), np.flatnonzero(known)
    columns, result = vectors[old].T, np.full((len(new), NEAREST), -1, np.int64)
    for low in range(0, len(new), AT_ONCE):
        cosines = (vectors[new[low : low + AT_ONCE]] @ columns).toarray()
        places = top_scores(np.where(cosines > 0, cosines, -np.inf).astype(np.float32), NEAREST).items
        result[low : low + AT_ONCE] = np.where(places >= 0, old[places], -1) if len(old) else -1
    return result


def place_new_items(weights: Weights, new: IntArray, relatives: IntArray) -> Weights:
    """`weights` [n_items, …] with the mean of its relatives' rows at every new item that has any."""
    result, there = weights.copy(), relatives >= 0
    some = there.any(axis=1)
    counted = there[some].astype(np.float32) / there[some].sum(axis=1, keepdims=True)
    result[new[some]] = np.einsum("nk,nk...->n...", counted, weights[relatives[some]])
    return result
