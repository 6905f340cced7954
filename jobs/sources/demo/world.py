"""What a demo world is made of: how its users behave per domain, how many there are per size."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.sources.demo.draws import Draws
from jobs.sources.demo.words import WORDS, Words

WINDOW_DAYS = 60  # what a first import covers
STAY_DAYS = 120  # a user is active for this long at most, so a day can be generated without the days since 1970
FADE_DAYS = 90  # an item released on day d has events until d + FADE_DAYS; only the old catalogue is timeless
COHORT = 4096  # keys of users and items are day × COHORT + number; day 0 is the old catalogue


@dataclass(frozen=True)
class Habits:
    """How people of a domain behave.

    `again_share` of all events return to an item of the user's own past. Of the others, `follow_share` follow the last
    item; of the rest, `mood_share` stay in the session's niche and the others come from the user's taste.
    A session has `events_per_session` events on average, about, `gap_seconds` apart; `review_share` of first events
    have a review.
    """

    sessions_per_day: float
    events_per_session: float
    most_events_per_session: int
    gap_seconds: int
    follow_share: float
    mood_share: float
    again_share: float
    review_share: float


HABITS: Mapping[str, Habits] = {
    "movies": Habits(0.42, 2.4, 4, 6600, 0.42, 0.4, 0.0, 0.07),
    "music": Habits(0.34, 6.5, 20, 220, 0.42, 0.5, 0.15, 0.05),
    "games": Habits(0.45, 2.2, 5, 4200, 0.42, 0.4, 0.25, 0.08),
}


@dataclass(frozen=True)
class Size:
    """Numbers of a world: genres and styles used, items of the old catalogue, new items and new users per day."""

    genres: int
    styles: int
    old_items: int
    new_items: float
    new_users: float

    def times(self, factor: int) -> "Size":
        """Returns the same world with more items and users."""
        more = (self.old_items * factor, self.new_items * factor, self.new_users * factor)
        return Size(self.genres, self.styles, *more)


SMALL: Mapping[str, Size] = {
    "movies": Size(12, 3, 400, 4.0, 16.0),
    "music": Size(10, 3, 360, 4.0, 10.0),
    "games": Size(8, 3, 260, 2.5, 12.0),
}
TINY: Mapping[str, Size] = {
    "movies": Size(4, 2, 32, 0.15, 0.45),
    "music": Size(4, 2, 30, 0.15, 0.40),
    "games": Size(3, 2, 26, 0.15, 0.45),
}
SIZES: Mapping[str, Mapping[str, Size]] = {
    "tiny": TINY,
    "small": SMALL,
    "large": {name: size.times(10) for name, size in SMALL.items()},
}


@dataclass(frozen=True)
class World:
    """One domain at one size under one seed; everything else follows from it and a day."""

    domain: str
    size: Size
    habits: Habits
    words: Words
    draws: Draws

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the genres in use; a genre's number is its place here."""
        return tuple(self.words.genres)[: self.size.genres]

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles in use."""
        return tuple(self.words.styles)[: self.size.styles]

    @property
    def niches(self) -> int:
        """Number of (genre, style) pairs: niche = genre × styles + style."""
        return self.size.genres * self.size.styles


def make_world(domain: str, seed: int, size: str) -> World:
    """The world of a domain that has words and a size that exists."""
    return World(domain, SIZES[size][domain], HABITS[domain], WORDS[domain], Draws(f"{seed}/{domain}/{size}"))
