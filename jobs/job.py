"""Runs one job of a night: measures it, records its outcome in the manifest, turns errors into exit codes."""

import argparse
import json
import logging
import os
import resource
import time
from collections.abc import Callable

from jobs import lineage, settings
from jobs.backend import set_up_keras
from jobs.commands import Job
from jobs.errors import DONE, FAULT, RefusedError, name_lost_server
from jobs.night import Attempt, Night, iso_day, open_night
from jobs.output import say
from jobs.storage.disk import explain
from jobs.storage.runs import Entry, run_name
from jobs.usage import Usage
from schemas.names import LINEAGE, TaskState

Compute = Callable[[Night, Attempt, argparse.Namespace], None]
XCOM_FACTS = ("champion", "publication")  # facts that a DAG decides by, or tells others
log = logging.getLogger(__name__)


def parser(job: Job, description: str | None) -> argparse.ArgumentParser:
    """Makes the argument parser of a job: the arguments of every job of a night, then its own."""
    parser = argparse.ArgumentParser(
        prog=f"encore {job.name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", required=True, choices=settings.domain_names(), help="whose night")
    parser.add_argument("--ds", required=True, type=iso_day, metavar="YYYY-MM-DD", help="the completed day")
    parser.add_argument("--run", required=True, type=run_name, help="the run's id, the same for all jobs of a night")
    for argument in job.arguments:
        parser.add_argument(argument.flag, **argument.options)
    return parser


def run(
    task: str, compute: Compute, args: argparse.Namespace, server: int | None = None, server_log: str = "its log"
) -> int:
    """Runs a job and records its attempt as the one that counts; prints one line of JSON for XCom.

    An error is recorded before it is raised, so that the run's manifest says why it ended. server: the process
    of the run's Spark server, for a job that uses it; server_log: the file that it writes.
    """
    deployment = settings.load()
    set_up_keras(deployment)
    night = open_night(deployment, args)
    attempt = Attempt(task, night.run.new_attempt(task))
    started, usage = time.perf_counter(), Usage(server)

    def record(state: TaskState, error: BaseException | None = None, exit_code: int = DONE) -> Entry:
        files, rows = attempt.list_written() if state != TaskState.FAILED else ({}, {})
        name = attempt.address.rsplit("/", 1)[1]
        seconds = round(time.perf_counter() - started, 3)
        text = str(error) if error else None
        used = usage.facts(attempt.facts)
        entry = Entry(task, state, name, files, rows, attempt.facts, seconds, peak_mib(), text, exit_code, used)
        night.run.record(entry)
        return entry

    try:
        compute(night, attempt, args)
        entry = record(TaskState.DONE)
    except RefusedError as refusal:
        record(TaskState.REFUSED, refusal, refusal.exit_code)
        raise
    except Exception as error:
        cause = name_lost_server(explain(error, night.run.warehouse), deployment.spark_remote, server_log)
        try:
            record(TaskState.FAILED, cause, getattr(cause, "exit_code", FAULT))
        except OSError as second:
            log.error("the failure could not be recorded in %s: %s", night.run.address, second)
        if cause is error:
            raise
        raise cause from error
    facts = {name: attempt.facts[name] for name in XCOM_FACTS if name in attempt.facts}
    if os.environ.get(LINEAGE):
        facts["lineage"] = lineage.lineage(night.read, entry.rows | attempt.committed)
    say(json.dumps({"task": task, "rows": entry.rows, "seconds": entry.seconds, **facts}))
    return DONE


def peak_mib() -> float:
    """Peak resident memory of this process and of its largest child, in MiB (Linux gives KiB)."""
    usage = (resource.getrusage(whose).ru_maxrss for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(sum(usage) / 1024, 1)
