"""One night through the Airflow DAG, without a scheduler, and then its report.

Airflow's own lines go to a log file; the terminal gets one line a task. The exit code comes from the manifests of the
domains' runs: what a failed job gave, 3 where a gate refused, 0 where everything is published.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from jobs import forkserver, pin, report, settings
from jobs.errors import DONE, FAULT, REFUSED, WRONG_INPUT, InputError
from jobs.night import Night, iso_day
from jobs.settings import ROOT, Settings, domain_names
from jobs.spark import server as spark_server
from jobs.states import TaskState
from jobs.storage.runs import Run
from schemas.names import MODELS

# The lines of the DAGs' operator (dags/common.py) in Airflow's log, which puts the name of the logger behind each.
MARK = re.compile(r"\[encore\] (\S+) (started|done|failed|fault|refused)(?:: (.*?))?\s+\[airflow")
CODES = {"failed": WRONG_INPUT, "fault": FAULT}
POOLS = ROOT / "dags" / "pools.json"
GRACE_SECONDS = 30
HARMLESS = ("spark_stop", "report")  # the caller stops the server in any case; a night is published without its page
Problems = dict[str, tuple[int, str]]  # task → exit code and reason


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore nightly", description=__doc__)
    parser.add_argument(
        "--domain", required=True, action="append", choices=domain_names(), help="may be given several times"
    )
    parser.add_argument("--ds", required=True, type=iso_day, metavar="YYYY-MM-DD", help="the completed day")
    parser.add_argument("--top-k", type=int, help="items for each user (default: the domain's)")
    parser.add_argument("--models", default=",".join(MODELS), help="models to train, separated by commas")
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs the night, stops its Spark server whatever happens, and shows how it ended."""
    config = settings.load()
    name = f"nightly_{datetime.now(UTC):%Y%m%dT%H%M%S}_{uuid.uuid4().hex[:6]}"
    nights = [Run(config.warehouse, domain, args.ds, name) for domain in dict.fromkeys(args.domain)]
    for run in nights:
        pin.configure(Night(config, run), args)  # a bad value is said now, not by the first task
    domains = [run.domain for run in nights]
    models = [*dict.fromkeys(filter(None, args.models.split(",")))]
    conf = {"ds": args.ds, "run": name, "domains": domains, "models": models, "top_k": args.top_k}
    if not Path(config.airflow).exists():
        raise InputError(f"there is no Airflow at {config.airflow}; `make setup` builds it, or set ENCORE_AIRFLOW")
    log = Path(config.airflow_home) / "logs" / "encore" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    prepare(config, log)
    print(f"night of {args.ds}: {', '.join(domains)} (run {name})", flush=True)
    try:
        with log.open("ab") as output, forkserver.running(output) as found:
            code, problems = follow(config, ["dags", "test", "nightly", "--conf", json.dumps(conf)], log, found)
    finally:
        spark_server.stop(config, name)
    if code and not problems:
        problems["airflow"] = (FAULT, f"ended with exit code {code}")
    return show(nights, problems, log)


def prepare(config: Settings, log: Path) -> None:
    """Makes Airflow's database and pools, once for each version of them."""
    versions = [file.read_bytes() for file in (POOLS, ROOT / "docker" / "airflow.lock") if file.exists()]
    wanted = hashlib.sha256(b"".join(versions)).hexdigest()
    stamp = Path(config.airflow_home) / "nightly.prepared"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"preparing Airflow in {config.airflow_home}", flush=True)
    for words in (["db", "migrate"], ["pools", "import", str(POOLS)]):
        with log.open("a") as output:
            done = subprocess.run([config.airflow, *words], env=environment(config), stdout=output, stderr=output)
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(words)} ended with exit code {done.returncode}; the log is {log}")
    stamp.write_text(wanted)


def environment(config: Settings) -> dict[str, str]:
    """Airflow's: this project's DAGs and nothing else, this very `encore`, and a database of its own.

    Its own, because a scheduler on the same database (`make up`) would run the night's tasks as well.
    """
    ours = {
        "AIRFLOW_HOME": config.airflow_home,
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{Path(config.airflow_home).resolve()}/nightly.db",
    }
    return {"ENCORE": str(Path(sys.executable).with_name("encore")), **os.environ, **ours}


class Progress:
    """Reads Airflow's lines: prints one for each task that ends, and keeps what ended badly."""

    def __init__(self) -> None:
        self.problems: Problems = {}
        self.since = time.monotonic()

    def read(self, line: str) -> None:
        """Takes one line of Airflow's log."""
        if not (found := MARK.search(line)):
            return
        task, state, reason = found.groups(default="")
        if state == "started":
            self.since = time.monotonic()
            return
        print(f"  {task:<28} {state:<8} {time.monotonic() - self.since:6.1f} s  {reason}".rstrip(), flush=True)
        self.problems.pop(task, None)
        if state in CODES and task.rpartition(".")[2] not in HARMLESS:
            self.problems[task] = (CODES[state], reason)


def follow(config: Settings, words: list[str], log: Path, found: Mapping[str, str]) -> tuple[int, Problems]:
    """Runs Airflow to its end, with what was `found` for its environment; returns its exit code and failed tasks."""
    progress = Progress()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be ended is to be interrupted
    with (
        log.open("ab", buffering=0) as output,
        subprocess.Popen(
            [config.airflow, *words],
            env=environment(config) | dict(found),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as airflow,
    ):
        try:
            for line in airflow.stdout or ():
                output.write(line)
                progress.read(line.decode(errors="replace"))
        except BaseException:
            airflow.send_signal(signal.SIGINT)  # its operator ends the running job
            with suppress(subprocess.TimeoutExpired):
                airflow.communicate(timeout=GRACE_SECONDS)
            airflow.kill()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    return airflow.returncode, progress.problems


def show(nights: list[Run], problems: Problems, log: Path) -> int:
    """Prints the reports of the published nights and the reasons of the others; returns the exit code."""
    refused = False
    for run in nights:
        entries = run.entries()
        for task, entry in entries.items():
            if entry.state == TaskState.FAILED and task not in HARMLESS:
                problems.pop("airflow", None)  # it failed because of this
                problems[f"{run.domain}.{task}"] = (entry.exit_code, entry.error or "")
            elif entry.state == TaskState.REFUSED:
                refused = True
                print(f"{run.domain}: {task} refused: {entry.error}; the lists of the last published night stay")
        if "publish" in entries and entries["publish"].state == TaskState.DONE:
            report.show(run.domain, run.ds, run.run_id)
        elif not problems:
            problems[f"{run.domain}.publish"] = (FAULT, "nothing was published")
    for task, (_, reason) in problems.items():
        print(f"error: {task}: {reason.removeprefix('error: ')}", file=sys.stderr)
    if problems:
        print(f"error: the night failed; its log is {log}", file=sys.stderr)
        return min(code for code, _ in problems.values())
    return REFUSED if refused else DONE
