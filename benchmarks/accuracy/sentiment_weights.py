"""Whether lists get better where a review's sentiment weighs its user's events: NDCG@10 on the demo.

    python -m benchmarks.accuracy.sentiment_weights [--data movies music games]

An item counts 1 + w (2 s - 1) for a user who reviewed it, else 1; s is the share of the stars, the best that a
sentiment could be. Only what models learn from is weighted, by time split as in a night (7 days test, 7 validation).
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pv
import scipy.sparse as sp

from jobs.learning.arrays import held_out
from jobs.settings import read_domains
from jobs.sources.demo import generate
from models.base import TrainingData
from models.data import HeldOut
from models.evaluation.validation import mean_ndcg
from models.histories import Histories, from_events
from models.registry import REGISTRY

DOMAINS = read_domains()
DS, DAY, HELD_DAYS, STARS = "2026-11-20", 86_400, 7, 5
WEIGHTS = (0.0, 0.3, 0.6, 1.0)
MODELS = ("item_knn",)  # the one that compares by all that users took


class Weighted(Histories):
    """Histories whose items count what their events' values are on average, not 1."""

    def matrix(self, weights: npt.NDArray[np.float32] | None = None) -> sp.csr_array:
        """As of histories."""
        if weights is not None:
            return super().matrix(weights)
        sums, counts = super().matrix(self.values), super().matrix(np.ones_like(self.values))
        return sp.csr_array((sums.data / counts.data, sums.indices, sums.indptr), shape=sums.shape)


def data(domain: str) -> tuple[TrainingData, HeldOut, npt.NDArray[np.float32]]:
    """What to learn, the test, and the stars' share of each training event, NaN without a review."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), DOMAINS[domain], DS)
        table = pv.read_csv(Path(folder, "interactions.csv"))
        reviews = [json.loads(line) for line in Path(folder, "reviews.jsonl").read_text("utf-8").splitlines()]
    users, items, ts = (table[name].to_pylist() for name in ("user_id", "item_id", "ts"))
    stars = {(review["user_id"], review["item_id"]): review["rating"] / STARS for review in reviews}
    share = np.array([stars.get(pair, np.nan) for pair in zip(users, items, strict=True)], np.float32)
    user, item = (np.unique(ids, return_inverse=True)[1] for ids in (users, items))
    order = np.lexsort((item, np.array(ts), user))
    user, item, share = user[order], item[order], share[order]
    day = np.array(ts)[order] // DAY
    ago = (day.max() - day) // HELD_DAYS

    def events(kept: npt.NDArray[np.bool_]) -> Histories:
        ones = np.ones(kept.sum(), np.float32)
        return from_events(user[kept], item[kept], ones, None, user.max() + 1, item.max() + 1)

    train, test = events(ago > 1), held_out(events(ago > 0), events(ago == 0))
    return TrainingData(train, validation=held_out(train, events(ago == 1))), test, share[ago > 1]


def main() -> None:
    """Prints a table: a row for each domain and model, a column for each w."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=[*DOMAINS], choices=[*DOMAINS])
    args = parser.parse_args()
    print(f"| data | events with a review | model | {' | '.join(f'w = {w}' for w in WEIGHTS)} |")
    print("| --- " * (3 + len(WEIGHTS)) + "|")
    for domain in args.data:
        learned, test, share = data(domain)
        for name in MODELS:
            result = []
            for w in WEIGHTS:
                values = np.where(np.isnan(share), 1, 1 + w * (2 * share - 1)).astype(np.float32)
                weighted = Weighted(**vars(replace(learned.histories, values=values)))
                model = REGISTRY[name](REGISTRY[name].Config()).fit(replace(learned, histories=weighted))
                result.append(f"{mean_ndcg(model, test):.4f}")
            reviewed = np.isfinite(share).mean()
            print(f"| {domain} | {reviewed:.1%} | `{name}` | {' | '.join(result)} |", flush=True)


if __name__ == "__main__":
    main()
