"""The demo: files of a made-up media company in which every kind of model has something true to find.

Everything follows from (seed, domain, size) and a day: the files of two nights agree on the days that they share.
`jobs/imports.py` imports it for `encore import demo`, as benchmarks do, and nothing else; it imports day arithmetic
from `jobs.sources.cells`. Begin with `__init__.py`, whose `generate` calls the parts in their order, then `world.py`.
"""

import pathlib
from datetime import date

import numpy as np

from jobs.errors import InputError
from jobs.sources.cells.dates import DAY_SECONDS
from jobs.sources.demo import writing
from jobs.sources.demo.audience import make_audience
from jobs.sources.demo.behaviour import Events, events
from jobs.sources.demo.catalogue import make_catalogue
from jobs.sources.demo.popularity import make_popularity
from jobs.sources.demo.scene import Scene
from jobs.sources.demo.world import HABITS, SIZES, STAY_DAYS, WINDOW_DAYS, make_world
from schemas.domains import Domain

_FIRST_DAY = "2001-01-01"  # by then the old catalogue has been released
_USERS_AT_ONCE = 4096  # bounds the memory for what they have seen


def generate(
    folder: pathlib.Path, domain: Domain, ds: str, seed: int = 0, size: str = "small", since: str | None = None
) -> None:
    """Writes a domain's files into `folder`: the 60 days that end with `ds`, or the days after `since`.

    The files (writing.py) are named after the landing tables and carry their columns. With `since`, users and items are
    those that are new or changed after that day, so that one night's files add to those of the nights before.
    """
    last = _day(ds)
    first = last - WINDOW_DAYS + 1 if since is None else _day(since) + 1
    if first > last:
        raise InputError(f"demo: since must be before ds, got since={since} and ds={ds}")
    if domain.name not in HABITS:
        raise InputError(f"demo: domain must be one of {', '.join(HABITS)}, got {domain.name}")
    if size not in SIZES:
        raise InputError(f"demo: size must be one of {', '.join(SIZES)}, got {size}")
    made = make_world(domain.name, seed, size)
    users = make_audience(made, first, last)
    earliest = first - STAY_DAYS
    items = make_catalogue(made, earliest, last)
    popular = make_popularity(made, items, earliest, last)
    start, end = first * DAY_SECONDS, (last + 1) * DAY_SECONDS
    parts = []
    for row in range(0, len(users.keys), _USERS_AT_ONCE):
        part = events(made, items, popular, users.part(slice(row, row + _USERS_AT_ONCE)), end)
        parts.append(_move(part, row, start))
    done = Events(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))
    scene = Scene(made, items, popular, users, done, first, last, is_increment=since is not None)
    writing.write(folder, scene)


def _move(part: Events, row: int, start: int) -> Events:
    """A part's events from second `start` on, with user rows counted from `row`."""
    kept = part.ts >= start
    return Events(part.user[kept] + row, *(column[kept] for name, column in vars(part).items() if name != "user"))


def _day(text: str) -> int:
    """Days from 1970-01-01 to a date YYYY-MM-DD."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"demo: a day must be YYYY-MM-DD, got {text!r}") from error
    if day < date.fromisoformat(_FIRST_DAY):
        raise InputError(f"demo: a day must not be before {_FIRST_DAY}, got {text}")
    return (day - date(1970, 1, 1)).days
