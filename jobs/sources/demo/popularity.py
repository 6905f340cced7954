"""How popular every item is on every day, and drawing items of a niche by it."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.demo.catalogue import Catalogue
from jobs.sources.demo.draws import Floats, Ints
from jobs.sources.demo.world import COHORT, FADE_DAYS, World

UNIT = 10_000  # weights are whole: their sums are exact, so items that end before a day cannot change its draws
SECOND_GENRE_WEIGHT = 0.4


@dataclass(frozen=True)
class Popularity:
    """Places are pairs (niche, item), sorted; an item with a second genre has two.

    `upto` [days × (places + 1)] are running sums of the places' weights over all days, day after day;
    the places of niche n are `starts[n]` … `starts[n + 1]`.
    """

    first_day: int
    item: Ints
    starts: Ints
    upto: Ints

    def draw(self, days: Ints, niches: Ints, bits: Ints) -> Ints:
        """Item rows drawn from the niches by popularity on the days; −1 where a niche has no item that day."""
        row = (days - self.first_day) * (len(self.item) + 1)
        low, high = self.upto[row + self.starts[niches]], self.upto[row + self.starts[niches + 1]]
        target = low + bits % np.maximum(high - low, 1)
        place = np.searchsorted(self.upto, target, side="right") - 1 - row
        return np.where(high > low, self.item[np.minimum(place, len(self.item) - 1)], -1)


def make_popularity(world: World, items: Catalogue, first_day: int, last_day: int) -> Popularity:
    """Popularity on first_day … last_day, both included."""
    rows = np.arange(len(items.keys))
    double = rows[items.second >= 0]
    item = np.concatenate([rows, double])
    niche = np.concatenate([items.niche, items.second[double] * world.size.styles + items.style[double]])
    share = np.concatenate([np.ones(len(rows)), np.full(len(double), SECOND_GENRE_WEIGHT)])
    order = np.lexsort([item, niche])
    item, niche, share = item[order], niche[order], share[order]
    days = np.arange(first_day, last_day + 1)
    weights = np.ceil(_weights(world, items, days)[:, item] * share * UNIT).astype(np.int64)
    padded = np.concatenate([np.zeros((len(days), 1), np.int64), weights], axis=1)
    return Popularity(first_day, item, np.searchsorted(niche, np.arange(world.niches + 1)), np.cumsum(padded))


def _weights(world: World, items: Catalogue, days: Ints) -> Floats:
    """[days, items] ≥ 0: log-normal quality × waves × the hype of a release × fading; 0 where no events are."""
    day = days[:, None]
    age = day - items.released
    period = 25.0 + 50.0 * world.draws.uniform("period", items.keys)
    phase = world.draws.uniform("phase", items.keys)
    wave = np.exp(0.9 * np.sin(2.0 * np.pi * (day / period + phase)))
    is_new = items.keys >= COHORT
    hype = np.where(is_new, 1.0 + 3.0 * np.exp(-np.clip(age, 0, None) / 7.0), 1.0)
    fading = np.where(is_new, np.clip((FADE_DAYS - age) / 30.0, 0.0, 1.0), 1.0)
    there = (age >= 0) & (day < items.find_end_days())
    return np.asarray(np.exp(0.9 * items.quality) * wave * hype * fading * there)
