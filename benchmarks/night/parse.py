"""Seconds to parse the DAG `nightly`, beyond the import of Airflow itself: the scheduler does it every half minute.

    .venv-airflow/bin/python -m benchmarks.night.parse

Run it in Airflow's environment. Every measurement is a process of its own.
"""

import json
import statistics
import subprocess
import sys

from benchmarks.shared.data import ROOT

REPETITIONS = 5
PARSED = """
import runpy, sys, time, airflow.sdk
started = time.perf_counter()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - started)
"""


def main() -> None:
    """Prints the seconds as JSON."""
    command = [sys.executable, "-c", PARSED, "dags/nightly.py"]
    seconds = [float(subprocess.check_output(command, text=True, cwd=ROOT).split()[-1]) for _ in range(REPETITIONS)]
    print(json.dumps({"seconds": [round(one, 3) for one in seconds], "median": round(statistics.median(seconds), 3)}))


if __name__ == "__main__":
    main()
