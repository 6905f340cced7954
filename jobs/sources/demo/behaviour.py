"""What users choose: what usually comes next, something for the mood or to their taste, or an old favourite."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.cells.dates import DAY_SECONDS
from jobs.sources.demo.audience import Audience
from jobs.sources.demo.catalogue import Catalogue, which_follower
from jobs.sources.demo.draws import Bools, Floats, Ints
from jobs.sources.demo.popularity import Popularity
from jobs.sources.demo.sessions import Moments, moments
from jobs.sources.demo.world import World

_ATTEMPTS = 3  # draws by taste before the user gives up because all were seen or are not for them


@dataclass(frozen=True)
class Events:
    """Events by user and time: user row, item row, second since 1970, seen before or not, and liking (about −2 … 2)."""

    user: Ints
    item: Ints
    ts: Ints
    again: Bools
    liking: Floats


def events(world: World, items: Catalogue, popular: Popularity, users: Audience, end: int) -> Events:
    """All events of the users from the day they joined until before second `end`."""
    when = moments(world, users, end)
    candidates = _candidates(world, items, popular, users, when)
    item, again = _choose(world, items, users, when, candidates)
    kept = item >= 0
    user, ts, item, again = when.user[kept], when.ts[kept], item[kept], again[kept]
    key = users.keys[user]
    fit = np.log(users.taste(user, ts // DAY_SECONDS, items.niche[item]) * world.niches + 0.1)
    noise = world.draws.normal("liking", key, items.keys[item])
    return Events(user, item, ts, again, 0.35 * fit + 0.45 * items.quality[item] + 0.6 * noise)


def _candidates(world: World, items: Catalogue, popular: Popularity, users: Audience, when: Moments) -> Ints:
    """Item rows [moments, _ATTEMPTS] by mood or taste, by popularity of the day; −1 where not for this user."""
    draws, key, day = world.draws, users.keys[when.user], when.ts // DAY_SECONDS
    mood = _niches(world, users, when.user, when.session_day, "mood", np.zeros_like(day))
    columns = []
    for attempt in range(_ATTEMPTS):
        in_mood = draws.uniform("in mood", key, when.ts, attempt) < world.habits.mood_share
        niche = np.where(in_mood, mood, _niches(world, users, when.user, day, f"taste {attempt}", when.ts))
        bits = (draws.bits("item", key, when.ts, attempt) >> np.uint64(1)).astype(np.int64)
        item = popular.draw(day, niche, bits)
        columns.append(np.where(_for_user(items, users, when.user, item), item, -1))
    return np.stack(columns, axis=1)


def _niches(world: World, users: Audience, user: Ints, day: Ints, purpose: str, moment: Ints) -> Ints:
    """Niches drawn from the users' tastes on the days."""
    draws, key = world.draws, users.keys[user]
    late = draws.uniform(f"{purpose}, drifted", key, day, moment) < users.drift(user, day)
    tastes = np.concatenate([users.first_taste, users.last_taste])
    # whole numbers of 2⁻³² keep the sums exact, so that one search finds the niche in all rows at once
    upto = np.cumsum((tastes * 2**32).astype(np.int64), axis=1)
    upto[:, -1] = 2**32
    upto += np.arange(len(upto))[:, None] << 32
    row = user + np.where(late, len(users.keys), 0)
    target = (row << 32) + (draws.uniform(purpose, key, day, moment) * 2**32).astype(np.int64)
    return np.asarray(np.searchsorted(upto.ravel(), target, side="right") - row * world.niches)


def _for_user(items: Catalogue, users: Audience, user: Ints, item: Ints) -> Bools:
    """Whether there is an item and the users' countries and ages allow it."""
    return np.asarray(
        (item >= 0) & items.allowed_in[item, users.country[user]] & (items.min_age[item] <= users.age[user])
    )


def _choose(world: World, items: Catalogue, users: Audience, when: Moments, candidates: Ints) -> tuple[Ints, Bools]:
    """Item row per moment (−1: nothing), and whether the user returns to it.

    Users do not influence one another, so the k-th moments of all users are decided together, k = 0, 1, ….
    """
    draws, habits, key = world.draws, world.habits, users.keys[when.user]
    follows = draws.uniform("follows", key, when.ts) < habits.follow_share
    which = which_follower(draws.uniform("which follower", key, when.ts))
    returns = draws.uniform("returns", key, when.ts) < habits.again_share
    back = draws.uniform("how far back", key, when.ts)
    count = np.bincount(when.user, minlength=len(users.keys))
    start = np.cumsum(count) - count
    seen = np.zeros((len(users.keys), len(items.keys)), np.bool_)
    item, again = np.full(len(when.user), -1), np.zeros(len(when.user), np.bool_)
    last, ended = np.full(len(users.keys), -1), items.find_end_days()
    for k in range(count.max(initial=0)):
        user = np.flatnonzero(count > k)
        at = start[user] + k
        past = item[start[user] + (k * back[at]).astype(np.int64)]  # of k = 0: itself, nothing yet
        again[at] = returns[at] & (past >= 0) & (when.ts[at] < ended[past] * DAY_SECONDS)
        follower = np.where(follows[at] & (last[user] >= 0), items.followers[last[user], which[at]], -1)
        follower = np.where(_for_user(items, users, user, follower), follower, -1)
        options = np.column_stack([follower, candidates[at]])
        fresh = (options >= 0) & ~seen[user[:, None], options]
        chosen = np.where(fresh.any(axis=1), options[np.arange(len(at)), fresh.argmax(axis=1)], -1)
        item[at] = np.where(again[at], past, chosen)
        there = item[at] >= 0
        seen[user[there], item[at][there]] = True
        last[user[there]] = item[at][there]
    return item, again
