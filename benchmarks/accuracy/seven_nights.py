"""Seven nights, each with one more day: trained from scratch, or beginning with the weights of the night before.

    python -m benchmarks.accuracy.seven_nights [--data games movielens-100k] [--models sasrec lstm] [--seeds 0 1 2]

The events of the last seven days come one night after the other; the night before the first is trained from scratch
for both. The demo's events are split by time (7 days test, 7 days validation), as a night splits them;
movielens-100k, whose last days hold too few users, by each user's last event. NDCG@10 on the test over all items that
a user did not have, and CPU seconds of `fit`, means over nights and seeds.
Needs u.data, u.item and u.genre in $ENCORE_DATA/movielens-100k.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pv

from benchmarks.shared.data import data_folder
from jobs.learning.arrays import held_out
from jobs.settings import read_domains
from jobs.sources.demo import generate
from models.base import Recommender, TrainingData
from models.data import Catalogue, HeldOut
from models.evaluation.validation import mean_ndcg
from models.histories import Histories, from_events
from models.registry import REGISTRY

DOMAINS = read_domains()
DS, DAY, NIGHTS, HELD_DAYS = "2026-11-20", 86_400, 7, 7
Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """Events by user and time: rows, and the day of each counted from the first. Rows are given in the order of the
    days, so that a night's items are the first ones. by_time: how a night's events are split."""

    user: Array
    item: Array
    day: Array
    catalogue: Catalogue
    by_time: bool

    def nights(self) -> Iterator[tuple[TrainingData, HeldOut]]:
        """What to learn and the test, of the night before the seven and of each of them."""
        for last in range(self.day.max() - NIGHTS, self.day.max() + 1):
            there = self.day <= last
            ago = (last - self.day)[there] // HELD_DAYS if self.by_time else place_from_end(self.user[there])
            n_users, n_items = self.user[there].max() + 1, self.item[there].max() + 1

            train, earlier, middle, newest = (
                events(self.user[there][kept], self.item[there][kept], n_users, n_items)
                for kept in (ago > 1, ago > 0, ago == 1, ago == 0)
            )
            known = Catalogue(*(column[:n_items] for column in vars(self.catalogue).values()))
            yield TrainingData(train, known, held_out(train, middle)), held_out(earlier, newest)


def events(user: Array, item: Array, n_users: int, n_items: int) -> Histories:
    """Events by user and time as histories."""
    return from_events(user, item, np.ones(len(user), np.float32), None, n_users, n_items)


def place_from_end(user: Array) -> Array:
    """0 for a user's last event, 1 for the one before, 2 for all others; 2 for all of who has fewer than three."""
    counts = np.bincount(user)
    back = np.cumsum(counts)[user] - 1 - np.arange(len(user))
    return np.where(counts[user] < 3, 2, np.minimum(back, 2))


def number(user: list[str], item: list[str], ts: Array, about: dict[str, tuple[str, ...]], by_time: bool) -> World:
    """Events in any order as a world; about: item → (title, description, *genres)."""
    day = ts // DAY - ts.min() // DAY
    rows = []
    for ids in (np.array(user), np.array(item)):
        names, inverse = np.unique(ids, return_inverse=True)
        first = np.full(len(names), day.max() + 1)
        np.minimum.at(first, inverse, day)
        order = np.argsort(first, kind="stable")
        row = np.empty(len(names), np.int64)
        row[order] = np.arange(len(names))
        rows.append((row[inverse], names[order]))
    (users, _), (items, names) = rows
    described = [about.get(name, ("", "")) for name in names.tolist()]
    n = len(described)
    catalogue = Catalogue(
        [t[0] for t in described], [t[1] for t in described], [tuple(t[2:]) for t in described], [()] * n, [""] * n
    )
    order = np.lexsort((items, ts, users))
    return World(users[order], items[order], day[order], catalogue, by_time)


def demo(domain: str) -> World:
    """Sixty days of the demo."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), DOMAINS[domain], DS)
        table = pv.read_csv(Path(folder, "interactions.csv"))
        lines = Path(folder, "items.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    about = {row["item_id"]: (row["title"], row["description"], *row["genres"]) for row in rows}
    ts = table["ts"].to_numpy().astype(np.int64)
    return number(table["user_id"].to_pylist(), table["item_id"].to_pylist(), ts, about, by_time=True)


def movielens() -> World:
    """Reads movielens-100k as a world."""
    folder = data_folder("movielens-100k")
    user, item, _, ts = np.loadtxt(folder / "u.data", np.int64, unpack=True)
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text("latin-1").split()]
    films = [line.split("|") for line in (folder / "u.item").read_text("latin-1").splitlines()]
    about = {f[0]: (f[1], "", *(name for name, has in zip(genres, f[5:], strict=False) if has == "1")) for f in films}
    return number(user.astype(str).tolist(), item.astype(str).tolist(), ts, about, by_time=False)


def trained(name: str, data: TrainingData, test: HeldOut) -> tuple[Recommender, list[float]]:
    """The model, its NDCG@10 on the test and its CPU seconds."""
    started = time.process_time()
    model = REGISTRY[name](REGISTRY[name].Config()).fit(data)
    seconds = time.process_time() - started
    return model, [mean_ndcg(model, test), seconds]


def compare(name: str, world: World, seed: int) -> list[tuple[list[float], list[float]]]:
    """For every night what `trained` measured, from scratch and with last night's weights."""
    result = []
    before: Recommender | None = None
    for night, (data, test) in enumerate(world.nights()):
        data = replace(data, seed=seed)
        model, full = trained(name, data, test)
        if before is not None:
            model, warm = trained(name, replace(data, start=before), test)
            result.append((full, warm))
            print(name, seed, night, full, warm, file=sys.stderr, flush=True)
        before = model
    return result


def main() -> None:
    """Prints a table: a row for each data set and model, means over seeds and nights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["games", "movielens-100k"], choices=[*DOMAINS, "movielens-100k"])
    parser.add_argument("--models", nargs="+", default=["sasrec", "lstm"], choices=list(REGISTRY))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    print("| data | model | NDCG@10 from scratch | with last night's weights | ratio | CPU seconds | | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for data in args.data:
        world = movielens() if data == "movielens-100k" else demo(data)
        for name in args.models:
            nights = [pair for seed in args.seeds for pair in compare(name, world, seed)]
            full, warm = ([mean(column) for column in zip(*rows, strict=True)] for rows in zip(*nights, strict=True))
            ndcg = f"{full[0]:.4f} | {warm[0]:.4f} | {warm[0] / full[0]:.3f}"
            print(
                f"| {data} | `{name}` | {ndcg} | {full[1]:.1f} | {warm[1]:.1f} | {warm[1] / full[1]:.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
