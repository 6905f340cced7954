"""Seconds and memory of judging one model: lists of all users, every metric and segment, 1,000 bootstrap resamples.

    python -m benchmarks.night.evaluate 1        # 138,000 users × 26,000 items; 1/16 is a sixteenth of the events

Generated events (`interactions.py`), a tenth of them held out. The model scores by vectors of 64 random numbers; with
the word `ties` all items tie instead, so that every user's ties behind the list have to be counted: the worst case.
"""

import json
import resource
import sys
import time
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from benchmarks.shared.interactions import generate
from jobs.evaluate import LENGTHS, evaluate_lists
from models.base import Recommender, TrainingData
from models.data import Catalogue, HeldOut
from models.evaluation.beyond_accuracy import describe_items
from models.evaluation.bootstrap import intervals
from models.histories import Histories, from_events
from models.serving.lists import Serving
from models.serving.ranking import serve

DIM, GENRES = 64, 18


class Vectors(Recommender):
    """Random vectors, or the same for every item."""

    name: ClassVar[str] = "vectors"
    Config: ClassVar[type] = dict

    def __init__(self, users: np.ndarray, items: np.ndarray) -> None:
        super().__init__({})
        self.users, self.items = users, items

    def fit(self, data: TrainingData) -> Self:
        """Learns nothing."""
        return self

    def score(self, histories: Histories) -> np.ndarray:
        """Products."""
        return np.asarray(self.user_vectors(histories) @ self.items.T)

    def user_vectors(self, histories: Histories) -> np.ndarray:
        """Of the first users."""
        return self.users[: histories.n_users]

    def item_vectors(self) -> np.ndarray:
        """As given."""
        return self.items

    def arrays(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Nothing."""


def world(size: Fraction) -> tuple[Histories, HeldOut, Catalogue]:
    """Training events, held-out ones, and a catalogue with genres."""
    rng, matrix = np.random.default_rng(0), sp.coo_array(generate(size))
    held = rng.random(matrix.nnz) < 0.1
    users, items = matrix.row[~held].astype(np.int64), matrix.col[~held].astype(np.int64)
    train = from_events(users, items, np.ones(len(users), np.float32), None, *matrix.shape)
    result = (np.ones(held.sum(), np.float32), (matrix.row[held], matrix.col[held]))
    relevant = sp.csr_array(result, shape=matrix.shape)
    judged = np.flatnonzero(np.diff(relevant.indptr)).astype(np.int64)
    nothing = [""] * matrix.shape[1]
    genres = [tuple(f"g{g}" for g in rng.integers(0, GENRES, 3)) for _ in nothing]
    catalogue = Catalogue(nothing, nothing, genres, [()] * len(nothing), nothing)
    return train, HeldOut(judged, train.take(judged), sp.csr_array(relevant[judged])), catalogue


def main(size: str = "1/16", kind: str = "vectors") -> None:
    """Prints one line of JSON."""
    train, test, catalogue = world(Fraction(size))
    known = describe_items(train, catalogue)
    nobody, rng = np.zeros(train.n_users, np.int64), np.random.default_rng(0)
    popular, everything = known.share[None].astype(np.float32), np.ones((1, train.n_items), bool)
    lists = Serving(nobody, popular, nobody, everything, known.cold, known.kinds, lambda: model)
    draw = np.ones if kind == "ties" else rng.standard_normal
    vectors = [np.asarray(draw((n, DIM)), np.float32) for n in (len(test.users), train.n_items)]
    model = Vectors(*vectors)
    before = peak_gib()
    started = time.perf_counter()
    served = serve(model, lists, test, max(LENGTHS))
    listed = time.perf_counter()
    values = evaluate_lists(served, test, known)
    measured = time.perf_counter()
    kept = np.stack([column for column in values.values() if not np.isnan(column).all()], axis=1)
    intervals(kept, 0)
    ended = time.perf_counter()
    seconds = {"lists": listed - started, "metrics": measured - listed, "intervals": ended - measured}
    rounded = {name: round(value, 2) for name, value in {**seconds, "all": ended - started}.items()}
    shape = {"users": len(test.users), "items": train.n_items, "events": len(train.items), "columns": kept.shape[1]}
    print(json.dumps(shape | rounded | {"peak_gib": round(peak_gib(), 2), "peak_gib_before": round(before, 2)}))


def peak_gib() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(*sys.argv[1:])
