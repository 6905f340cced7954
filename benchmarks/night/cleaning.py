"""What import, `clean`, `vocabulary` and `sequences` of a large first night take, with the memory of all processes.

    python -m benchmarks.night.cleaning [1/16 1/4 1] [--heavy 10000000] [--measurement FILE]

Sizes are those of `benchmarks.shared.interactions`: 1 is 22 million events of 138,000 users. `--heavy`: so many of the
events are one user's.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.shared.interactions import DS, load, write_night
from benchmarks.shared.jobs import Deployment
from benchmarks.shared.measurement import Cell, Table, measured_now, write
from benchmarks.shared.processes import Usage

JOBS = ("clean", "vocabulary", "sequences")
COLUMNS = ("size", "job", "seconds", "CPU seconds", "peak MiB")
CAPTION = (
    "Jobs of a first night of generated events (size 1: 22 million), one after another as the command line runs them; "
    "memory of all processes, Spark's server among them, where shared pages count once for each process"
)


def stages(size: str, folder: Path, heavy: int) -> Iterator[tuple[str, Usage]]:
    """(job, usage) of the import and of each job."""
    write_night(load(size), folder / "files", heavy)
    deployment = Deployment(folder)
    yield "import", deployment.encore("import", "parquet", f"{folder}/files", "--domain", "movies", "--ds", DS)
    yield from deployment.jobs(DS, "large", "popularity", JOBS)


def main() -> None:
    """Prints a line for each job; writes the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=["1"])
    parser.add_argument("--heavy", type=int, default=0, metavar="EVENTS", help="events of one user")
    parser.add_argument("--measurement", type=Path, help="JSON file for docs/measurements")
    args = parser.parse_args()
    rows: list[list[Cell]] = []
    for size in args.sizes:
        for heavy in (0, args.heavy) if args.heavy else (0,):
            with tempfile.TemporaryDirectory() as folder:
                for job, usage in stages(size, Path(folder), heavy):
                    values = (usage.seconds, usage.cpu_seconds, usage.peak_mib)
                    name = f"{size}, {heavy:,} events of one user" if heavy else size
                    rows.append([name, job, *(f"{value:,.0f}" for value in values)])
                    print(*rows[-1], flush=True)
    if args.measurement:
        commands = [
            f"python -m benchmarks.night.cleaning {' '.join(args.sizes)}" + args.heavy * f" --heavy {args.heavy}"
        ]
        write(measured_now("Cleaning and sequences", commands, [Table(CAPTION, COLUMNS, rows)]), args.measurement)


if __name__ == "__main__":
    main()
