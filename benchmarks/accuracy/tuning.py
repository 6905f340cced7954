"""What `encore tune` finds on data sets with times, on validation and on the test that it does not read.

    python -m benchmarks.accuracy.tuning [--data …] [--models item_knn …] [--minutes 5] [--measurement FILE]

The search learns the training part of the nights' split and is judged on its validation. Then models with their own
settings and with the best that were tried learn training and validation, and are judged on the test.
"""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.accuracy.second_stage import difference
from benchmarks.accuracy.time_split import K
from benchmarks.shared.measurement import Cell, Table, markdown, measured_now, write
from benchmarks.shared.time_splits import Floats, join, nightly_parts, serving, targets, training_data, user_ndcg
from benchmarks.shared.timed import DATA
from jobs.learning.arrays import held_out
from jobs.learning.search import Journal, measure, plan, search
from jobs.learning.search_space import SPACES
from jobs.learning.tuned import findings
from models.registry import REGISTRY
from models.serving.ranking import serve

COLUMNS = (
    *("data", "split", "model", "trials", "to their end", "settings", "validation, own", "validation, best"),
    *("validation, difference", "adopted", "test, own", "test, difference"),
)
CAPTION = (
    "NDCG@10 with the model's own settings, and with the best of those that were tried; differences paired by user, "
    "with bootstrap intervals: of the validation as `encore tune` has them (the wider the more went to their end), "
    "of the test of 95 %. Adopted: whether the file has them. The test is that of all new items; before it a model "
    "learns the validation too, with what it chose there."
)


def rows_of(name: str, models: list[str], minutes: float, seed: int) -> Iterator[list[Cell]]:
    """A row for each model."""
    timed = DATA[name]()
    parts = nightly_parts(timed.histories)
    data = training_data(timed, parts.train, held_out(parts.train, parts.validation), seed)
    configs = {model: REGISTRY[model].Config() for model in models}
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(f"file://{folder}/trials.json", {})
        search(plan(models, seed), journal, lambda trial: measure(trial, configs, data), 60 * minutes)
    known = join(parts.train, parts.validation)
    later = training_data(timed, known, None, seed)
    made, test = serving(later), targets(known, parts.test)["all"]

    def judge(model: str, config: Any) -> Floats:
        """NDCG@10 on the test of each user."""
        return user_ndcg(serve(REGISTRY[model](config).fit(data).refit(later), made, test, K), test, K)

    for each in findings(journal.records, models, seed):
        own, best = (judge(each.model, replace(configs[each.model], **some)) for some in ({}, each.settings))
        yield [
            *(name, parts.name, each.model, each.trials, each.tried),
            ", ".join(f"`{setting}` {value}" for setting, value in each.settings.items()),
            *(f"{each.before:.4f}", f"{each.after:.4f}", str(each.difference), "yes" if each.better else "no"),
            *(f"{own.mean():.4f}", difference(best - own)),
        ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["movielens-100k"], choices=list(DATA))
    parser.add_argument("--models", nargs="+", default=["item_knn", "ease"], choices=list(SPACES))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    args = parser.parse_args()
    rows = [row for name in args.data for row in rows_of(name, args.models, args.minutes, args.seed)]
    table = Table(CAPTION, COLUMNS, rows)
    print("\n".join(markdown(table)))
    if args.measurement:
        command = f"python -m benchmarks.accuracy.tuning {shlex.join(sys.argv[1:])}"
        write(measured_now("Searching settings", [command], [table]), args.measurement)


if __name__ == "__main__":
    main()
