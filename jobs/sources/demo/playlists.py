"""Playlists: a walk along what usually comes next, with steps aside within the niche."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.cells.dates import DAY_SECONDS
from jobs.sources.demo.behaviour import Events
from jobs.sources.demo.catalogue import Catalogue, which_follower
from jobs.sources.demo.draws import Ints
from jobs.sources.demo.popularity import Popularity
from jobs.sources.demo.world import World

_LENGTH = 14  # steps; items that come again are left out
_SHARE = 0.008  # of events, each with the item that starts the playlist
FOLLOW_SHARE = 0.75


@dataclass(frozen=True)
class Playlists:
    """Playlists: their event's user row and second since 1970, and item rows [playlists, _LENGTH] in order."""

    user: Ints
    ts: Ints
    items: Ints


def playlists(world: World, items: Catalogue, popular: Popularity, keys: Ints, done: Events) -> Playlists:
    """Playlists that users (with `keys`) made at some of their events."""
    draws = world.draws
    made = draws.uniform("playlist", keys[done.user], done.ts) < _SHARE
    user, ts, last = done.user[made], done.ts[made], done.item[made]
    steps = [last]
    for step in range(1, _LENGTH):
        counters = (keys[user], ts, step)
        which = which_follower(draws.uniform("playlist follower", *counters))
        bits = (draws.bits("playlist item", *counters) >> np.uint64(1)).astype(np.int64)
        aside = popular.draw(ts // DAY_SECONDS, items.niche[last], bits)
        follows = (draws.uniform("playlist follows", *counters) < FOLLOW_SHARE) | (aside < 0)
        last = np.where(follows, items.followers[last, which], aside)
        steps.append(last)
    return Playlists(user, ts, np.stack(steps, axis=1))
