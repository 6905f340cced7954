"""SASRec on a generated catalogue of a million items: events a second, memory, and whether it finds what is there.

    python -m benchmarks.accuracy.million_items [--items 1000000] [--users 100000] [--events 20] [--epochs 3] [--set …]

Items form series of 50. A user follows a series from one item to the next and, with one chance in five, goes over to
any item of another; the n-th series is chosen in proportion to 1/n. What comes next is therefore known in four
of five cases to who knows the series, and popularity knows none of it. A user's last event is the test, the one before
it validation. All runs in a child process, whose memory is measured from outside (benchmarks/shared/processes.py).
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from benchmarks.shared.processes import measure
from models.base import TrainingData
from models.classic.popularity import Popularity
from models.data import HeldOut
from models.evaluation.validation import mean_ndcg, sample_users
from models.histories import Histories, from_events
from models.neural.sasrec import SASRec, SASRecConfig

SERIES, LEAVING = 50, 0.2
JUDGED_USERS = 10_000
Array = npt.NDArray[np.int64]


def walks(n_users: int, n_items: int, events: int, random: np.random.Generator) -> Array:
    """int64 [n_users, events]: the items that every user took, in order."""
    n_series = n_items // SERIES
    share = np.cumsum(1 / np.arange(1, n_series + 1))
    rows = random.permutation(n_series * SERIES)  # an item's row shall not tell how popular it is
    result = np.empty((n_users, events), np.int64)
    series, place = np.zeros(n_users, np.int64), np.zeros(n_users, np.int64)
    for event in range(events):
        leaves = (random.random(n_users) < LEAVING) | (event == 0)
        chosen = np.searchsorted(share, random.random(n_users) * share[-1])
        series = np.where(leaves, chosen, series)
        place = np.where(leaves, random.integers(0, SERIES, n_users), (place + 1) % SERIES)
        result[:, event] = rows[series * SERIES + place]
    return result


def histories(items: Array, n_items: int) -> Histories:
    """Makes histories of walks."""
    users = np.repeat(np.arange(len(items)), items.shape[1])
    return from_events(users, items.ravel(), np.ones(items.size, np.float32), None, len(items), n_items)


def held_out(items: Array, n_items: int) -> HeldOut:
    """The last of each walk, of users to whom it is new."""
    before, last = items[:, :-1], items[:, -1]
    users = np.flatnonzero((before != last[:, None]).all(axis=1))
    cells = (np.ones(len(users), np.float32), (np.arange(len(users)), last[users]))
    relevant = sp.csr_array(cells, shape=(len(users), n_items))
    return HeldOut(users, histories(before[users], n_items), relevant)


def measured(args: argparse.Namespace) -> dict[str, float]:
    """Trains and judges."""
    items = walks(args.users, args.items, args.events + 2, np.random.default_rng(0))
    test = sample_users(held_out(items, args.items), 0, JUDGED_USERS)
    data = TrainingData(histories(items[:, :-2], args.items), None, held_out(items[:, :-1], args.items))
    assert test is not None
    config = replace(SASRecConfig(epochs=args.epochs), **dict(map(setting, args.set)))
    started = time.perf_counter()
    model = SASRec(config).fit(data)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    ndcg = mean_ndcg(model, test)
    return {
        "train_seconds": seconds,
        "epochs": model.trained.epochs,
        "ndcg": ndcg,
        "recommend_users_per_second": len(test.users) / (time.perf_counter() - started),
        "popularity_ndcg": mean_ndcg(Popularity().fit(data), test),
    }


def setting(text: str) -> tuple[str, Any]:
    """The name and the value of a setting."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def main() -> None:
    """Runs the child and prints what it logged and took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("items", 1_000_000), ("users", 100_000), ("events", 20), ("epochs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE", help="settings of SASRecConfig")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        print(json.dumps(measured(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        usage = measure(
            [sys.executable, "-m", "benchmarks.accuracy.million_items", *sys.argv[1:], "--child"],
            log,
            {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        print(log.read_text())
        print(f"{usage.state}: {usage.seconds:.0f} s, {usage.cpu_seconds:.0f} CPU s, {usage.peak_mib:.0f} MiB at most")


if __name__ == "__main__":
    main()
