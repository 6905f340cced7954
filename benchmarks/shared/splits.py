"""Splits of events into what is learned and what is held out."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from models.data import HeldOut
from models.histories import Histories, from_events

Array = npt.NDArray[np.int64]


def leave_last_out(user: Array, item: Array) -> tuple[Histories, HeldOut, HeldOut]:
    """What to learn (all but the last two items of a user), validation (the last but one), test (the last).

    user, item: int64 [n], from 0, sorted by user and then by time. The histories of the test hold the validation item.
    """
    n_users, n_items = user.max() + 1, item.max() + 1
    back = np.cumsum(np.bincount(user))[user] - 1 - np.arange(len(user))

    def before(left: int) -> Histories:
        keep = back >= left
        return from_events(user[keep], item[keep], np.ones(keep.sum(), np.float32), None, n_users, n_items)

    def held_out(place: int) -> HeldOut:
        there = back == place
        cells = (np.ones(n_users, np.float32), (user[there], item[there]))
        return HeldOut(np.arange(n_users), before(place + 1), sp.csr_array(cells, shape=(n_users, n_items)))

    return before(2), held_out(1), held_out(0)
