"""Splits events by time, by place or by hash into training, validation and test; on arrays that hold whole users.

Where the split is by time, all users together decide how long the test is: they are counted in histograms of whole
days, which add up over any number of blocks of users.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError
from models.histories import DAY_MICROSECONDS, IntArray, day_start
from models.sorting import argsort_columns
from schemas.domains import Domain
from schemas.working import HASH, LEAVE_LAST_OUT, TEST, TIME, TRAIN, VALIDATION

KEPT = 0.5  # share of the events that training keeps however long the test
PARTS = (TRAIN, VALIDATION, TEST)  # by their numbers
Facts = dict[str, Any]
Numbers = npt.NDArray[np.int8]


class Times(NamedTuple):
    """How many events there are, how many of them have a time and an ordinal, and the newest day since 1970."""

    events: int
    timed: int
    ranked: int
    newest: int | None

    @property
    def missing(self) -> bool:
        """Whether neither times nor ordinals order all events."""
        return max(self.timed, self.ranked) < self.events


class Block(NamedTuple):
    """All events of some users, int64 [n] each, sorted by user, time and ordinal; what is missing is before all."""

    user: IntArray
    item: IntArray
    ts: IntArray
    ordinal: IntArray


class Histograms(NamedTuple):
    """Of tests that are n times `test_days` long: users who count from n on, users up to n, and events up to n."""

    begin: Counter[int]
    end: Counter[int]
    learned: Counter[int]

    @classmethod
    def empty(cls) -> "Histograms":
        """Returns histograms of no users."""
        return cls(Counter(), Counter(), Counter())


def choose_split(times: Times, domain: Domain, histograms: Callable[[int], Histograms]) -> Facts:
    """The split that data and domain allow, as facts; `histograms` of all users gets the newest day.

    The facts: `split` and, by time, `test_days`, `validation_days`, `test_from`, `validation_from`, `test_users`.
    """
    every, timed, ranked, newest = times
    if times.missing:
        if domain.split == LEAVE_LAST_OUT:
            raise InputError(
                f"domains.{domain.name}.split is {LEAVE_LAST_OUT!r}, but of {every} events {every - timed} have no "
                f"time and {every - ranked} no ordinal; set it to 'auto', or import files that say the order"
            )
        return {"split": HASH, "test_share": domain.test_share}
    if newest is None or timed < every or domain.split == LEAVE_LAST_OUT:
        return {"split": LEAVE_LAST_OUT}
    days = last_days(histograms(newest), newest, domain)
    return {"split": TIME, **days} if days else {"split": LEAVE_LAST_OUT}


def count_days(block: Block, newest: int, domain: Domain) -> Histograms:
    """The histograms of some users, whose events all have times.

    With days counted back from the newest event, t = test_days and v = validation_days: a user first seen b days ago
    who first met an item a days ago at the latest has training events and a test item where a < n t and b >= n t + v,
    which are the n from ⌊a / t⌋ + 1 to ⌊(b - v) / t⌋. So two histograms give the users of every n.
    """
    t, v = domain.test_days, domain.validation_days
    ago = newest - block.ts // DAY_MICROSECONDS
    order = argsort_columns((block.user, block.item, -ago))
    user, item = block.user[order], block.item[order]
    first = np.flatnonzero(np.diff(user, prepend=-1) | np.diff(item, prepend=-1))  # of each pair: when it first met
    user, met = user[first], ago[order][first]
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    low, high = (np.zeros(0, np.int64),) * 2
    if len(starts):
        low = np.minimum.reduceat(met, starts) // t + 1
        high = (np.maximum.reduceat(met, starts) - v) // t
    counted = low <= high
    return Histograms(*(_count(values) for values in (low[counted], high[counted], (ago - v) // t)))


def _count(values: IntArray) -> Counter[int]:
    if not len(values):
        return Counter()
    least = int(values.min())
    counts = np.bincount(values - least)  # of days, or of tests: few different ones
    return Counter({least + int(place): int(counts[place]) for place in np.flatnonzero(counts)})


def last_days(histograms: Histograms, newest: int, domain: Domain) -> Facts | None:
    """The shortest test with enough users, as facts; None where there is none."""
    t, v = domain.test_days, domain.validation_days
    begin, end, learned = histograms
    for n in range(1, max(end, default=0) + 1):
        judged = sum(users for low, users in begin.items() if low <= n) - sum(u for high, u in end.items() if high < n)
        kept = sum(events for high, events in learned.items() if high >= n) / sum(learned.values())
        if kept < KEPT:
            return None
        if judged >= domain.test_users:
            first = date(1970, 1, 1) + timedelta(days=newest + 1 - n * t)
            return {
                "test_days": n * t,
                "validation_days": v,
                "test_from": first.isoformat(),
                "validation_from": (first - timedelta(days=v)).isoformat(),
                "test_users": judged,
            }
    return None


def assign_parts(block: Block, facts: Facts, timed: bool) -> Numbers:
    """The part of each event, by its number in PARTS, by time or by place. timed: whether all events have times."""
    if facts["split"] == TIME:
        borders = [day_start(facts[name]) for name in ("validation_from", "test_from")]
        return np.searchsorted(borders, block.ts, side="right").astype(np.int8)
    if timed:
        return leave_last_out(block.user, block.ts, block.ordinal)
    order = argsort_columns((block.user, block.ordinal))
    parts = np.empty(len(order), np.int8)
    parts[order] = leave_last_out(block.user[order], block.ordinal[order])
    return parts


def leave_last_out(user: IntArray, *instant: IntArray) -> Numbers:
    """Each user's last instant is the test, the one before it the validation, but for a user's first instant.

    Events are sorted by user and instant; those that agree in all parts of the instant are never parted.
    """
    parts = np.zeros(len(user), np.int8)
    if not len(user):
        return parts
    users = np.diff(user, prepend=user[0] - 1) != 0
    changes = users.copy()
    for part in instant:
        changes[1:] |= part[1:] != part[:-1]
    number = np.cumsum(changes)  # of instants over all users
    starts = np.flatnonzero(users)
    lengths = np.diff(np.append(starts, len(user)))
    first = np.repeat(number[starts], lengths)
    behind = np.repeat(number[starts + lengths - 1], lengths) - number
    parts[(behind == 0) & (number > first)] = PARTS.index(TEST)
    parts[(behind == 1) & (number > first)] = PARTS.index(VALIDATION)
    return parts
