"""Data sets whose events have times, as histories over rows and what is known of the items: two of MovieLens, and sixty
days of the demo's domains."""

import csv
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pv

from benchmarks.shared.data import data_folder
from jobs.settings import read_domains
from jobs.sources.demo import generate
from models.data import Catalogue
from models.histories import Histories, from_events

DS = "2026-11-20"  # the demo's last day
MICROSECONDS = 1_000_000
About = Mapping[str, tuple[str, tuple[str, ...]]]  # item → title, genres
Strings = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Timed:
    """A data set: all events with times, and the catalogue."""

    name: str
    histories: Histories
    catalogue: Catalogue


def number_ids(name: str, user: Strings, item: Strings, seconds: npt.NDArray[np.int64], about: About) -> Timed:
    """Events in any order as histories; users and items are numbered in the order of their ids, the catalogue's too."""
    items = np.union1d(item, np.array([*about], item.dtype))
    users, user_row = np.unique(user, return_inverse=True)
    item_row = np.searchsorted(items, item)
    order = np.lexsort((item_row, seconds, user_row))
    ones = np.ones(len(order), np.float32)
    times = seconds[order] * MICROSECONDS
    histories = from_events(user_row[order], item_row[order], ones, times, len(users), len(items))
    known = [about.get(one, ("", ())) for one in items.tolist()]
    n = len(known)
    catalogue = Catalogue([k[0] for k in known], [""] * n, [k[1] for k in known], [()] * n, [""] * n)
    return Timed(name, histories, catalogue)


def demo(domain: str) -> Timed:
    """Sixty days of a domain of the demo."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), read_domains()[domain], DS)
        table = pv.read_csv(Path(folder, "interactions.csv"))
        lines = Path(folder, "items.jsonl").read_text(encoding="utf-8").splitlines()
    about = {row["item_id"]: (row["title"], tuple(row["genres"])) for row in map(json.loads, lines)}
    user, item = (np.array(table[name].to_pylist()) for name in ("user_id", "item_id"))
    return number_ids(domain, user, item, table["ts"].to_numpy().astype(np.int64), about)


def movielens_100k() -> Timed:
    """`movielens-100k`."""
    folder = data_folder("movielens-100k")
    user, item, _, seconds = np.loadtxt(folder / "u.data", np.int64, unpack=True)
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text("latin-1").split()]
    films = [line.split("|") for line in (folder / "u.item").read_text("latin-1").splitlines()]
    about = {
        film[0]: (film[1], tuple(name for name, has in zip(genres, film[5:], strict=False) if has == "1"))
        for film in films
    }
    return number_ids("movielens-100k", user.astype(str), item.astype(str), seconds, about)


def movielens_latest_small() -> Timed:
    """`movielens-latest-small`."""
    folder = data_folder("movielens-latest-small")
    user, item, _, seconds = np.loadtxt(folder / "ratings.csv", np.float64, delimiter=",", skiprows=1, unpack=True)
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as file:
        about = {row["movieId"]: (row["title"], tuple(row["genres"].split("|"))) for row in csv.DictReader(file)}
    user, item = (column.astype(np.int64).astype(str) for column in (user, item))
    return number_ids("movielens-latest-small", user, item, seconds.astype(np.int64), about)


DATA: Mapping[str, Callable[[], Timed]] = {
    "movielens-100k": movielens_100k,
    "movielens-latest-small": movielens_latest_small,
    **{domain: partial(demo, domain) for domain in ("movies", "music", "games")},
}
