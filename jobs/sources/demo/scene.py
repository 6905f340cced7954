"""What one call generates: a world on the days first … last, and which of its items and users the files list."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from jobs.sources.demo.audience import Audience
from jobs.sources.demo.behaviour import Events
from jobs.sources.demo.catalogue import Catalogue
from jobs.sources.demo.draws import Ints
from jobs.sources.demo.popularity import Popularity
from jobs.sources.demo.world import COHORT, World


@dataclass(frozen=True)
class Scene:
    """All that happened on days first … last (both included, counted from 1970-01-01)."""

    world: World
    items: Catalogue
    popular: Popularity
    users: Audience
    events: Events
    first: int
    last: int
    is_increment: bool

    def listed_items(self) -> Ints:
        """Rows of all items that may have events in these days; of an increment, the new and the withdrawn."""
        items = self.items
        listed = (items.keys < COHORT) | (items.find_end_days() >= self.first)
        if self.is_increment:
            left = (items.withdrawn >= self.first) & (items.withdrawn <= self.last)
            listed = (items.released >= self.first) | left
        return np.flatnonzero(listed & (items.released <= self.last))

    def listed_users(self) -> Ints:
        """Rows of the users to list: all; of an increment, the new ones."""
        return np.flatnonzero(self.users.joined >= self.first if self.is_increment else self.users.joined <= self.last)

    def item_ids(self) -> list[str]:
        """Id by item row: `mo-0007` of the old catalogue, `mo-20260921-003` of a release."""
        prefix = self.world.domain[:2]
        return [
            f"{prefix}-{key:04}" if key < COHORT else f"{prefix}-{day_of(key // COHORT):%Y%m%d}-{key % COHORT:03}"
            for key in self.items.keys.tolist()
        ]

    def user_ids(self) -> list[str]:
        """Id by user row: `u-20260921-003`, with the day of joining."""
        return [f"u-{day_of(key // COHORT):%Y%m%d}-{key % COHORT:03}" for key in self.users.keys.tolist()]


def day_of(day: int) -> date:
    """The date of a day counted from 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=day)
