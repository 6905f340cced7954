"""Validation on the device: NDCG@10 by the ranks of held-out items, counted without making lists."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from models.data import HeldOut
from models.histories import IntArray

PLACES = 10
CELLS = 1 << 26  # scores, users × items, that are on the device at a time
NOBODY = -1


class Ranks(keras.Model):
    """How many items stand above each held-out one in the list of its user, int32 [n].

    The list holds the `learned` items that the user has not `seen`, the largest score first, equal scores by item row,
    as in `Recommender.recommend`. network: gives the scores [n, n_items] of what it is asked with; None where they are
    the products of users' and items' vectors.
    """

    def __init__(self, network: keras.Model | None = None) -> None:
        super().__init__()
        self.network = network
        self.built = True
        self.compile(jit_compile=True)

    def call(self, asked: Any) -> Any:
        """asked: `users`, float32 [n, d] or what the network takes; `items` float32 [n_items, d] for products;
        `learned` bool [n_items]; `targets` int32 [n]; `seen` int32 [n, m], each item once, then NOBODY."""
        if self.network is None:
            scores = ops.matmul(asked["users"], ops.transpose(asked["items"]))
        else:
            scores = ops.cast(self.network(asked["users"]), "float32")
        target, seen = asked["targets"][:, None], asked["seen"]
        own = ops.take_along_axis(scores, target, axis=1)
        rows = ops.arange(scores.shape[1], dtype="int32")[None]
        above = ops.logical_and(_above(scores, rows, own, target), asked["learned"][None])
        had = ops.maximum(seen, 0)
        counted = ops.logical_and(seen >= 0, ops.take(asked["learned"], had))
        had_above = ops.logical_and(_above(ops.take_along_axis(scores, had, axis=1), seen, own, target), counted)
        return ops.sum(ops.cast(above, "int32"), axis=1) - ops.sum(ops.cast(had_above, "int32"), axis=1)


def _above(scores: Any, rows: Any, own: Any, target: Any) -> Any:
    return ops.logical_or(scores > own, ops.logical_and(ops.equal(scores, own), rows < target))


class Asked(NamedTuple):
    """Pairs of a user and a held-out item that lists can hold, in blocks of one `size`, and the users' ideal gains.

    users: int64 [n_pairs]. targets, seen: of each block, on the device, as `Ranks` takes them. ideal: float64 [n].
    """

    users: IntArray
    targets: list[Any]
    seen: list[Any]
    ideal: npt.NDArray[np.float64]
    size: int

    def blocks(self, rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The users' rows [n_users, …] by pair, in the same blocks, the last filled up."""
        return _blocks(rows[self.users], self.size)


def pair_blocks(held_out: HeldOut, learned: npt.NDArray[np.bool_], size: int) -> Asked:
    """For blocks of `size` pairs at most. learned: bool [n_items]."""
    had, relevant = held_out.histories.matrix(), held_out.relevant.tocsr()
    n, counts = len(held_out.users), np.diff(relevant.indptr)
    users, targets = np.repeat(np.arange(n), counts), relevant.indices
    known = learned[targets] & (np.diff(had.indptr) > 0)[users]
    known &= np.asarray(had[users, targets]).ravel() == 0
    users, targets = users[known], targets[known].astype(np.int32)
    seen = np.full((n, max(1, int(np.diff(had.indptr).max(initial=0)))), NOBODY, np.int32)
    seen[np.repeat(np.arange(n), np.diff(had.indptr)), _within(had.indptr)] = had.indices
    discount = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, PLACES + 2)))])
    size = max(1, min(size, len(users)))
    on_device = [[ops.convert_to_tensor(block) for block in _blocks(array, size)] for array in (targets, seen[users])]
    return Asked(users, on_device[0], on_device[1], discount[np.minimum(counts, PLACES)], size)


def ndcg(ranks: Sequence[npt.NDArray[Any]], pairs: Asked) -> float:
    """Mean NDCG@10 over the users by the ranks of their pairs, in blocks."""
    rank = np.concatenate([*ranks, np.zeros(0, np.int32)])[: len(pairs.users)]
    gains = np.where(rank < PLACES, 1 / np.log2(rank + 2.0), 0.0)
    return float((np.bincount(pairs.users, gains, len(pairs.ideal)) / pairs.ideal).mean())


def _within(indptr: IntArray) -> IntArray:
    return np.arange(indptr[-1]) - np.repeat(indptr[:-1], np.diff(indptr))


def _blocks(array: npt.NDArray[Any], size: int) -> list[npt.NDArray[Any]]:
    blocks = [array[low : low + size] for low in range(0, len(array), size)]
    if blocks and len(blocks[-1]) < size:
        blocks[-1] = np.concatenate([blocks[-1], np.repeat(blocks[-1][:1], size - len(blocks[-1]), axis=0)])
    return blocks
