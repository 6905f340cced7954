"""The ensemble's learned second stage against rank fusion alone, on the splits of benchmarks.accuracy.time_split.

    python -m benchmarks.accuracy.second_stage [--data games …] [--measurement FILE]

Both ensembles have the same members. The stage is learned on validation, whether it is used is decided there, then the
members learn the validation too, and both are judged on what came after. One core is enough.
"""

import argparse
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from benchmarks.accuracy.time_split import CLASSIC, K, shown, splits
from benchmarks.shared.measurement import Cell, Table, markdown, measured_now, write
from benchmarks.shared.time_splits import Floats, Parts, join, serving, targets, training_data, user_ndcg
from benchmarks.shared.timed import DATA, Timed
from jobs.learning.arrays import held_out
from models.base import TrainingData
from models.classic.candidates import Candidates, ItemTimes
from models.classic.ensemble import Ensemble, EnsembleConfig
from models.classic.popularity import Popularity
from models.classic.second_stage import SecondStage, cross_validate, find_labels, learn_trees
from models.data import HeldOut
from models.evaluation.bootstrap import intervals
from models.histories import Histories
from models.registry import REGISTRY
from models.serving.ranking import serve

ROUNDS = 3
COLUMNS = (
    *("data", "split", "users", "used", "validation", "rank fusion", "next", "test day", "all"),
    *("CPU s to learn", "CPU s for 1,000 lists", "without"),
)
CAPTION = (
    "NDCG@10 with 95 % bootstrap intervals over users. `validation`: by how much the second stage is better than rank "
    "fusion, each fifth of the users judged by trees of the others; it is used where that interval is above 0. Rank "
    "fusion: NDCG@10 of all new items of the test. `next`, `test day`, `all`: by how much the second stage is better "
    "on the test, paired by user, also where it is not used (targets as in [accuracy over time](accuracy-time.md)). "
    "CPU seconds to learn: of the second stage alone, beyond rank fusion; for 1,000 lists: with the second stage and "
    "without, the least of three rounds."
)
NOTES = (
    "The members are those that train in a second; networks would be members alike. Where the stage is not used, "
    "`ensemble` is rank fusion and nothing else."
)


class Always:
    """Learns the second stage whether or not it is better, and keeps by how much it was on validation."""

    gains: Floats

    def __call__(self, held_out: HeldOut, candidates: Candidates, times: ItemTimes, seed: int) -> SecondStage:
        """In place of `SecondStage.fit`."""
        labels = find_labels(candidates.items, held_out)
        self.gains = cross_validate(held_out, candidates, labels, seed)
        return SecondStage(learn_trees(candidates, labels, seed), times)


def row_of(timed: Timed, parts: Parts, seed: int) -> list[Cell]:
    """The row of one split."""
    known = join(parts.train, parts.validation)
    data = training_data(timed, parts.train, held_out(parts.train, parts.validation), seed)
    later = training_data(timed, known, None)
    members = {name: REGISTRY[name]().fit(data) for name in (Popularity.name, *CLASSIC)}
    given, always = replace(data, models=members), Always()
    with mock.patch.object(SecondStage, "fit", always):
        fused, staged = (timed_fit(EnsembleConfig(second_stage=on), given) for on in (False, True))
    for model in members.values():
        model.refit(later)
    assert staged.model.stage is not None
    staged.model.stage = replace(staged.model.stage, times=ItemTimes.of(known))
    made, test = serving(later), targets(known, parts.test)
    ndcg = {
        name: [user_ndcg(serve(each.model, made, part, K), part, K) for each in (fused, staged)]
        for name, part in test.items()
    }
    before = ndcg["all"][0]
    asked = test["all"].histories
    rounds = [[timed_lists(each.model, asked) for each in (fused, staged)] for _ in range(ROUNDS)]
    seconds = [min(times) for times in zip(*rounds, strict=True)]
    return [
        *(timed.name, parts.name, len(before), "yes" if intervals(always.gains[:, None], seed)[0][0] > 0 else "no"),
        difference(always.gains),
        shown(float(before.mean()), intervals(before[:, None], 0)[0]),
        *(difference(after - before) for before, after in ndcg.values()),
        f"{staged.seconds - fused.seconds:.1f}",
        *(f"{1000 * each / len(before):.2f}" for each in seconds[::-1]),
    ]


class Fitted(NamedTuple):
    """An ensemble, and the CPU seconds that it took to learn."""

    model: Ensemble
    seconds: float


def timed_fit(config: EnsembleConfig, data: TrainingData) -> Fitted:
    """Learns, with a clock."""
    started = time.process_time()
    return Fitted(Ensemble(config).fit(data), time.process_time() - started)


def timed_lists(model: Ensemble, histories: Histories) -> float:
    """The CPU seconds that the users' lists take."""
    started = time.process_time()
    model.recommend(histories, K)
    return time.process_time() - started


def difference(values: Floats) -> str:
    """A mean difference with its interval."""
    low, high = intervals(values[:, None], 0)[0]
    return f"{values.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    args = parser.parse_args()
    rows = []
    for name in args.data:
        timed = DATA[name]()
        for parts in splits(timed.histories):
            rows.append(row_of(timed, parts, args.seed))
            print(*rows[-1], sep=" | ", flush=True)
    table = Table(CAPTION, COLUMNS, rows)
    print("\n".join(markdown(table)))
    if args.measurement:
        command = f"python -m benchmarks.accuracy.second_stage {shlex.join(sys.argv[1:])}"
        write(measured_now("The ensemble's second stage", [command], [table], NOTES), args.measurement)


if __name__ == "__main__":
    main()
