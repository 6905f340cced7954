"""Members of several seeds in the ensemble, on the nights' splits of benchmarks.accuracy.time_split.

    python -m benchmarks.accuracy.seeds [--data games …] [--seeds 3] [--measurement FILE]

The ensemble of the classic models and `sasrec` is rank fusion alone, with `sasrec` of one seed and of several. One core
is enough.
"""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.second_stage import difference, timed_fit
from benchmarks.accuracy.time_split import CLASSIC, NETWORKS, K, shown
from benchmarks.shared.measurement import Cell, Table, markdown, measured_now, write
from benchmarks.shared.time_splits import join, nightly_parts, serving, targets, training_data, user_ndcg
from benchmarks.shared.timed import DATA, Timed
from jobs.learning.arrays import held_out
from models.classic.ensemble import EnsembleConfig
from models.classic.popularity import Popularity
from models.evaluation.bootstrap import intervals
from models.registry import REGISTRY
from models.serving.ranking import serve

COLUMNS = ("data", "split", "users", "weights", "one seed, all", "next", "test day", "all", "CPU s to learn, further")
CAPTION = (
    "NDCG@10 on the test with 95 % bootstrap intervals over users: of all new items with networks of one seed, and by "
    "how much it is more with several, paired by user (targets as in [accuracy over time](accuracy-time.md)). Weights: "
    "of the networks among the members; 0 where the ensemble does without, so that there is nothing to train again."
)


def row_of(timed: Timed, seeds: int) -> list[Cell]:
    """The row of a data set."""
    parts = nightly_parts(timed.histories)
    known = join(parts.train, parts.validation)
    data = training_data(timed, parts.train, held_out(parts.train, parts.validation))
    later = training_data(timed, known, None)
    members = {name: REGISTRY[name]().fit(data) for name in (Popularity.name, *CLASSIC, *NETWORKS)}
    given = replace(data, models=members)
    one, several = (timed_fit(EnsembleConfig(seeds=n, second_stage=False), given) for n in (1, seeds))
    several.model.refit(later)  # the members of `one` are among these
    made, test = serving(later), targets(known, parts.test)
    ndcg = {
        name: [user_ndcg(serve(each.model, made, part, K), part, K) for each in (one, several)]
        for name, part in test.items()
    }
    before = ndcg["all"][0]
    weights = dict(zip(one.model.members, one.model.weights, strict=True))
    return [
        *(timed.name, parts.name, len(before), ", ".join(f"`{n}` {weights.get(n, 0.0):.2f}" for n in NETWORKS)),
        shown(float(before.mean()), intervals(before[:, None], 0)[0]),
        *(difference(after - before) for before, after in ndcg.values()),
        f"{several.seconds - one.seconds:.0f}",
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    args = parser.parse_args()
    rows = []
    for name in args.data:
        rows.append(row_of(DATA[name](), args.seeds))
        print(*rows[-1], sep=" | ", flush=True)
    table = Table(f"{args.seeds} seeds. {CAPTION}", COLUMNS, rows)
    print("\n".join(markdown(table)))
    if args.measurement:
        command = f"python -m benchmarks.accuracy.seeds {shlex.join(sys.argv[1:])}"
        write(measured_now("Members of several seeds", [command], [table]), args.measurement)


if __name__ == "__main__":
    main()
