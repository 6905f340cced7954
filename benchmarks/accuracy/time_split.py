"""Accuracy where the test lies after all that was learned: models on data sets with times, old models, the gate.

    python -m benchmarks.accuracy.time_split [--data games …] [--without-networks] [--measurement FILE]

Every model learns the training part and chooses its settings on the validation, then learns the validation too, and is
judged on what came after. Lists are made as in a night. Then ten nights of each domain of the demo (time_nights.py):
what the gate chooses by tests of one and of seven days, and whether that wins on the day after. One core is enough;
needs movielens-100k and movielens-latest-small in $ENCORE_DATA.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.accuracy import time_nights
from benchmarks.shared.measurement import Cell, Table, markdown, measured_now, write
from benchmarks.shared.time_splits import (
    LEAVE_LAST_OUT,
    Floats,
    Parts,
    Trained,
    join,
    nightly_parts,
    serving,
    share_parts,
    targets,
    training_data,
    user_ndcg,
)
from benchmarks.shared.timed import DATA, Timed
from jobs.learning.arrays import held_out
from models.base import Recommender
from models.classic.popularity import Popularity, PopularityConfig
from models.data import HeldOut
from models.evaluation.beyond_accuracy import coverage
from models.evaluation.bootstrap import intervals
from models.evaluation.ties import find_hits
from models.histories import Histories, IntArray
from models.serving.lists import Serving
from models.serving.ranking import serve

K = 10
FOR_EVER = 1e6  # days in which an event comes to count half: all events count alike
HALF_LIVES = {"popularity, 1 day": 1.0, "popularity, 7 days": 7.0, "popularity": 30.0, "popularity, all": FOR_EVER}
CLASSIC = ("item_knn", "user_knn", "content_knn", "hybrid_knn", "ease")
NETWORKS = ("sasrec",)
COLUMNS = (
    *("data", "split", "users", "model", "NDCG@10, next", "NDCG@10, test day", "NDCG@10, all"),
    *("debiased, next", "debiased, test day", "debiased, all", "coverage", "seconds"),
)
CAPTION = (
    "NDCG@10 with 95 % bootstrap intervals over users. `next`: a user's first new item of the test; `test day`: the "
    "new items of the user's first day in it; `all`: all new items of the test. Debiased: the same, an item with gain "
    "(1 + users who have it in training)^-½, DCG of all users over the ideal one of all users (popularity-stratified, "
    "Steck 2011). Coverage: share of the catalogue in the lists. Popularity: by the days in which an event comes to "
    "count half, 30 as the night has it. Seconds: training, choice of settings, and training again with the "
    "validation's events."
)
NOTES = (
    "Users without history get what is popular from every model, as in a night. By leave-last-out models know later "
    "events of other users. Of the other data sets movielens-1m has an order and no times "
    "([leave-last-out](accuracy.md)); the plays of lastfm-hetrec2011 and steam-200k have neither.\n\n"
    "The models of the nights are those that train in a second; a network is judged once for each split, above."
)


def judge(model: Recommender, made: Serving, held_out: Mapping[str, HeldOut], share: Floats) -> list[Cell]:
    """The figures of a model, as in COLUMNS from `NDCG@10, next` to `coverage`."""
    served = serve(model, made, held_out["all"], K)
    gains = np.stack([user_ndcg(serve(model, made, part, K), part, K) for part in held_out.values()], axis=1)
    plain = [shown(mean, ends) for mean, ends in zip(gains.mean(axis=0), intervals(gains, 0), strict=True)]
    debiased = [debiased_ndcg(served.items, part, share) for part in held_out.values()]
    return [*plain, *debiased, f"{coverage(served.items, len(share)):.3f}"]


def shown(mean: float, ends: Floats) -> str:
    """A figure with its interval."""
    return f"{mean:.4f} ({ends[0]:.4f} to {ends[1]:.4f})"


def debiased_ndcg(items: IntArray, held_out: HeldOut, share: Floats) -> str:
    """NDCG of all users together with gains `share` [n_items], with its interval: a ratio of two means over users, by
    the values whose mean it is up to the second order."""
    discount = 1 / np.log2(np.arange(2, K + 2))
    hits = find_hits(items, held_out.relevant)
    reached = np.where(hits, share[items], 0.0) @ discount
    ideal = np.zeros(len(items))
    for user, (low, high) in enumerate(pairwise(held_out.relevant.indptr)):
        best = np.sort(share[held_out.relevant.indices[low:high]])[::-1][:K]
        ideal[user] = best @ discount[: len(best)]
    ratio = float(reached.mean() / ideal.mean())
    values = ratio + (reached - ratio * ideal) / ideal.mean()
    return shown(ratio, intervals(values[:, None], 0)[0])


def rows_of(timed: Timed, parts: Parts, networks: bool) -> Iterator[list[Cell]]:
    """A row for each model."""
    known = join(parts.train, parts.validation)
    data = training_data(timed, parts.train, held_out(parts.train, parts.validation))
    later = training_data(timed, known, None)
    trained = Trained.on(data, (Popularity.name, *CLASSIC, *(NETWORKS if networks else ())))
    trained.learn(later)
    made, test = serving(later), targets(known, parts.test)
    gain = 1 / np.sqrt(1 + np.bincount(known.matrix().indices, minlength=known.n_items))
    head: list[Cell] = [timed.name, parts.name, len(test["all"].users)]
    for name, days in HALF_LIVES.items():
        started = time.perf_counter()
        model = Popularity(PopularityConfig(days)).fit(later)
        seconds = time.perf_counter() - started
        yield [*head, name, *judge(model, made, test, gain), f"{seconds:.1f}"]
    for name, each in trained.models.items():
        if name != Popularity.name:
            yield [*head, name, *judge(each, made, test, gain), f"{trained.seconds[name]:.1f}"]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--without-networks", action="store_true")
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    args = parser.parse_args()
    rows: list[list[Cell]] = []
    nights: list[time_nights.Night] = []
    for name in args.data:
        timed = DATA[name]()
        for parts in splits(timed.histories):
            for row in rows_of(timed, parts, not args.without_networks):
                rows.append(row)
                print(*row, sep=" | ", flush=True)
        if name in time_nights.DOMAINS:
            nights += time_nights.measure(timed, args.nights)
    tables = [Table(CAPTION, COLUMNS, rows), *time_nights.tables(nights)]
    for table in tables:
        print("\n".join(markdown(table)))
    if args.measurement:
        command = f"python -m benchmarks.accuracy.time_split {shlex.join(sys.argv[1:])}"
        write(measured_now("Accuracy over time", [command], tables, NOTES), args.measurement)


def splits(histories: Histories) -> Iterator[Parts]:
    """The nights' split; where it is leave-last-out also one by time."""
    parts = nightly_parts(histories)
    yield parts
    if parts.name == LEAVE_LAST_OUT:
        yield share_parts(histories)


if __name__ == "__main__":
    main()
