"""How fast `encore import` is and how much memory it takes: MovieLens csv files of generated events.

python -m benchmarks.night.imports 25000000
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks.shared.data import ROOT

BLOCK = 1_000_000
USERS, ITEMS = 162_541, 62_423  # as MovieLens 25M has
# A process's own peak; getrusage would add that of the process that started it.
MEASURED = """
import re, sys
from pathlib import Path
from jobs import cli
code = cli.main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def generate(folder: Path, events: int) -> None:
    """`ratings.csv` with random ratings."""
    schema = pa.schema(
        [("userId", pa.int64()), ("movieId", pa.int64()), ("rating", pa.float64()), ("timestamp", pa.int64())]
    )
    with csv.CSVWriter(folder / "ratings.csv", schema, write_options=csv.WriteOptions(quoting_style="none")) as writer:
        for first in range(0, events, BLOCK):
            draws, count = np.random.default_rng(first), min(BLOCK, events - first)
            columns = [
                np.sort(draws.integers(1, USERS, count)),
                draws.integers(1, ITEMS, count),
                draws.integers(1, 11, count) / 2,
                draws.integers(789_652_004, 1_574_327_703, count),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=schema))


def measure(events: int) -> dict[str, float]:
    """Seconds, events per second, and the importing process's peak resident memory in MiB."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        generate(folder, events)
        command = [sys.executable, "-c", MEASURED, "import", "movielens", str(folder), "--domain", "movies"]
        environment = os.environ | {"ENCORE_LANDING": f"{place}/landing"}
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--ds", "2019-11-21"], check=True, env=environment, stdout=subprocess.PIPE, cwd=ROOT
        )
        seconds = time.perf_counter() - started
        landed = sum(path.stat().st_size for path in Path(place, "landing").rglob("*.parquet"))
        return {
            "events": events,
            "file_mib": round((folder / "ratings.csv").stat().st_size / 2**20, 1),
            "landed_mib": round(landed / 2**20, 1),
            "seconds": round(seconds, 1),
            "events_per_second": round(events / seconds),
            "peak_mib": round(int(done.stdout.split()[-1]) / 1024, 1),
        }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)))
