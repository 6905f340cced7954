"""Accuracy of every model on MovieLens-1M, leave-last-out, all new items ranked: the table of docs/accuracy.md.

    python -m benchmarks.accuracy --out accuracy [--models item_knn ease …] [--seeds 0 1 2] [--set sasrec.epochs=50 …]

Each model learns the training part, chooses its settings and stops on validation alone, and is judged on the test; then
it goes on with training and validation together (`refit`, settings fixed) and is judged again. Means are over all 6,040
users. Every model and seed has its file in the folder `--out`, and its two artifacts: what is there is not
trained again, so that the command goes on where it was stopped. The ensemble takes the artifacts of the same seed.
"""

import argparse
import json
import logging
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.shared.measurement import Cell, Table, markdown, measured_now, write
from benchmarks.shared.movielens_1m import catalogue, leave_last_out
from jobs.settings import override
from models.base import Recommender, TrainingData
from models.classic.ensemble import Ensemble
from models.data import HeldOut
from models.evaluation.metrics import hit_rate, ndcg
from models.evaluation.ties import groups_without_ties
from models.registry import REGISTRY

K = 10
TRAIN, ALL = "train", "train_and_validation"  # what an artifact has learned
Row = dict[str, Any]


def judge(model: Recommender, held_out: HeldOut) -> tuple[float, float]:
    """Measures HR@10 and NDCG@10 of a model's lists."""
    result = groups_without_ties(model.recommend(held_out.histories, K).items, held_out.relevant)
    return float(hit_rate(result, K).mean()), float(ndcg(result, K).mean())


def others(out: Path, name: str, seed: int, learned: str) -> dict[str, Recommender]:
    """The artifacts of that seed, or of seed 0 where a model was trained with no other."""
    result = {}
    for other in REGISTRY:
        folders = [out / f"{other}-{each}" / learned for each in (seed, 0)]
        present = [folder for folder in folders if folder.exists()]
        if other != name and present:
            result[other] = REGISTRY[other].load(present[0])
    return result


def measure(name: str, seed: int, data: TrainingData, test: HeldOut, out: Path, settings: Mapping[str, Any]) -> Row:
    """Trains, judges and saves one model."""
    kind = REGISTRY[name]
    started = time.perf_counter()
    if kind is Ensemble:
        data = TrainingData(
            data.histories, data.catalogue, data.validation, seed, models=others(out, name, seed, TRAIN)
        )
    assert data.validation is not None
    model = kind(override(kind.Config(), settings, name)).fit(data)
    row: Row = {"model": name, "seed": seed, "seconds": time.perf_counter() - started, "config": asdict(model.config)}
    row["validation_hr"], row["validation_ndcg"] = judge(model, data.validation)
    row["hr"], row["ndcg"] = judge(model, test)
    folder = out / f"{name}-{seed}"
    model.save(folder / TRAIN)
    started = time.perf_counter()
    if isinstance(model, Ensemble):
        row["weights"] = dict(zip(model.members, model.weights.tolist(), strict=True))
        model.members = {each: result for each, result in others(out, name, seed, ALL).items() if each in model.members}
    else:
        model = model.refit(TrainingData(test.histories, data.catalogue, seed=seed))
    row["all_seconds"] = time.perf_counter() - started
    row["all_hr"], row["all_ndcg"] = judge(model, test)
    model.save(folder / ALL)
    return row


def table(rows: Iterable[Row]) -> Table:
    """A row for each model, means over the seeds."""
    columns = ("model", "seeds", "HR@10", "NDCG@10", "HR@10, all", "NDCG@10, all", "NDCG@10, validation", "seconds")
    lines: list[list[Cell]] = []
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    for name, runs in by_model.items():
        figures = [mean(run[key] for run in runs) for key in ("hr", "ndcg", "all_hr", "all_ndcg", "validation_ndcg")]
        chosen = ", ".join(f"{key} {value}" for key, value in runs[0]["config"].items() if value != "")
        shown = [f"{value:.4f}".removeprefix("0") for value in figures]
        lines.append([f"`{name}`", len(runs), *shown, f"{mean(run['seconds'] for run in runs):.1f}", chosen])
    return Table("Means over all users and over the seeds.", (*columns, "chosen"), lines)


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of results and artifacts")
    parser.add_argument("--models", nargs="+", choices=list(REGISTRY), default=list(REGISTRY), help="which ones")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="one training each")
    parser.add_argument("--set", nargs="*", default=[], metavar="MODEL.SETTING=VALUE", help="a setting, as JSON")
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    return parser


def main() -> None:
    """Measures what is missing, then prints the table of all there is."""
    args = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings: dict[str, dict[str, Any]] = {}
    for text in args.set:
        place, _, value = text.partition("=")
        model, _, setting = place.partition(".")
        settings.setdefault(model, {})[setting] = json.loads(value)
    train, validation, test = leave_last_out()
    films = catalogue()
    for seed in args.seeds:
        for name in sorted(args.models, key=lambda name: name == Ensemble.name):
            file = args.out / f"{name}-{seed}.json"
            if not file.exists():
                args.out.mkdir(parents=True, exist_ok=True)
                row = measure(
                    name, seed, TrainingData(train, films, validation, seed), test, args.out, settings.get(name, {})
                )
                file.write_text(json.dumps(row, indent=1))
                print(f"{name}, seed {seed}: NDCG@10 {row['ndcg']:.4f}, {row['seconds']:.1f} s", flush=True)
    files = [args.out / f"{name}-{seed}.json" for name in REGISTRY for seed in range(max(args.seeds) + 1)]
    result = table(json.loads(file.read_text()) for file in files if file.exists())
    print("\n".join(markdown(result)))
    if args.measurement:
        command = f"python -m benchmarks.accuracy {shlex.join(sys.argv[1:])}"
        write(measured_now("Accuracy on MovieLens-1M, leave-last-out", [command], [result]), args.measurement)


if __name__ == "__main__":
    main()
