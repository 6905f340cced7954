"""The items of a demo world: niche, series, what follows them, release, and who may see them where."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.demo.draws import Bools, Draws, Floats, Ints
from jobs.sources.demo.world import COHORT, FADE_DAYS, World

COUNTRIES = ("US", "GB", "DE", "FR", "BR", "IN", "JP", "AU")
NEVER = 10**6  # a day far after any other
FOLLOWER_SHARES = np.array([0.7, 0.2, 0.1])
SERIES_LENGTH = 4
OLD_RELEASES = (3_653, 10_957)  # 1980-01-01 and 2000-01-01, in days since 1970
UNAVAILABLE_SHARE = 0.04


@dataclass(frozen=True)
class Catalogue:
    """Columns by item row: first the old catalogue, then by day of release. Days count from 1970-01-01.

    `followers` [items, 3] are the rows that usually come next, with FOLLOWER_SHARES. `second` is the number of
    another genre or −1. `withdrawn` is the first day on which the item is no longer available.
    """

    keys: Ints
    released: Ints
    withdrawn: Ints
    niche: Ints
    genre: Ints
    second: Ints
    style: Ints
    series: Ints
    part: Ints
    quality: Floats
    followers: Ints
    allowed_in: Bools
    min_age: Ints

    def find_end_days(self) -> Ints:
        """First day without events, by item."""
        fades = np.where(self.keys < COHORT, NEVER, self.released + FADE_DAYS)
        return np.minimum(self.withdrawn, fades)


def which_follower(uniform: Floats) -> Ints:
    """Columns of `followers`, drawn by FOLLOWER_SHARES from uniform draws."""
    return np.asarray(np.searchsorted(np.cumsum(FOLLOWER_SHARES)[:-1], uniform, side="right"))


def cohort_keys(draws: Draws, purpose: str, per_day: float, days: Ints) -> Ints:
    """Keys of what is new on each of the days: ⌊per_day⌋ a day, or one more."""
    numbers = np.floor(per_day + draws.uniform(purpose, days)).astype(np.int64)
    first = np.cumsum(numbers) - numbers
    return np.repeat(days * COHORT - first, numbers) + np.arange(numbers.sum())


def make_catalogue(world: World, first_day: int, last_day: int) -> Catalogue:
    """All items with events in first_day … last_day, both included, and more of the old ones than that."""
    draws, size, niches = world.draws, world.size, world.niches
    days = np.arange(first_day - FADE_DAYS, last_day + 1)
    old = np.arange(size.old_items)
    keys = np.concatenate([old, cohort_keys(draws, "new items", size.new_items, days)])
    is_old = keys < COHORT
    niche = np.where(is_old, keys % niches, draws.below(niches, "niche", keys))
    genre = niche // size.styles
    other = draws.below(size.genres, "second genre", keys)
    has_other = (draws.uniform("has second genre", keys) < 0.35) & (other != genre)
    long_ago = OLD_RELEASES[0] + draws.below(OLD_RELEASES[1] - OLD_RELEASES[0], "released", keys)
    place = keys // niches  # of an old item among those of its niche
    limited = draws.uniform("limited region", keys) < 0.06
    ages = np.array([world.words.min_age.get(name, 0) for name in world.genres])
    stricter = draws.uniform("stricter", keys) < 0.1
    return Catalogue(
        keys=keys,
        released=np.where(is_old, long_ago, keys // COHORT),
        withdrawn=_withdrawn(world, keys),
        niche=niche,
        genre=genre,
        second=np.where(has_other, other, -1),
        style=niche % size.styles,
        series=np.where(is_old, place // SERIES_LENGTH * niches + niche, -1),
        part=np.where(is_old, place % SERIES_LENGTH, 0),
        quality=draws.normal("quality", keys),
        followers=_followers(world, keys),
        allowed_in=~limited[:, None] | (draws.uniform("region", keys[:, None], np.arange(len(COUNTRIES))) < 0.5),
        min_age=ages[genre] + np.where(stricter & (ages[genre] > 0), 2, 0),
    )


def _count_available(world: World) -> int:
    """Old items from this row on have been unavailable ever since."""
    return round(world.size.old_items * (1 - UNAVAILABLE_SHARE))


def _withdrawn(world: World, keys: Ints) -> Ints:
    """Some new items leave 15 to 75 days after their release; the last of the old ones have left long ago."""
    draws = world.draws
    leaves = draws.uniform("leaves", keys) < UNAVAILABLE_SHARE
    after = keys // COHORT + 15 + draws.below(60, "leaves after", keys)
    old = np.where(keys < _count_available(world), NEVER, OLD_RELEASES[1])
    return np.where(keys < COHORT, old, np.where(leaves, after, NEVER))


def _followers(world: World, keys: Ints) -> Ints:
    """Rows of old items, [items, 3]: the next part of a series, else any; then any two."""
    shown = _count_available(world)
    followers = world.draws.below(shown, "follower", keys[:, None], np.arange(3))
    place = keys // world.niches
    next_part = keys + world.niches
    goes_on = (keys < COHORT) & ((place + 1) % SERIES_LENGTH != 0) & (next_part < shown)
    followers[:, 0] = np.where(goes_on, next_part, followers[:, 0])
    # an item does not follow itself, and the three differ (the bound is far above three)
    for column in range(3):
        for _ in range(3):
            taken = (followers[:, column] == keys) | (followers[:, column, None] == followers[:, :column]).any(axis=1)
            followers[:, column] = (followers[:, column] + taken) % shown
    return followers
