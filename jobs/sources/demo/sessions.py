"""When users come: sessions and the moments of their events, before anything is chosen."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.cells.dates import DAY_SECONDS
from jobs.sources.demo.audience import Audience
from jobs.sources.demo.draws import Floats, Ints
from jobs.sources.demo.world import STAY_DAYS, World

# Hours between which sessions start (UTC), and by how much a country's evening is shifted from 20:00. With the
# longest session below seven hours, no two sessions of a user overlap.
_EARLIEST, _LATEST = 6.0, 22.75
_EVENING = 20.0 + np.array([1.5, 0.5, 0.0, 0.0, 1.0, -2.0, -3.0, -2.5])


@dataclass(frozen=True)
class Moments:
    """Moments by user and time: user row, second since 1970, the session's day and the number within the session."""

    user: Ints
    ts: Ints
    session_day: Ints
    number: Ints


def moments(world: World, users: Audience, end: int) -> Moments:
    """All moments of the users from the day they joined until before second `end`."""
    user, day = _sessions(world, users)
    key = users.keys[user]
    draws, habits = world.draws, world.habits
    extra = -np.log1p(-draws.uniform("session length", key, day)) * (habits.events_per_session - 0.5)
    length = 1 + np.minimum(extra.astype(np.int64), habits.most_events_per_session - 1)
    start = day * DAY_SECONDS + (_start_hours(world, key, day, users.country[user]) * 3600).astype(np.int64)

    session = np.repeat(np.arange(len(user)), length)
    first = np.cumsum(length) - length
    number = np.arange(len(session)) - first[session]
    spread = 0.7 + 0.6 * draws.uniform("gap", key[session], day[session], number)
    gap = np.where(number > 0, (habits.gap_seconds * spread).astype(np.int64), 0)
    running = np.cumsum(gap)
    ts = start[session] + running - running[first][session]
    kept = ts < end
    return Moments(user[session][kept], ts[kept], day[session][kept], number[kept])


def _sessions(world: World, users: Audience) -> tuple[Ints, Ints]:
    """User rows and days of all sessions, in order: one a day at most, more at weekends, one on the day of joining."""
    days = users.joined[:, None] + np.arange(STAY_DAYS)
    weekend = np.where((days + 3) % 7 >= 5, 1.4, 0.85)  # 1970-01-01 was a Thursday
    comes = world.draws.uniform("comes", users.keys[:, None], days) < users.sessions_per_day[:, None] * weekend
    comes[:, 0] = True
    user, offset = np.nonzero(comes & (days <= users.last[:, None]))
    return user, users.joined[user] + offset


def _start_hours(world: World, key: Ints, day: Ints, country: Ints) -> Floats:
    """Hour of the day, UTC: most sessions in the country's evening, the others at any time."""
    draws = world.draws
    evening = _EVENING[country] + 1.6 * draws.normal("evening", key, day)
    anytime = _EARLIEST + (_LATEST - _EARLIEST) * draws.uniform("anytime", key, day)
    hours = np.where(draws.uniform("in the evening", key, day) < 0.7, evening, anytime)
    return np.asarray(np.clip(hours, _EARLIEST, _LATEST))
