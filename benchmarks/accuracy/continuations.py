"""How well a history is continued by its next ten items, on MovieLens-1M (`ml-1m.txt`, in each user's order).

    python -m benchmarks.accuracy.continuations [--users 2000] [--seed 0] [--set seq2seq.epochs=10 sasrec.epochs=10 …]

The last ten items of every user are held out; models learn the others, of a twentieth of the users without the last one
of these, by which they stop. NDCG@10 and R-precision (hits of ten) ask which items, order how many come in the right
order: the longest common subsequence over ten. `sasrec` is continued greedily, its best item appended ten times.
"""

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.accuracy.cold_items import VALIDATION_SHARE, leave_last_out
from benchmarks.shared.data import data_folder
from models.base import Recommender, TrainingData
from models.classic.popularity import Popularity
from models.evaluation.metrics import ndcg, precision
from models.evaluation.ties import groups_without_ties
from models.histories import Histories, IntArray, from_events
from models.neural.sasrec import SASRec
from models.neural.seq2seq import Seq2Seq

NEXT = 10


def load(file: Path) -> tuple[Histories, IntArray]:
    """What comes before the last NEXT items of every user with more, and these: int64 [n_users, NEXT]."""
    users, items = np.loadtxt(file, np.int64).T
    items = np.unique(items, return_inverse=True)[1]
    counts = np.bincount(np.unique(users, return_inverse=True)[1])
    long = np.repeat(counts > NEXT, counts)
    users, items, counts = users[long], items[long], counts[counts > NEXT]
    ends = np.cumsum(counts)
    held = ends[:, None] - NEXT + np.arange(NEXT)
    keep = np.ones(len(items), bool)
    keep[held] = False
    owners = np.repeat(np.arange(len(counts)), counts)[keep]
    ones = np.ones(len(owners), np.float32)
    return from_events(owners, items[keep], ones, None, len(counts), int(items.max()) + 1), items[held]


def greedy(model: Recommender, histories: Histories) -> IntArray:
    """int64 [n_users, NEXT]: the best item, then the best behind it, and so on."""
    result = np.empty((histories.n_users, NEXT), np.int64)
    for place in range(NEXT):
        best = model.recommend(histories, 1).items[:, 0]
        result[:, place] = best
        users = np.concatenate([histories.users, np.arange(histories.n_users)])
        order = np.argsort(users, kind="stable")
        items = np.concatenate([histories.items, best])[order]
        ones = np.ones(len(items), np.float32)
        histories = from_events(users[order], items, ones, None, histories.n_users, histories.n_items)
    return result


def common_subsequence(result: IntArray, truth: IntArray) -> int:
    """Length of the longest common subsequence of two sequences of items (Wagner & Fischer 1974)."""
    lengths = np.zeros((len(result) + 1, len(truth) + 1), np.int64)
    for i, a in enumerate(result, 1):
        for j, b in enumerate(truth, 1):
            lengths[i, j] = lengths[i - 1, j - 1] + 1 if a == b else max(lengths[i - 1, j], lengths[i, j - 1])
    return int(lengths[-1, -1])


def judge(result: IntArray, truth: IntArray, n_items: int) -> dict[str, float]:
    """NDCG@10, R-precision and order, means over the users."""
    rows = np.repeat(np.arange(len(truth)), NEXT)
    relevant = sp.csr_array((np.ones(truth.size, np.float32), (rows, truth.ravel())), shape=(len(truth), n_items))
    places = groups_without_ties(result, relevant)
    order = [common_subsequence(*pair) / NEXT for pair in zip(result, truth, strict=True)]
    return {
        "ndcg": float(ndcg(places, NEXT).mean()),
        "r_precision": float(precision(places, NEXT).mean()),
        "order": float(np.mean(order)),
    }


def configure(model: type[Recommender], texts: list[str]) -> Recommender:
    """A model with its settings of `name.setting=value`."""
    given = dict(text.removeprefix(f"{model.name}.").split("=") for text in texts if text.startswith(f"{model.name}."))
    default: Any = model.Config()
    return model(model.Config(**{name: type(getattr(default, name))(value) for name, value in given.items()}))


def main() -> None:
    """Prints a row for each model."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000, help="how many are judged, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], help="settings, as seq2seq.epochs=10")
    parser.add_argument("--models", nargs="*", default=["popularity", "sasrec", "seq2seq"])
    args = parser.parse_args()
    histories, truth = load(data_folder("movielens-1m") / "ml-1m.txt")
    train, validation = leave_last_out(histories, VALIDATION_SHARE, args.seed)
    asked = np.sort(np.random.default_rng(args.seed).permutation(len(truth))[: args.users])
    part = histories.take(asked)
    for model in (m for m in (Popularity, SASRec, Seq2Seq) if m.name in args.models):
        started = time.perf_counter()
        trained = configure(model, args.set).fit(TrainingData(train, None, validation, args.seed))
        seconds = time.perf_counter() - started
        if isinstance(trained, Seq2Seq):
            result = trained.continue_histories(part).items
        else:
            result = trained.recommend(part, NEXT).items if model is Popularity else greedy(trained, part)
        row = "  ".join(f"{name} {value:.4f}" for name, value in judge(result, truth[asked], part.n_items).items())
        print(f"{model.name:12} {row}  {seconds:.0f} s of training", flush=True)


if __name__ == "__main__":
    main()
