"""Exploration: places in the lists for items that nobody has yet, which would never get events without them."""

import numpy as np
import numpy.typing as npt

from models.histories import IntArray
from models.kernels.top_k import TopK
from models.sorting import is_among


def explore(top: TopK, pool: IntArray, slots: int, users: IntArray, seed: int) -> npt.NDArray[np.bool_]:
    """Puts items of `pool` (rows, ascending) into the last `slots` places of the lists, in place; where (bool [n, k]).

    A hash of (user row, seed) says where in the pool a user starts, so that all of the pool is shown about equally
    often, and another night shows another part. What a list has already is passed over; a list that is shorter than
    k − slots gets them at its end. Their score is that of the item before them.
    """
    k = top.items.shape[1]
    chosen = np.zeros(top.items.shape, np.bool_)
    if not len(pool) or not slots or not len(users):
        return chosen
    top.items[:, k - slots :], top.scores[:, k - slots :] = -1, -np.inf
    drawn = (hash_users(users, seed) % len(pool))[:, None] + np.arange(min(len(pool), k))
    drawn = pool[drawn % len(pool)]
    # Numbers of their own for every list's items, because comparing all with all takes n · k² of memory.
    apart = np.arange(len(users))[:, None] * (2 + max(top.items.max(), pool[-1]))
    usable = ~is_among(drawn + apart, np.sort(top.items + apart, axis=None))
    order = np.argsort(~usable, axis=1, kind="stable")[:, :slots]
    drawn, usable = np.take_along_axis(drawn, order, axis=1), np.take_along_axis(usable, order, axis=1)
    length = (top.items >= 0).sum(axis=1)
    row, place = np.nonzero(usable)
    top.items[row, length[row] + place] = drawn[row, place]
    last = top.scores[np.arange(len(users)), np.maximum(length - 1, 0)]
    top.scores[row, length[row] + place] = np.where(length > 0, last, 1.0)[row]
    chosen[row, length[row] + place] = True
    return chosen


def hash_users(users: IntArray, seed: int) -> IntArray:
    """A hash of each user row, int64 and not negative (SplitMix64: Steele, Lea, Flood 2014)."""
    z = (users.astype(np.uint64) + np.uint64(seed) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)
