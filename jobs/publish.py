"""Checks the night's tables against their contracts, then commits them, one transaction a table; `runs` comes last.

Readers of a table see all of a publication or none. Killed anywhere, the night is complete as it was before or as it is
now: the row in `runs` decides, and a second call commits the same files again.
"""

import argparse
import json
import logging
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from jobs import contracts, job
from jobs.errors import ContractError
from jobs.night import Attempt, Night, night_parser
from jobs.storage.frames import read, write
from jobs.storage.runs import DONE as TASK_DONE
from jobs.storage.runs import REFUSED
from schemas.tables import TABLES

log = logging.getLogger(__name__)
COMPLETE = "complete"
NEEDED = ("pin", "clean", "vocabulary", "item_similarity", "user_similarity", "sequences", "evaluate", "gate", "recommend")


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("publish", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("publish", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Checks, commits, completes."""
    require_done(night)
    written = {name for entry in night.run.entries().values() for name in entry.files}
    tonight = [name for name in TABLES if name in written and name != "runs"]
    contracts.check(night, tonight)
    commit(night, {name: night.tonight(name) for name in tonight})
    rows = {name: sum(entry.rows.get(name, 0) for entry in night.run.entries().values()) for name in tonight}
    complete(night, attempt, night.pin["trigger"], facts(night) | {"rows": json.dumps(rows)})


def require_done(night: Night) -> None:
    """Raises ContractError where a task that the night needs has not run or has failed.

    A model that failed to train is left out; where the gate refused there are no lists.
    """
    states = {task: entry.state for task, entry in night.run.entries().items()}
    refused = states.get("gate") == REFUSED
    for task in NEEDED[:-1] if refused else NEEDED:
        state = states.get(task)
        if state not in (TASK_DONE, REFUSED):
            raise ContractError(
                f"run {night.run.run_id} of {night.run.domain} {night.ds}: task {task} "
                f"{'has failed' if state else 'has not run'}; run it again. Nothing was published"
            )


def commit(night: Night, files: dict[str, list[str]]) -> None:
    """Replaces the night's partition of every table with `files`."""
    partition = {"domain": night.run.domain, "ds": night.ds}
    for name, paths in files.items():
        night.tables.replace(name, partition, paths, night.run.tag)
        log.info("published %s", name)


def complete(night: Night, attempt: Attempt, trigger: str, facts: dict[str, Any]) -> None:
    """Writes the row of `runs` that makes the night complete."""
    domain, run_id = night.run.domain, night.run.run_id
    earlier = night.tables.data_files("runs", night.tables.snapshots()["runs"], domain=domain)
    known = read([path for _, path in earlier], TABLES["runs"].schema, columns=["run_id", "sequence"]).to_pylist()
    sequence = 1 + max((row["sequence"] for row in known), default=0)
    refused = any(entry.state == REFUSED for entry in night.run.entries().values())
    row = {
        "domain": domain,
        "ds": night.ds,
        "run_id": run_id,
        "trigger": trigger,
        "state": REFUSED if refused else COMPLETE,
        "sequence": sequence,
        **facts,
    }
    path = write(pa.Table.from_pylist([row], schema=TABLES["runs"].schema), attempt.folder("runs"))
    night.tables.replace("runs", {"domain": domain, "ds": night.ds, "run_id": run_id}, [path], night.run.tag)
    log.info("night %s of %s is %s", night.ds, domain, row["state"])


def facts(night: Night) -> dict[str, Any]:
    """What `runs` keeps of the run's manifest."""
    tasks = {
        task: {"seconds": entry.seconds, "peak_mib": entry.peak_mib, "state": entry.state}
        for task, entry in night.run.entries().items()
    }
    return {
        "configuration": json.dumps(night.pin["configuration"]),
        "configuration_hash": night.pin["configuration_hash"],
        "code_version": version("encore"),
        "input_snapshots": json.dumps(night.pin["snapshots"]),
        "tasks": json.dumps(tasks),
    }
