"""The users of a demo world: who they are, when they are there, and tastes that drift."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.demo.catalogue import COUNTRIES, cohort_keys
from jobs.sources.demo.draws import Floats, Ints
from jobs.sources.demo.world import COHORT, STAY_DAYS, World

_COUNTRY_SHARES = np.array([0.30, 0.12, 0.14, 0.10, 0.12, 0.10, 0.07, 0.05])


@dataclass(frozen=True)
class Audience:
    """Columns by user row, by day of joining. A user is active on days `joined` … `last`.

    `first_taste` and `last_taste` [users, niches] are probabilities; on day d a choice comes from `last_taste` with
    probability (d − joined) / STAY_DAYS, else from `first_taste`.
    """

    keys: Ints
    joined: Ints
    last: Ints
    segment: Ints
    country: Ints
    age: Ints
    sessions_per_day: Floats
    first_taste: Floats
    last_taste: Floats

    def drift(self, users: Ints, days: Ints) -> Floats:
        """How far the users' tastes have moved from first to last, in [0, 1]."""
        return np.asarray(np.clip((days - self.joined[users]) / STAY_DAYS, 0.0, 1.0))

    def taste(self, users: Ints, days: Ints, niches: Ints) -> Floats:
        """Probability that the users' tastes pick the niches on the days."""
        drift = self.drift(users, days)
        return (1 - drift) * self.first_taste[users, niches] + drift * self.last_taste[users, niches]

    def part(self, rows: slice) -> "Audience":
        """Some of the users."""
        return Audience(**{name: column[rows] for name, column in vars(self).items()})


def make_audience(world: World, first_day: int, last_day: int) -> Audience:
    """All users who are active, or up late from the day before, in first_day … last_day, both included."""
    draws = world.draws
    keys = cohort_keys(draws, "new users", world.size.new_users, np.arange(first_day - STAY_DAYS, last_day + 1))
    stay = np.where(draws.uniform("stays", keys) < 0.5, STAY_DAYS, 1 + draws.below(STAY_DAYS, "stay", keys))
    there = keys // COHORT + stay >= first_day
    keys, stay = keys[there], stay[there]
    segments = list(world.words.segments.values())
    segment = draws.below(len(segments), "segment", keys)
    country = np.searchsorted(np.cumsum(_COUNTRY_SHARES)[:-1], draws.uniform("country", keys), side="right")
    mean_age = np.array([age for age, _ in segments])[segment]
    first, last = _tastes(world, keys, segment, country)
    return Audience(
        keys=keys,
        joined=keys // COHORT,
        last=keys // COHORT + stay - 1,
        segment=segment,
        country=country,
        age=np.clip(mean_age + 8.0 * draws.normal("age", keys), 13, 90).astype(np.int64),
        sessions_per_day=world.habits.sessions_per_day * np.exp(0.5 * draws.normal("activity", keys) - 0.125),
        first_taste=first,
        last_taste=last,
    )


def _tastes(world: World, keys: Ints, segment: Ints, country: Ints) -> tuple[Floats, Floats]:
    """First and last taste: softmax of genre + style + niche logits; the segment and the country lean to genres.

    The last taste keeps 0.6 of the first one's logits, so a user changes and stays recognisable.
    """
    draws, size = world.draws, world.size
    leaning = np.array([[name in liked for name in world.genres] for _, liked in world.words.segments.values()])
    at_home = np.arange(size.genres) % len(COUNTRIES) == country[:, None]
    prior = 1.6 * leaning[segment] + 0.8 * at_home
    user, niche = keys[:, None], np.arange(world.niches)
    genre, style = niche // size.styles, niche % size.styles

    def logits(purpose: str) -> Floats:
        by_genre = 2.0 * draws.normal(f"{purpose}, genre", user, genre)
        by_style = 1.2 * draws.normal(f"{purpose}, style", user, style)
        return np.asarray(by_genre + by_style + 0.5 * draws.normal(f"{purpose}, niche", user, niche))

    first = logits("first taste")
    last = 0.6 * first + 0.8 * logits("last taste")
    return _softmax(first + prior[:, genre]), _softmax(last + prior[:, genre])


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
