"""The k best items of every user: products of vectors, or rows of scores, with the filter fused in.

Scores of a tile (`models/kernels/products.py`) are compared in registers with the k-th best that each user has so far;
the few that are above are looked up in the user's history and kept as keys (`models/kernels/candidates.py`). No score
is written to memory, and a block of users stays in its core's cache with its candidates while all items pass by.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.histories import Histories, IntArray
from models.kernels.candidates import ROW, keep_best, key, score
from models.kernels.compilation import kernel
from models.kernels.products import GROUP_USERS, PANEL_ITEMS, multiply
from models.kernels.vectors import lowest_bit

Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
TASK_USERS = 40 * GROUP_USERS  # their vectors and candidates (for k = 100: 0.4 MiB) stay in a core's own cache


@dataclass(frozen=True)
class TopK:
    """Lists of n users, best first, equal scores by item row.

    items: int64 [n, k], item rows, padded with -1. scores: float32 [n, k], padded with -inf.
    """

    items: IntArray
    scores: Scores


def top_products(
    users: Scores, items: Scores, k: int, *, histories: Histories | None = None, eligible: Mask | None = None,
    threads: int = 0,
) -> TopK:  # fmt: skip
    """The k items with the largest users_u · items_i for every user; users float32 [n, d], items float32 [n_items, d].

    histories: of these n users, whose items are left out; None leaves out nothing. eligible: bool [n_items], what may
    be listed; None for all. threads: 0 takes all cores that this process may use. Scores that are not finite are as
    good as none. Memory: a copy of the eligible items' vectors, and 0.5 MiB a thread.
    Raises ValueError where the shapes do not fit together.
    """
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1] or not users.shape[1]:
        raise ValueError(f"expected vectors of users [n, d] and items [n_items, d], got {users.shape}, {items.shape}")
    offered = np.arange(len(items)) if eligible is None else np.flatnonzero(eligible)
    panels = _panels(np.ascontiguousarray(items, np.float32), offered)
    seen = _list_seen(histories, len(users))
    top = _empty(len(users), k)

    def one(low: int) -> None:
        part = np.ascontiguousarray(users[low : low + TASK_USERS], np.float32)
        _products(_interleave(part), panels, offered, *seen, low, len(part), top.items, top.scores)

    in_blocks(one, len(users), threads)
    return top


def top_scores(
    scores: Scores, k: int, *, histories: Histories | None = None, eligible: Mask | None = None, threads: int = 0
) -> TopK:
    """The k items with the largest of `scores`, float32 [n, n_items], for every user; else as `top_products`."""
    offered = np.ones(scores.shape[1], np.bool_) if eligible is None else eligible
    seen = _list_seen(histories, len(scores))
    top = _empty(len(scores), k)

    def one(low: int) -> None:
        _rows(scores, offered, *seen, low, min(low + TASK_USERS, len(scores)), top.items, top.scores)

    in_blocks(one, len(scores), threads)
    return top


def _empty(n: int, k: int) -> TopK:
    if k < 1:
        raise ValueError(f"k = {k}: expected at least 1")
    return TopK(np.full((n, k), -1, np.int64), np.full((n, k), -np.inf, np.float32))


def _list_seen(histories: Histories | None, n: int) -> tuple[IntArray, npt.NDArray[np.int32]]:
    """The items that each user has, in order: indptr and items."""
    if histories is None:
        return np.zeros(n + 1, np.int64), np.zeros(0, np.int32)
    if histories.n_users != n:
        raise ValueError(f"expected the histories of {n} users, got {histories.n_users}")
    rows = histories.matrix()
    rows.sort_indices()
    return rows.indptr.astype(np.int64), rows.indices.astype(np.int32)


def in_blocks(work: Callable[[int], None], n: int, threads: int = 0) -> None:
    """Calls `work` with the first of every TASK_USERS among n users; threads: 0 takes all cores of this process."""
    starts = range(0, n, TASK_USERS)
    count = min(threads or len(os.sched_getaffinity(0)), len(starts))
    if count <= 1:  # a thread takes longer to begin than few users
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, starts))


@kernel
def _panels(items, offered):  # type: ignore[no-untyped-def]
    """The offered items' vectors as float32 [panels, d, PANEL_ITEMS], the last panel filled up with zeros."""
    d = items.shape[1]
    panels = np.zeros(((len(offered) + PANEL_ITEMS - 1) // PANEL_ITEMS, d, PANEL_ITEMS), np.float32)
    for place, item in enumerate(offered):
        for p in range(d):
            panels[place // PANEL_ITEMS, p, place % PANEL_ITEMS] = items[item, p]
    return panels.reshape(-1)


@kernel
def _interleave(users):  # type: ignore[no-untyped-def]
    """Vectors of users as float32 [groups, d, GROUP_USERS], the last group filled up with zeros."""
    n, d = users.shape
    groups = np.zeros(((n + GROUP_USERS - 1) // GROUP_USERS, d, GROUP_USERS), np.float32)
    for u in range(n):
        for p in range(d):
            groups[u // GROUP_USERS, p, u % GROUP_USERS] = users[u, p]
    return groups


@kernel(_nrt=False)
def _offer(keys, filled, floor, k, slot, value, item):  # type: ignore[no-untyped-def]
    """Keep the item for user `slot`. floor: its k-th best score so far; items come in order, so equal ones lose."""
    n = filled[slot]
    keys[slot, n] = key(value + np.float32(0), item)  # -0 becomes 0: they are equal
    filled[slot] = n + 1
    if n + 1 == keys.shape[1]:
        floor[slot] = score(keep_best(keys, slot, k))
        filled[slot] = k


@kernel(_nrt=False)
def _has(seen_items, at, end, slot, item):  # type: ignore[no-untyped-def]
    """Whether the user has the item; at[slot] moves on through the history, since items come in order."""
    place = at[slot]
    while place < end and seen_items[place] < item:
        place += 1
    at[slot] = place
    return place < end and seen_items[place] == item


@kernel
def _products(users, panels, offered, indptr, seen_items, low, n, items, scores):  # type: ignore[no-untyped-def]
    """The lists of users low..low + n, into `items` and `scores` [n, k]."""
    k, size, count = items.shape[1], users.shape[1], len(users) * GROUP_USERS
    flat = users.reshape(-1)
    keys = np.empty((count, k + max(k, 64)), np.uint64)
    filled, floor = np.zeros(count, np.int32), np.full(count, -np.inf, np.float32)
    floor[n:] = np.inf
    at = indptr[low : low + n].copy()
    tile, above = np.empty(GROUP_USERS * PANEL_ITEMS, np.float32), np.empty(GROUP_USERS, np.uint64)
    for panel in range(len(panels) // (size * PANEL_ITEMS)):
        for group in range(len(users)):
            first = group * GROUP_USERS
            if not multiply(tile, above, flat, first * size, panels, panel * size * PANEL_ITEMS, size, floor, first):
                continue
            for r in range(GROUP_USERS):
                bits, slot = above[r], first + r
                while bits != 0:
                    lane = lowest_bit(bits)
                    bits &= bits - np.uint64(1)
                    place, value = panel * PANEL_ITEMS + lane, tile[r * PANEL_ITEMS + lane]
                    if place >= len(offered) or not value > floor[slot] or value == np.inf:
                        continue
                    item = offered[place]
                    if not _has(seen_items, at, indptr[low + slot + 1], slot, item):
                        _offer(keys, filled, floor, k, slot, value, item)
    _fill_lists(keys, filled, k, low, n, items, scores)


@kernel
def _rows(rows, offered, indptr, seen_items, low, high, items, scores):  # type: ignore[no-untyped-def]
    """The lists of users low..high from their rows of scores, into `items` and `scores` [n, k]."""
    k, count = items.shape[1], high - low
    keys = np.empty((count, k + max(k, 64)), np.uint64)
    filled, floor = np.zeros(count, np.int32), np.full(count, -np.inf, np.float32)
    at = indptr[low:high].copy()
    for slot in range(count):
        row = rows[low + slot]
        for item in range(len(row)):
            if not row[item] > floor[slot] or row[item] == np.inf or not offered[item]:
                continue
            if not _has(seen_items, at, indptr[low + slot + 1], slot, item):
                _offer(keys, filled, floor, k, slot, row[item], item)
    _fill_lists(keys, filled, k, low, count, items, scores)


@kernel
def _fill_lists(keys, filled, k, low, n, items, scores):  # type: ignore[no-untyped-def]
    for slot in range(n):
        if filled[slot] > k:
            own = keys[slot, : filled[slot]]
            keep_best(own.reshape(1, -1), 0, k)
        best = np.sort(keys[slot, : min(filled[slot], k)])[::-1]
        for place, a_key in enumerate(best):
            items[low + slot, place] = ROW - (a_key & ROW)
            scores[low + slot, place] = score(a_key)
