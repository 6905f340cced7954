"""Exact cosine top-k of items and of users: Encore beside its peers, on the same data in the same run.

    python -m benchmarks.similarity --data ml-1m 1/16 1/4 1 --json similarity.json --plot similarity.svg
    python -m benchmarks.similarity --data 1 1:2 --contestants encore-spark      # memory with twice the users
    python -m benchmarks.similarity --data 1 --sides users --contestants cluster-1 cluster-2

Every measurement is a process of its own, and repetitions go round the contestants, so that a noisy minute does not
hit one of them alone. Seconds are medians, CPU seconds beside them, for a machine that others use too. In memory they
hold everything from the interactions to the neighbours; through Spark everything from spark-submit to its end, with
session start, reading and writing. Multiply-adds are those of all ordered pairs, whoever computes fewer.
It ends with 1 where scores differ from Encore's by more than TOLERANCE.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.shared.interactions import load, write_cells
from benchmarks.similarity.contestants import CONTESTANTS, TOLERANCE, Case, run
from benchmarks.similarity.limits import roofline
from benchmarks.similarity.plots import plot
from benchmarks.similarity.verdicts import verdicts

Line = dict[str, Any]


def compare(name: str, side: str, rows: sp.csr_array, options: argparse.Namespace, folder: Path) -> Iterator[Line]:
    """One line for each contestant: medians of the repetitions, and how far its scores are from Encore's."""
    products = float((np.bincount(rows.indices).astype(float) ** 2).sum())
    case = Case(folder, rows.shape[0], products, options.k, options.threads, options.limit)
    sp.save_npz(case.matrix, rows, compressed=False)
    write_cells(rows, case.cells)
    runs: dict[str, list[Line]] = {contestant: [] for contestant in options.contestants}
    for _ in range(options.repetitions):
        for contestant, result in runs.items():
            if not result or "note" not in result[0]:
                result.append(run(contestant, case))
    base: Line = {"data": name, "side": side, "rows": rows.shape[0], "features": rows.shape[1], "entries": rows.nnz}
    for contestant, result in runs.items():
        line = base | {"multiply_adds": products, "contestant": contestant}
        if "note" in result[-1]:
            yield line | result[-1]
            continue
        line |= {key: statistics.median(one[key] for one in result) for key in result[0]}
        line["all_seconds"] = [one["seconds"] for one in result]
        line["multiply_adds_per_second"] = products / line["seconds"]
        for other in ("encore", "implicit"):
            if runs.get(other) and "note" not in runs[other][-1]:
                line[f"times_{other}"] = statistics.median(one["seconds"] for one in runs[other]) / line["seconds"]
        if case.scores("encore").exists():
            ours, theirs = (np.load(case.scores(one)) for one in ("encore", contestant))
            line["largest_difference"] = float(np.abs(ours - theirs).max())
        if contestant == "encore" and options.limits:
            line["roofline"] = roofline(rows, line["seconds"], options.threads)
        yield line


def format_line(line: Line) -> str:
    """A line of the table."""
    start = f"{line['data']:>6} {line['side']:5} {line['contestant']:18}"
    if "note" in line:
        return f"{start} {line['note']}"
    return (
        f"{start} {line['seconds']:9.2f} s {line['cpu_seconds']:9.2f} CPU s"
        f" {line.get('times_implicit', float('nan')):6.2f} x implicit"
        f" {line['multiply_adds_per_second'] / 1e9:7.2f} G/s {line['peak_mib']:7.0f} MiB"
        f"  max |difference| {line.get('largest_difference', float('nan')):.1e}"
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", nargs="+", default=["ml-1m", "1/16"], help="ml-1m, or the size generated: 1, 1/4, 1:2"
    )
    parser.add_argument("--sides", nargs="+", default=["items", "users"], choices=["items", "users"])
    most = [name for name in CONTESTANTS if not name.startswith("cluster")]
    parser.add_argument("--contestants", nargs="+", default=most, choices=list(CONTESTANTS))
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a measurement is stopped")
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--limits", action="store_true", help="what the kernel reaches of the machine's limits")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--plot", metavar="FILE", type=Path, help="needs matplotlib")
    return parser.parse_args()


def main() -> int:
    """Measures, prints, writes."""
    options, lines = arguments(), []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the blocks that end what runs
    for name in options.data:
        matrix = load(name)
        for side in options.sides:
            rows = sp.csr_array(matrix.T) if side == "items" else matrix
            rows.sort_indices()
            with tempfile.TemporaryDirectory() as folder:
                for line in compare(name, side, rows, options, Path(folder)):
                    lines.append(line)
                    print(format_line(line), flush=True)
            if options.json:
                options.json.write_text(json.dumps({"lines": lines, "verdicts": verdicts(lines)}, indent=1))
    for verdict in verdicts(lines):
        print(f"{verdict['goal']}: {verdict['measured']:.2f}, {'holds' if verdict['holds'] else 'FALLS SHORT'}")
    if options.plot:
        plot(lines, options.plot)
    differing = [line for line in lines if line.get("largest_difference", 0) > TOLERANCE[line["contestant"]]]
    for line in differing:
        print(f"DISAGREES: {format_line(line)}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
