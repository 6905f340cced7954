"""Histories: users' events as arrays, what every model learns from and scores."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

IntArray = npt.NDArray[np.int64]
DAY_MICROSECONDS = 86_400_000_000


def day_start(ds: str) -> int:
    """The first microsecond of a day YYYY-MM-DD in UTC, since 1970."""
    return (date.fromisoformat(ds) - date(1970, 1, 1)).days * DAY_MICROSECONDS


def day_end(ds: str) -> int:
    """The first microsecond after a day YYYY-MM-DD in UTC, since 1970."""
    return day_start(ds) + DAY_MICROSECONDS


@dataclass(frozen=True)
class Histories:
    """Events by user, oldest first; arrays may be memory-mapped.

    indptr: int64 [n_users + 1]; the events of user u are indptr[u]:indptr[u + 1].
    items: int64 [n_events], rows of the items.
    values: float32 [n_events], how much the user gave or took, weighted by kind.
    times: int64 [n_events], µs since 1970, or None where the data has no times.
    n_items: number of item rows, with or without events.
    ordered: whether a user's events come oldest first; False where the data has neither times nor an order.
    """

    indptr: IntArray
    items: IntArray
    values: npt.NDArray[np.float32]
    times: IntArray | None
    n_items: int
    ordered: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError where the arrays do not fit together."""
        if self.indptr[0] != 0 or (np.diff(self.indptr) < 0).any():
            raise ValueError("indptr must start at 0 and never fall")
        lengths = {"items": len(self.items), "values": len(self.values)}
        if self.times is not None:
            lengths["times"] = len(self.times)
        for name, length in lengths.items():
            if length != self.indptr[-1]:
                raise ValueError(f"expected {self.indptr[-1]} {name}, one for each event, got {length}")
        if len(self.items) and not 0 <= self.items.min() <= self.items.max() < self.n_items:
            raise ValueError(f"item rows must lie in 0..{self.n_items - 1}, got {self.items.min()}..{self.items.max()}")

    @property
    def n_users(self) -> int:
        """Number of user rows, with or without events."""
        return len(self.indptr) - 1

    @property
    def users(self) -> IntArray:
        """The user row of every event, int64 [n_events]."""
        return np.repeat(np.arange(self.n_users), np.diff(self.indptr))

    def position_from_end(self) -> IntArray:
        """0 for a user's newest event, 1 for the one before, …; 0 for all where there is no order; int64 [n_events]."""
        if not self.ordered:
            return np.zeros(len(self.items), np.int64)
        return self.indptr[1:][self.users] - 1 - np.arange(len(self.items))

    def matrix(self, weights: npt.NDArray[np.float32] | None = None) -> sp.csr_array:
        """[n_users, n_items] sums of `weights` (default: 1 where there is any event)."""
        data = np.ones(len(self.items), np.float32) if weights is None else weights
        rows = sp.csr_array((data, self.items, self.indptr), shape=(self.n_users, self.n_items), copy=True)
        rows.sum_duplicates()
        if weights is None:
            rows.data[:] = 1.0
        return rows

    def take(self, users: IntArray) -> "Histories":
        """The histories of some users, in that order."""
        lengths = np.diff(self.indptr)[users]
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        chosen = np.repeat(self.indptr[:-1][users] - indptr[:-1], lengths) + np.arange(indptr[-1])
        times = None if self.times is None else self.times[chosen]
        return Histories(indptr, self.items[chosen], self.values[chosen], times, self.n_items, self.ordered)


def from_events(
    users: IntArray,
    items: IntArray,
    values: npt.NDArray[np.float32],
    times: IntArray | None,
    n_users: int,
    n_items: int,
    ordered: bool = True,
) -> Histories:
    """Histories of events that come sorted by user and, within a user, oldest first.

    Raises ValueError where users are not sorted or lie outside 0..n_users - 1.
    """
    if (np.diff(users) < 0).any():
        raise ValueError("events must be sorted by user")
    if len(users) and not 0 <= users[0] <= users[-1] < n_users:
        raise ValueError(f"user rows must lie in 0..{n_users - 1}, got {users[0]}..{users[-1]}")
    indptr = np.concatenate(([0], np.cumsum(np.bincount(users, minlength=n_users))))
    return Histories(indptr.astype(np.int64), items, values, times, n_items, ordered)
