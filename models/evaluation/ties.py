"""Hits in ranked lists with ties: which places hold relevant items, where tied items have no order."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.histories import IntArray
from models.sorting import is_among

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ServedLists:
    """Lists of n users, with what ties at their ends.

    items: int64 [n, k], -1 for none. new: bool [n, k], where the item does not tie with the one before it.
    beyond: int64 [n], how many items behind the list tie with its last one. relevant: csr [n, n_items], of the
    relevant items those in the list or tied behind it.
    """

    items: IntArray
    new: Bools
    beyond: IntArray
    relevant: sp.csr_array


@dataclass(frozen=True)
class TieGroups:
    """The tie group of every place of n users' lists; all int64.

    start [n, k]: the place (from 0) where the group begins. size [n, k]: its items, those behind the list too.
    hits [n, k]: how many of these are relevant. before [n, k]: relevant items in the groups before.
    relevant [n]: all relevant items of the user, at least 1.
    """

    start: IntArray
    size: IntArray
    hits: IntArray
    before: IntArray
    relevant: IntArray


def find_hits(items: IntArray, relevant: sp.csr_array) -> Bools:
    """bool [n, k]: whether the item (row number, -1 for none) at each place of n users' lists is among their
    `relevant` ones ([n, n_items], non-zero where relevant)."""
    n, n_items = relevant.shape
    users, wanted = relevant.nonzero()
    cells = np.arange(n)[:, None] * n_items + items
    return is_among(cells, np.sort(users.astype(np.int64) * n_items + wanted)) & (items >= 0)


def tie_groups(served: ServedLists, relevant: IntArray, only: Bools | None = None) -> TieGroups:
    """The tie groups of the lists. `relevant`: how many relevant items each user has. `only` (bool [n_items]): counts
    no other items as relevant."""
    kept = served.relevant if only is None else sp.csr_array(served.relevant[:, np.flatnonzero(only)])
    known = np.ones(served.relevant.shape[1], bool) if only is None else only
    is_hit = find_hits(served.items, served.relevant) & known[served.items]
    n, k = is_hit.shape
    place = np.arange(k)
    start = np.maximum.accumulate(np.where(served.new, place, 0), axis=1)
    follows = np.where(served.new[:, 1:], place[1:], k)
    ends = np.concatenate([follows, np.full((n, 1), k)], axis=1)
    end = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    sums = np.concatenate([np.zeros((n, 1), np.int64), np.cumsum(is_hit, axis=1)], axis=1)
    before = np.take_along_axis(sums, start, axis=1)
    hits = np.take_along_axis(sums, end, axis=1) - before
    last = end == k
    tied = np.diff(kept.indptr) - sums[:, -1]
    size = end - start + np.where(last, served.beyond[:, None], 0)
    return TieGroups(start, size, hits + np.where(last, tied[:, None], 0), before, np.asarray(relevant, np.int64))


def groups_without_ties(items: IntArray, relevant: sp.csr_array) -> TieGroups:
    """The groups of lists [n, k] in which no items tie, or where their order by row is taken as it is."""
    hits = find_hits(items, relevant)
    owner, place = np.nonzero(hits)
    kept = sp.csr_array((np.ones(len(owner), np.int8), (owner, items[owner, place])), shape=relevant.shape)
    served = ServedLists(items, np.ones(hits.shape, bool), np.zeros(len(hits), np.int64), kept)
    return tie_groups(served, np.diff(relevant.indptr))
