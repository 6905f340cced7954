"""Interactions to measure with: generated at any size, or MovieLens-1M."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import scipy.sparse as sp

USERS, ITEMS, EVENTS = 138_000, 26_000, 22_000_000
DATA = Path(os.environ.get("ENCORE_DATA", Path(__file__).resolve().parents[1] / "../shared/data"))


def generated(size: Fraction, seed: int = 7) -> sp.csr_array:
    """Ratings 1..5 [users, items]: item popularity 1/(20 + rank), log-normal users; `size` is the share of events.

    Users and items shrink with the root of the size, so that the matrix is as dense at any size.
    """
    random, root = np.random.default_rng(seed), float(size) ** 0.5
    users, items, events = int(USERS * root), int(ITEMS * root), int(EVENTS * size)
    activity = random.lognormal(0, 1, users)
    popularity = np.cumsum(1 / (20 * root + 1 + random.permutation(items)))
    pairs = np.empty(0, np.int64)
    while len(pairs) < events:
        draws = random.multinomial(int((events - len(pairs)) * 1.5) + 1000, activity / activity.sum())
        drawn = np.searchsorted(popularity, random.random(draws.sum()) * popularity[-1])
        pairs = np.unique(np.concatenate([pairs, np.repeat(np.arange(users), draws) * items + drawn]))
    pairs = np.sort(random.permutation(pairs)[:events])
    ratings = random.integers(1, 6, events).astype(np.float32)
    return sp.csr_array((ratings, (pairs // items, pairs % items)), shape=(users, items))


def movielens() -> sp.csr_array:
    """MovieLens-1M [users, items] as 0 and 1, from the folder ENCORE_DATA."""
    users, items = np.loadtxt(DATA / "movielens-1m/ml-1m.txt", dtype=np.int64, unpack=True)
    return sp.csr_array((np.ones(len(users), np.float32), (users, items)))
