"""One night through the Airflow DAG, without a scheduler, and then its report.

Airflow's own lines go to a log file; the terminal gets one line a task, and each domain's report as soon as it is
complete. The exit code comes from the manifests of the
domains' runs: what a failed job gave, 3 where a gate refused, 0 where everything is published.
"""

import argparse
import json
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from jobs import forkserver, pin, settings
from jobs.commands import CHOSEN, SPARK, TOP_K, tasks
from jobs.errors import DONE, FAULT, REFUSED, InputError
from jobs.local_airflow import HARMLESS, Problems, Progress, follow, prepare
from jobs.night import Night, iso_day, require_over
from jobs.output import complain, say
from jobs.report import viewer
from jobs.settings import domain_names
from jobs.spark import server as spark_server
from jobs.storage.runs import Run
from schemas.names import TaskState


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore nightly", description=__doc__)
    parser.add_argument(
        "--domain", required=True, action="append", choices=domain_names(), help="may be given several times"
    )
    parser.add_argument("--ds", required=True, type=iso_day, metavar="YYYY-MM-DD", help="the completed day")
    for argument in (TOP_K, CHOSEN):
        parser.add_argument(argument.flag, **argument.options)
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs the night, stops its Spark server whatever happens, and shows how it ended."""
    require_over(args.ds)
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
    say(f"night of {args.ds}: {', '.join(domains)} (run {name})")
    shown: set[str] = set()

    def ended(task: str) -> None:
        domain, _, last = task.partition(".")
        if last == "report":
            shown.update(run.domain for run in nights if run.domain == domain and show(run))

    progress = Progress(len(domains) * len(tasks(models)) + len(SPARK), ended)
    words = ["dags", "test", "nightly", "--use-executor", "--conf", json.dumps(conf)]
    try:
        with log.open("ab") as output, forkserver.running(output) as server:
            code, problems = follow(config, words, log, server, progress)
    finally:
        spark_server.stop(config, name)
    if code and not problems:
        problems["airflow"] = (FAULT, f"ended with exit code {code}; its last line: {progress.newest}")
    return close(nights, shown, problems, log)


def show(run: Run) -> bool:
    """Prints the report of a night that is published; whether it is."""
    entry = run.entries().get("publish")
    if entry is None or entry.state != TaskState.DONE:
        return False
    viewer.show(run.domain, run.ds, run.run_id)
    return True


def close(nights: list[Run], shown: Collection[str], problems: Problems, log: Path) -> int:
    """Prints the reports that are not `shown` yet, and the reasons where nothing is published; the exit code."""
    refused = False
    for run in nights:
        entries = run.entries()
        for task, entry in entries.items():
            if entry.state == TaskState.FAILED and task not in HARMLESS:
                problems.pop("airflow", None)  # it failed because of this
                problems[f"{run.domain}.{task}"] = (entry.exit_code, entry.error or "")
            elif entry.state == TaskState.REFUSED:
                refused = True
                say(f"{run.domain}: {task} refused: {entry.error}; the lists of the last published night stay")
        if run.domain not in shown and not show(run) and not problems:
            problems[f"{run.domain}.publish"] = (FAULT, "nothing was published")
    for task, (_, reason) in problems.items():
        complain(f"error: {task}: {reason.removeprefix('error: ')}")
    if problems:
        complain(f"error: the night failed; its log is {log}")
        return min(code for code, _ in problems.values())
    return REFUSED if refused else DONE
