"""What the benchmark of accuracy over time holds out, and its measure that popular items do not dominate."""

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.accuracy.time_split import debiased_ndcg
from benchmarks.shared.time_splits import between_days, join, share_parts, targets
from models.data import HeldOut
from models.histories import DAY_MICROSECONDS, Histories, from_events

# (user, item, day) by user and time
EVENTS = [(0, 0, 0), (0, 0, 5), (0, 1, 5), (0, 2, 5), (0, 3, 7), (1, 3, 1), (1, 3, 6), (2, 4, 8)]


def histories() -> Histories:
    user, item, day = (np.array(column) for column in zip(*EVENTS, strict=True))
    return from_events(user, item, np.ones(len(user), np.float32), day * DAY_MICROSECONDS, 3, 5)


def test_targets_are_new_items_of_the_same_users() -> None:
    """User 0 knew item 0; user 1 meets nothing new; user 2 had no event before."""
    known, after = between_days(histories(), 0, 4), between_days(histories(), 5, 8)
    held_out = targets(known, after)
    items = {name: [row.nonzero()[0].tolist() for row in part.relevant.toarray()] for name, part in held_out.items()}
    assert items == {"next": [[1], [4]], "day": [[1, 2], [4]], "all": [[1, 2, 3], [4]]}
    assert [part.users.tolist() for part in held_out.values()] == [[0, 2]] * 3
    assert held_out["day"].histories.items.tolist() == [0]


def test_joined_parts_are_the_whole() -> None:
    parts = share_parts(histories())
    whole = join(parts.test, parts.train, parts.validation)
    for name in ("indptr", "items", "times"):
        assert getattr(whole, name).tolist() == getattr(histories(), name).tolist()


def test_gains_of_rare_items_count_more() -> None:
    """User 0 gets the second of two held-out items at place 1, user 1 its only one at place 3, by their gains."""
    relevant = sp.csr_array(np.array([[1, 1, 0, 0], [0, 0, 1, 0]], np.float32))
    held_out = HeldOut(np.arange(2), Histories(np.zeros(3, np.int64), *_nothing(), None, 4), relevant)
    lists = np.full((2, 10), -1)
    lists[0, 0], lists[1, :3] = 1, [0, 3, 2]
    gain = np.array([4.0, 1.0, 2.0, 9.0])
    reached, ideal = 1.0 + 2 / 2, (4 + 1 / np.log2(3)) + 2
    assert float(debiased_ndcg(lists, held_out, gain).split()[0]) == pytest.approx(reached / ideal, abs=5e-5)


def _nothing() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0, np.int64), np.zeros(0, np.float32)
