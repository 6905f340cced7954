"""When users are active: active days, what precedes a day (recency, frequency), and segments by pace."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.histories import DAY_MICROSECONDS, Histories, IntArray

Floats = npt.NDArray[np.float32]
HORIZON_DAYS = 7  # activity is predicted for so many days
RECENT_DAYS, GONE_DAYS = 14, 28
CHANGE = 1.5  # a pace that has changed by this factor is rising or cooling
SEGMENTS = ("new", "rising", "steady", "cooling", "gone")
WINDOWS = (7, 28)  # days of which recent events are counted
SUMMARY = 4 + len(WINDOWS)  # numbers that `summaries` gives of an example
STEP = 3  # numbers of an active day that `steps` gives
_SPAN = 1 << 32  # more than there are days: user × _SPAN + day sorts by user, then by day


@dataclass(frozen=True)
class ActiveDays:
    """The days on which users had events, by user, oldest first.

    user, day: int64 [n], the user's row and days since 1970 in UTC. events: int64 [n + 1], events of all days before
    each, so that those of the days i … j - 1 are events[j] - events[i].
    """

    user: IntArray
    day: IntArray
    events: IntArray

    def before(self, users: IntArray, days: IntArray) -> IntArray:
        """int64: position behind the users' active days up to and including `days`, both of one shape."""
        return np.searchsorted(self.user * _SPAN + self.day, users * _SPAN + days, side="right").astype(np.int64)


@dataclass(frozen=True)
class Examples:
    """Users at the end of days: what was known of them then. Only users with an event up to that day.

    user, day: int64 [n], the user's row and the last day that is known. end: position behind the user's active days
    up to it. first: position of the user's first active day.
    """

    user: IntArray
    day: IntArray
    first: IntArray
    end: IntArray

    def __len__(self) -> int:
        """How many."""
        return len(self.user)

    def take(self, rows: IntArray) -> "Examples":
        """Some of them, in that order."""
        return Examples(self.user[rows], self.day[rows], self.first[rows], self.end[rows])


def active_days(histories: Histories) -> ActiveDays:
    """The active days of all users. Raises ValueError where events have no times."""
    if histories.times is None:
        raise ValueError("active days need the times of events; this data has none")
    user, day = histories.users, histories.times // DAY_MICROSECONDS
    starts = np.flatnonzero(np.r_[True, (np.diff(user) != 0) | (np.diff(day) != 0)][: len(day)])
    return ActiveDays(user[starts], day[starts], np.append(starts, len(day)).astype(np.int64))


def examples(days: ActiveDays, last_days: IntArray, most: int | None = None, seed: int = 0) -> Examples:
    """Every user with an event up to each of `last_days`, the days one after the other, by their first day in each; of
    more than `most` so many, drawn evenly."""
    first = np.flatnonzero(np.diff(days.user, prepend=-1))
    first = first[np.argsort(days.day[first], kind="stable")]
    known = np.searchsorted(days.day[first], last_days, side="right")  # users of each day: the earliest so many
    ends = np.cumsum(known)
    total = int(ends[-1]) if len(ends) else 0
    if most is None or total <= most:
        number = np.arange(total)
    else:
        number = np.sort(np.random.default_rng(seed).choice(total, most, replace=False, shuffle=False))
    at = np.searchsorted(ends, number, side="right")
    begin = first[number - (ends - known)[at]]
    user, day = days.user[begin], last_days[at]
    return Examples(user, day, begin, days.before(user, day))


def events_ahead(days: ActiveDays, at: Examples) -> IntArray:
    """int64 [n]: events of the HORIZON_DAYS days that follow each example's last one."""
    return np.asarray(days.events[days.before(at.user, at.day + HORIZON_DAYS)] - days.events[at.end], np.int64)


def recent_events(days: ActiveDays, at: Examples, window: int) -> IntArray:
    """int64 [n]: events of the last `window` days up to each example's day."""
    return np.asarray(days.events[at.end] - days.events[days.before(at.user, at.day - window)], np.int64)


def summaries(days: ActiveDays, at: Examples) -> Floats:
    """float32 [n, SUMMARY]: recency and frequency, log(1 + x) of each: days since the last event, days since the first,
    events in all, active days in all, events of the last 7 and 28 days."""
    counts = [at.day - days.day[at.end - 1], at.day - days.day[at.first]]
    counts += [days.events[at.end] - days.events[at.first], at.end - at.first]
    counts += [recent_events(days, at, window) for window in WINDOWS]
    return np.log1p(np.stack(counts, axis=1)).astype(np.float32)


def steps(days: ActiveDays, at: Examples, length: int) -> Floats:
    """float32 [n, length, STEP]: the last active days, newest last, zeros in front of the first; log(1 + x) of each:
    days since the active day before (0 for the first), events of the day, days from it to the example's."""
    place = at.end[:, None] - np.arange(length, 0, -1)
    there = place >= at.first[:, None]
    place = np.where(there, place, 0)
    previous = np.where(place > at.first[:, None], place - 1, place)
    gap = days.day[place] - days.day[previous]
    events = days.events[place + 1] - days.events[place]
    numbers = np.log1p(np.stack([gap, events, at.day[:, None] - days.day[place]], axis=2))
    return np.where(there[:, :, None], numbers, 0).astype(np.float32)


def segments(days: ActiveDays, at: Examples) -> IntArray:
    """int64 [n]: the place in SEGMENTS of each example, by its events alone.

    gone: no event in the last GONE_DAYS. new: the first event in the last RECENT_DAYS. Of the others, with the pace of
    the days before: rising where the last RECENT_DAYS have more than CHANGE times the events that it would give,
    cooling where they have less than a CHANGE-th of them, else steady.
    """
    age = at.day - days.day[at.first]
    recent = recent_events(days, at, RECENT_DAYS)
    earlier = days.events[at.end] - days.events[at.first] - recent
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = earlier * RECENT_DAYS / (age + 1 - RECENT_DAYS)
    kinds = [at.day - days.day[at.end - 1] >= GONE_DAYS, age < RECENT_DAYS, recent > CHANGE * usual]
    kinds += [recent * CHANGE < usual]
    return np.select(kinds, [SEGMENTS.index(name) for name in ("gone", "new", "rising", "cooling")], 2).astype(np.int64)
