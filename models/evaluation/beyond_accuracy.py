"""Beyond-accuracy metrics of lists: novelty, diversity, popularity bias, coverage. One value a user."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.data import Catalogue
from models.histories import Histories, IntArray

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ItemFacts:
    """What training says of the items.

    share: float64 [n_items], share of the training users who have the item. cold: bool [n_items], nobody has it.
    tail: bool [n_items], outside the head: the fewest items that together hold half of all (user, item) pairs.
    kinds: csr [n_items, n_words], unit rows of the genres (of the tags where no item has a genre); empty where unknown.
    """

    share: Floats
    cold: npt.NDArray[np.bool_]
    tail: npt.NDArray[np.bool_]
    kinds: sp.csr_array


def describe_items(train: Histories, catalogue: Catalogue) -> ItemFacts:
    """Counts users, marks the head, spells the genres."""
    users = np.asarray(train.matrix().sum(axis=0), np.float64)
    order = np.argsort(-users, kind="stable")
    behind = np.cumsum(users[order]) - users[order]
    tail = np.ones(len(users), bool)
    tail[order[behind < users.sum() / 2]] = False
    active_users = max(int((np.diff(train.indptr) > 0).sum()), 1)
    return ItemFacts(users / active_users, users == 0, tail, _kinds(catalogue))


def _kinds(catalogue: Catalogue) -> sp.csr_array:
    labels = catalogue.genres if any(catalogue.genres) else catalogue.tags
    number = {word: n for n, word in enumerate(sorted({word for some in labels for word in some}))}
    columns = [[number[word] for word in sorted(set(some))] for some in labels]
    lengths = np.array([len(some) for some in columns], np.int64)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    data = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    indices = np.array([column for some in columns for column in some], np.int64)
    return sp.csr_array((data, indices, indptr), shape=(len(labels), max(len(number), 1)))


def coverage(items: IntArray, eligible: int) -> float:
    """Share of the `eligible` items that stand in at least one of the lists [n, k]."""
    return len(np.unique(items[items >= 0])) / eligible


def _mean(values: Floats, items: IntArray) -> Floats:
    """Mean over the places that hold an item; NaN for an empty list."""
    there = items >= 0
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values[items], 0.0).sum(axis=1) / there.sum(axis=1), np.float64)


def novelty(items: IntArray, known: ItemFacts) -> Floats:
    """Mean self-information of the items, -log2 of the share of users who have them (Zhou et al. 2010), in bits.

    An item that nobody has counts as if half a user had it.
    """
    least = known.share[known.share > 0].min(initial=1.0) / 2
    return _mean(-np.log2(np.maximum(known.share, least)), items)


def popularity(items: IntArray, known: ItemFacts) -> Floats:
    """Mean share of the training users who have the items: the popularity bias."""
    return _mean(known.share, items)


def cold_items(items: IntArray, known: ItemFacts) -> Floats:
    """Share of the items that nobody has in training."""
    return _mean(known.cold.astype(np.float64), items)


def tail_items(items: IntArray, known: ItemFacts) -> Floats:
    """Share of the items outside the head."""
    return _mean(known.tail.astype(np.float64), items)


def diversity(items: IntArray, known: ItemFacts) -> Floats:
    """Mean over the pairs of a list of 1 - cosine of their genres (intra-list diversity, Smyth & McClave 2001).

    Of m items with genres x_i (unit length), the mean cosine is (|Σ x_i|² - m) / (m (m - 1)). NaN where m < 2.
    """
    n = len(items)
    there = items >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    lists = sp.csr_array((np.ones(indptr[-1]), items[there], indptr), shape=(n, len(known.share)))
    summed = lists @ known.kinds
    m = np.where(there, (np.diff(known.kinds.indptr) > 0)[items], False).sum(axis=1)
    squares = np.asarray(summed.multiply(summed).sum(axis=1), np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.minimum((squares - m) / (m * (m - 1.0)), 1.0)  # rounding takes items of one kind above it
        return np.where(m > 1, 1 - cosine, np.nan)


PER_USER = {
    "novelty": novelty,
    "diversity": diversity,
    "popularity": popularity,
    "cold_items": cold_items,
    "tail_items": tail_items,
}
