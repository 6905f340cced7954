"""What a task pays before its job computes: in a process that imports all, and in a fork of the worker's server.

    python -m benchmarks.night.start [--rounds 5] [--measurement docs/measurements/start.json]

Jobs of a run that does not exist: each imports what it needs, opens the night, says what is missing and ends. The two
ways take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.shared.measurement import Table, measured_now, write
from jobs import worker_server
from jobs.forkserver import OFF, SOCKET, WORKER
from jobs.usage import of_session

JOBS = ("gate", "recommend", "sentiment", "train --model=sasrec", "vocabulary")
KERAS = "from jobs.backend import set_up_keras; from jobs.settings import load; set_up_keras(load()); import keras"
WAIT_SECONDS = 120


def call(words: list[str], environment: dict[str, str], server: int | None = None) -> tuple[float, float]:
    """Seconds of a command, and of the cores for it and for what a server does meanwhile."""
    before, began, started = os.times(), of_session(server).cpu_seconds, time.perf_counter()
    subprocess.run(words, env=environment, capture_output=True, check=False)
    seconds, after = time.perf_counter() - started, os.times()
    own = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, own + of_session(server).cpu_seconds - began


def server_of(environment: dict[str, str]) -> int:
    """The pid of the worker's server, which is started where there is none."""
    os.environ |= environment
    for _ in range(WAIT_SECONDS):
        if (socket := worker_server.address()) is not None:
            return int(Path(socket).with_suffix(".pid").read_text())
        time.sleep(1)
    raise SystemExit("the worker's server has not started")


def main() -> None:
    """Measures, prints, and writes the measurement if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measurement", type=Path)
    args = parser.parse_args()
    encore = str(Path(sys.executable).with_name("encore"))
    with tempfile.TemporaryDirectory() as folder:
        places = {f"ENCORE_{name}": str(Path(folder) / name) for name in ("WAREHOUSE", "LANDING", "STATE")}
        environment = {**os.environ, **places}
        server = server_of({**environment, SOCKET: WORKER})
        taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(args.rounds):
            for job in JOBS:
                words = [encore, *job.split(), "--domain=movies", "--ds=2026-03-01", "--run=none"]
                for way, pid in ((OFF, None), (WORKER, server)):
                    taken.setdefault((job, way), []).append(call(words, {**environment, SOCKET: way}, pid))
            taken.setdefault(("keras", OFF), []).append(call([sys.executable, "-c", KERAS], environment))
    worker_server.stop()
    rows = []
    for job in (*JOBS, "keras"):
        cells = [job if job != "keras" else "and Keras, where the job imports it"]
        for way in (OFF, WORKER):
            result = taken.get((job, way))
            cells += [f"{median(values):.2f}" for values in zip(*result, strict=True)] if result else ["0", "0"]
        rows.append(cells)
        print(json.dumps(cells))
    if args.measurement:
        columns = ["job", "alone: s", "CPU s", "from the server: s", "CPU s"]
        caption = f"Median of {args.rounds} calls, the two ways in turns; seconds hang on what else the machine does:"
        commands = ["python -m benchmarks.night.start --measurement docs/measurements/start.json"]
        table = Table(caption, columns, rows)
        write(measured_now("What a task pays before its job computes", commands, [table]), args.measurement)


if __name__ == "__main__":
    main()
