"""The plan past this machine: what similarity costs at a size that nobody measured, from constants that were.

    python -m benchmarks.similarity.scale similarity.json --users 1e8 --items 1e7 --events 1e11 --cores 400

Events are distributed as in interactions.py: the n-th item's share is 1/(c + n) / Σ 1/(c + m) with c growing as the
root of the events, and users' activity is log-normal with σ = 1, so that its mean square is e times its squared mean.
--cap: `max_events_per_item`; an item's other events are left out, and users lose theirs evenly.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from benchmarks.shared.interactions import EVENTS

LIST_BYTES = 1600  # of a row that looks for 100 neighbours: 200 keys of 8 bytes (models/kernels/candidates.py)
ENTRY_BYTES = 14  # of a prepared entry (models/kernels/blocks.py)
PASS_ROWS, PASS_ENTRIES = 1 << 16, 1 << 24  # of jobs/similarity/pieces.py
PART_BYTES = 15  # of an event between the task that reads it and the one that writes its block (jobs/spark/parts.py)
FEATURE_BYTES = 24  # of a feature in a task: its count, its rank, its places in a block


@dataclass(frozen=True)
class Constants:
    """Measured: core seconds of a multiply-add and of looking at a pair of rows, by side, in the streamed kernel; bytes
    of an entry on storage and in shuffles."""

    seconds: dict[str, tuple[float, float]]
    stored: float
    shuffled: float


def constants(lines: list[dict[str, Any]]) -> Constants:
    """From a run of `benchmarks.similarity`: seconds fitted over its sizes by relative error; bytes of the largest."""
    seconds = {}
    for side in ("items", "users"):
        ran = [x for x in lines if x["contestant"] == "encore-streamed" and x["side"] == side and "seconds" in x]
        if len(ran) < 3:
            raise SystemExit(f"{side}: encore-streamed was measured at {len(ran)} sizes; measure 3 for two constants")
        work = np.array([[x["multiply_adds"], float(x["rows"]) ** 2] for x in ran])
        took = np.array([[x["cpu_seconds"]] for x in ran])
        (product, pair), _ = nnls(work / took, np.ones(len(ran)))
        seconds[side] = (product, pair)
    spark = max(
        (x for x in lines if x["contestant"] == "encore-spark" and "seconds" in x), key=lambda x: float(x["entries"])
    )
    return Constants(seconds, spark["stored_bytes"] / spark["entries"], spark["shuffled_bytes"] / spark["entries"])


def popularity(items: float, events: float) -> tuple[np.ndarray, np.ndarray]:
    """(events, how many items have as many) of ranges of ranks that grow by 1 %."""
    shift = 20 * math.sqrt(events / EVENTS)
    edges = np.unique(np.concatenate([[0.0], np.geomspace(1, items, 2000)]))
    middle = (edges[1:] + edges[:-1]) / 2
    total = math.log((shift + items) / shift)
    return events / (shift + middle) / total, np.diff(edges)


def plan(side: str, args: argparse.Namespace, measured: Constants) -> dict[str, float]:
    """What the side costs."""
    counts, how_many = popularity(args.items, args.events)
    counts = np.minimum(counts, args.users)
    kept = np.minimum(counts, args.cap) if args.cap else counts
    events = float((kept * how_many).sum())
    if side == "users":
        rows, features, products = args.users, args.items, float((kept**2 * how_many).sum())
    else:
        rows, features, products = args.items, args.users, math.e * events**2 / args.users
    stored = events * measured.stored
    passes = max(rows / PASS_ROWS, events / PASS_ENTRIES)
    product, pair = measured.seconds[side]
    core_hours = (products * product + rows**2 * pair) / 3600
    own = min(PASS_ROWS, rows / passes)
    return {
        "entries": events,
        "multiply_adds": products,
        "pairs": rows**2,
        "core_hours": core_hours,
        "hours": core_hours / args.cores,
        "parts_tb": events * PART_BYTES / 1e12,
        "shuffled_tb": events * measured.shuffled / 1e12,
        "stored_tb": stored / 1e12,
        "passes": passes,
        "read_tb": passes * stored / 1e12,
        "read_gb_per_second": passes * stored / 1e9 / (core_hours / args.cores * 3600),
        "task_gib": (own * LIST_BYTES + 2 * PASS_ENTRIES * ENTRY_BYTES + features * FEATURE_BYTES) / 2**30,
    }


def main() -> None:
    """Prints a row for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path, help="JSON of benchmarks.similarity")
    for name, default in (("users", 1e8), ("items", 1e7), ("events", 1e11), ("cores", 400), ("cap", 0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    args = parser.parse_args()
    measured = constants(json.loads(args.measured.read_text())["lines"])
    print(measured)
    for side in ("items", "users"):
        print(side, json.dumps({name: float(f"{value:.3g}") for name, value in plan(side, args, measured).items()}))


if __name__ == "__main__":
    main()
