"""A usual night: a day's new events on top of a long history, through the DAG, task by task.

    python -m benchmarks.night.increment [--size 1] [--events 150000] [--models popularity,item_knn,ease]
                                         [--config FILE] [--measurement FILE]
    python -m benchmarks.night.increment --changed [--size 1] [--events 150000]

`--changed` runs no night: it says how much of the exact similarity of all rows the new events change.

`--size` of the history as in `benchmarks.shared.interactions`: 1 is 22 million events. The first night brings it, the
second, which is measured, the new events. `--config`: the deployment's TOML file, for settings of models and of the
domain: networks begin with last night's weights where `full_training_nights` is above 1 (docs/settings.md).
"""

import argparse
import json
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from benchmarks.shared.interactions import DS, load, write_increment, write_night
from benchmarks.shared.jobs import Deployment
from benchmarks.shared.measurement import Cell, Table, measured_now, write
from jobs.storage.runs import Entry

NEXT = str(date.fromisoformat(DS) + timedelta(days=1))
MODELS = "popularity,item_knn,ease"
# With fewer events an item is none of EASE's: its time grows with the cube of the items (docs/training.md).
CONFIG = "[models.ease]\nmin_events = 1000\n"
CHANGED = (
    "How much of the exact similarity of all rows new events change: the share of the rows that have some, and of the "
    "multiply-adds of all pairs, those of pairs with such a row. An exact update computes these anew"
)
CHANGED_COLUMNS = ("new events", "rows", "rows that change", "multiply-adds that change")
COLUMNS = ("task", "seconds, first night", "seconds, increment", "peak MiB, increment")


def nights(size: str, events: int, models: str, deployment: Deployment) -> dict[str, float]:
    """Seconds of the whole night by its day: import and `encore nightly`."""
    matrix = load(size)
    seconds = {}
    for ds in (DS, NEXT):
        files = deployment.folder / f"files-{ds}"
        if ds == DS:
            write_night(matrix, files)
        else:
            write_increment(matrix, files, events)
        night = ["--domain", deployment.domain, "--ds", ds]
        seconds[f"import {ds}"] = deployment.encore("import", "parquet", str(files), *night).seconds
        seconds[ds] = deployment.encore("nightly", *night, "--models", models).seconds
        print(f"{ds}: {seconds[ds]:.0f} s", flush=True)
    return seconds


def entries(deployment: Deployment, ds: str) -> dict[str, Entry]:
    """What the night's manifest says of each task, in the order of their ends."""
    folder = deployment.folder / "warehouse" / "runs" / deployment.domain / ds
    files = sorted(folder.glob("*/manifest/*.json"), key=lambda file: file.stat().st_mtime)
    every = (Entry(**json.loads(file.read_text())) for file in files)
    return {entry.task: entry for entry in every}


def rows(deployment: Deployment, seconds: dict[str, float]) -> list[list[Cell]]:
    """A row for each task, and one for the whole."""
    first, second = (entries(deployment, ds) for ds in (DS, NEXT))
    table: list[list[Cell]] = [
        [task, f"{first[task].seconds:.1f}", f"{entry.seconds:.1f}", f"{entry.peak_mib:,.0f}"]
        for task, entry in second.items()
        if task in first
    ]
    table.append(["import", f"{seconds[f'import {DS}']:.1f}", f"{seconds[f'import {NEXT}']:.1f}", None])
    table.append(["`encore nightly`, all together", f"{seconds[DS]:.0f}", f"{seconds[NEXT]:.0f}", None])
    return table


def changed(matrix: sp.csr_array, events: int) -> list[list[Cell]]:
    """Of items and of users: the share that has new events, and the share of the multiply-adds of all pairs that meet
    such a row. Cosines of all other pairs stay, bit for bit; these an exact update computes anew."""
    cells, random = sp.coo_array(matrix), np.random.default_rng(1)
    at = random.integers(0, cells.nnz, (2, events))
    table: list[list[Cell]] = []
    for name, row, feature, new in (("items", cells.col, cells.row, at[1]), ("users", cells.row, cells.col, at[0])):
        has_new = np.zeros(row.max() + 1, bool)
        has_new[row[new]] = True
        holders, unchanged = (
            np.bincount(some, minlength=feature.max() + 1) for some in (feature, feature[~has_new[row]])
        )
        share = 1 - np.square(unchanged, dtype=np.float64).sum() / np.square(holders, dtype=np.float64).sum()
        table.append([f"{events:,}", name, f"{has_new.mean():.1%}", f"{share:.1%}"])
    return table


def similarity(size: str) -> list[list[Cell]]:
    """`changed` for a day of many events and for days of fewer."""
    matrix = load(size)
    return [row for events in (150_000, 15_000, 1_500) for row in changed(matrix, events)]


def main() -> None:
    """Prints the table; writes the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1")
    parser.add_argument("--events", type=int, default=150_000)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--config", type=Path, help="TOML file of the deployment (default: ease.min_events = 1000)")
    parser.add_argument("--folder", type=Path, help="where to work, which stays (default: a temporary folder)")
    parser.add_argument("--measurement", type=Path, help="JSON file for docs/measurements")
    parser.add_argument("--changed", action="store_true", help="only how much of the similarity changes")
    args = parser.parse_args()
    if args.changed:
        for row in changed(load(args.size), args.events):
            print(*row)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "encore.toml"
        config.write_text(args.config.read_text() if args.config else CONFIG)
        deployment = Deployment(folder, environment={"ENCORE_CONFIG": str(config)})
        table = rows(deployment, nights(args.size, args.events, args.models, deployment))
        for row in table:
            print(*row)
        if args.measurement:
            command = f"python -m benchmarks.night.increment --size {args.size} --events {args.events}"
            command += f" --models {args.models}"
            caption = f"{args.events:,} new events on top of size {args.size}; settings: `{config.read_text().split()}`"
            tables = [Table(caption, COLUMNS, table), Table(CHANGED, CHANGED_COLUMNS, similarity(args.size))]
            write(measured_now("A night with an increment", [command], tables), args.measurement)


if __name__ == "__main__":
    main()
