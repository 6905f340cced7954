"""What the networks learn: MovieLens-1M, and generated sessions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.shared import movielens_1m
from models.base import TrainingData
from models.data import HeldOut
from models.histories import Histories, from_events

SETTINGS: Mapping[str, dict[str, Any]] = {
    "sasrec": {"length": 200, "epochs": 70, "patience": 8, "dropout": 0.2, "relative_bias": True},
    "lstm": {"length": 200, "epochs": 60, "patience": 6},
    "ncf": {"epochs": 30},
    "seq2seq": {"epochs": 30, "patience": 4, "windows": 10},
    "two_tower": {"targets": 20, "batch": 1024, "learning_rate": 0.006, "epochs": 6},
}
PRECISIONS = {"auto": None, "float32": False, "mixed_bfloat16": True}


def movielens(small: bool) -> tuple[TrainingData, HeldOut]:
    """MovieLens-1M, or generated histories."""
    if small:
        histories, later = sessions(40, 300, 12), sessions(40, 300, 13)
        relevant = np.zeros((40, 300), np.float32)
        relevant[np.arange(40), later.items[later.indptr[1:] - 1]] = 1
        held_out = HeldOut(np.arange(40), histories, sp.csr_array(relevant))
        return TrainingData(histories, None, held_out), held_out
    train, validation, test = movielens_1m.leave_last_out()
    return TrainingData(train, None, validation), test


def sessions(n_users: int, n_items: int, events: int) -> Histories:
    """Generated histories of so many events each: walks over the items, half by popularity."""
    random = np.random.default_rng(0)
    popular = (n_items ** random.random((n_users, events)) - 1).astype(np.int64)
    items = np.where(random.random((n_users, events)) < 0.5, popular, random.integers(0, n_items, (n_users, events)))
    users = np.repeat(np.arange(n_users), events)
    return from_events(users, items.ravel(), np.ones(users.size, np.float32), None, n_users, n_items)
