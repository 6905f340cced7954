"""A night without networks beside what a data team would write instead (`peer_program.py`), from the same files.

    python -m benchmarks.night.peers [1/22 1] [--repeat 3] [--models popularity,item_knn,ease] [--measurement FILE]

Sizes are those of `benchmarks.shared.interactions`: 1 is 22 million events. The two take turns; medians are shown, of
everything from the files to the written tables: Encore's import, `encore nightly` with its Spark server and its
reports, and the peer's one process. Needs the extra `benchmarks`.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.shared.data import ROOT
from benchmarks.shared.interactions import DS, load, write_night
from benchmarks.shared.jobs import Deployment
from benchmarks.shared.measurement import Cell, Table, measured_now, write
from benchmarks.shared.processes import Usage, measure

MODELS = "popularity,item_knn,ease"
# The peer's tables: one similarity of each side. EASE's time grows with the cube of the items (docs/training.md).
CONFIG = """[domains.movies]
item_methods = ["cosine"]
user_methods = ["cosine"]

[models.ease]
min_events = 1000
"""
COLUMNS = ("size", "who", "seconds", "CPU seconds", "peak MiB")
CAPTION = (
    "Files of events and items to cleaned events, the 50 nearest items and users by cosine, and 20 items for each "
    "user, as Parquet. Encore: {models}, with evaluation by a held-out week, gate, HTML report and publication. Peer: "
    "Polars, implicit's cosine and alternating least squares, without evaluation. Medians of {repeat}, taking turns; "
    "memory of all processes, where shared pages count once for each process"
)
NOTE = "Steps of the peer at size {size}, in seconds: {steps}."


def encore(folder: Path, files: Path, models: str) -> Usage:
    """Import and night, as one usage."""
    folder.mkdir()
    config = folder / "encore.toml"
    config.write_text(CONFIG)
    deployment = Deployment(folder, environment={"ENCORE_CONFIG": str(config)})
    night = ["--domain", deployment.domain, "--ds", DS]
    parts = [
        deployment.encore("import", "parquet", str(files), *night),
        deployment.encore("nightly", *night, "--models", models),
    ]
    seconds, cpu = (sum(getattr(part, name) for part in parts) for name in ("seconds", "cpu_seconds"))
    return Usage(seconds, cpu, max(part.peak_mib for part in parts), "done")


def peer(folder: Path, files: Path) -> tuple[Usage, str]:
    """The peer's program, and the seconds of its steps. RuntimeError where it fails."""
    folder.mkdir()
    log = folder / "log"
    command = [sys.executable, "-m", "benchmarks.night.peer_program", str(files), str(folder / "tables"), DS]
    usage = measure(command, log, {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"})
    if usage.state != "done":
        raise RuntimeError(f"the peer {usage.state}: {log.read_text(errors='replace')[-500:]}")
    steps = json.loads(log.read_text().splitlines()[-1])
    return usage, ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items())


def compare(size: str, repeat: int, models: str) -> tuple[list[list[Cell]], str]:
    """A row for each of the two, and the ratios, Encore's to the peer's; the peer's steps."""
    taken: dict[str, list[Usage]] = {"Encore": [], "peer": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder, files = Path(temporary), Path(temporary) / "files"
        write_night(load(size), files)
        os.sync()
        for turn in range(repeat):
            taken["Encore"].append(encore(folder / f"encore-{turn}", files, models))
            usage, steps = peer(folder / f"peer-{turn}", files)
            taken["peer"].append(usage)
            for name, usages in taken.items():
                print(size, name, *(f"{value:,.1f}" for value in numbers(usages[-1])), flush=True)
                shutil.rmtree(folder / f"{name.lower()}-{turn}")
    medians = {
        name: [statistics.median(each) for each in zip(*map(numbers, usages), strict=True)]
        for name, usages in taken.items()
    }
    rows: list[list[Cell]] = [[size, name, *(f"{value:,.0f}" for value in values)] for name, values in medians.items()]
    ratios = (ours / theirs for ours, theirs in zip(*medians.values(), strict=True))
    return [*rows, [size, "Encore / peer", *(f"{ratio:.2f}" for ratio in ratios)]], steps


def numbers(usage: Usage) -> tuple[float, float, float]:
    """Seconds, CPU seconds, MiB."""
    return usage.seconds, usage.cpu_seconds, usage.peak_mib


def main() -> None:
    """Prints each measurement and the table; writes the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=["1/22", "1"])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--measurement", type=Path, help="JSON file for docs/measurements")
    args = parser.parse_args()
    rows: list[list[Cell]] = []
    notes = []
    for size in args.sizes:
        compared, steps = compare(size, args.repeat, args.models)
        rows += compared
        notes.append(NOTE.format(size=size, steps=steps))
        for row in compared:
            print(*row, flush=True)
    if args.measurement:
        command = f"python -m benchmarks.night.peers {' '.join(args.sizes)} --repeat {args.repeat}"
        table = Table(CAPTION.format(models=f"`{args.models}`", repeat=args.repeat), COLUMNS, rows)
        write(
            measured_now("A night beside Polars and implicit", [command], [table], "\n\n".join(notes)), args.measurement
        )


if __name__ == "__main__":
    main()
