"""Histories for tests: random ones, empty ones, and lists written out; what users had next; a catalogue."""

import numpy as np
import scipy.sparse as sp

from models.data import Catalogue, HeldOut
from models.histories import Histories, from_events

SILENT = 3  # a user of the example without events
N_USERS, N_ITEMS, POPULAR_ITEMS = 25, 12, 10


def example(seed: int = 0) -> Histories:
    """Random events, some repeated; one user and the last two items have none. Read-only, as if memory-mapped."""
    random = np.random.default_rng(seed)
    users = np.sort(random.choice(np.delete(np.arange(N_USERS), SILENT), 110))
    items = random.integers(0, POPULAR_ITEMS, len(users))
    times = np.sort(random.integers(0, 90 * 86_400_000_000, len(users)))
    arrays = users, items, random.random(len(users)).astype(np.float32), times
    for array in arrays:
        array.flags.writeable = False
    return from_events(*arrays, N_USERS, N_ITEMS)


def silent(n_users: int, n_items: int) -> Histories:
    """Users without events."""
    nothing = np.zeros(0, np.int64)
    return from_events(nothing, nothing, np.zeros(0, np.float32), nothing, n_users, n_items)


def histories_of(*histories: list[int], n_items: int, times: list[int] | None = None) -> Histories:
    """Histories as lists of items, one for each user, oldest first."""
    users = np.repeat(np.arange(len(histories)), [len(items) for items in histories])
    items = np.concatenate([np.array(items, np.int64) for items in histories])
    when = None if times is None else np.array(times)
    return from_events(users, items, np.ones(len(items), np.float32), when, len(histories), n_items)


def one_new_item(histories: Histories, items: list[int]) -> HeldOut:
    """One new item for each user."""
    users = np.arange(histories.n_users)
    ones = np.ones(len(users), np.float32)
    return HeldOut(users, histories, sp.csr_array((ones, (users, items)), shape=(len(users), histories.n_items)))


def catalogue_of(n_items: int) -> Catalogue:
    """Items whose genres are the remainders of their rows by 2, 3 and 5; the last one is unknown."""
    genres = [tuple(f"{d}:{row % d}" for d in (2, 3, 5)) for row in range(n_items)]
    genres[-1:] = [()] * min(n_items, 1)
    return Catalogue([""] * n_items, [""] * n_items, genres, [()] * n_items, [""] * n_items)
