"""Checks the night's tables against their contracts, then commits them, one transaction a table; `runs` comes last.

Readers of a table see all of a publication or none. Killed anywhere, the night is complete as it was before or as it is
now: the row in `runs` decides, and a second call commits the same files again, as a publication with tags of its own.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from jobs import contracts
from jobs.errors import ContractError
from jobs.night import Attempt, Night
from jobs.states import NightState, TaskState
from jobs.storage.frames import read, write
from jobs.storage.runs import Entry, Run, standing
from jobs.version import code_version
from schemas.tables import TABLES

log = logging.getLogger(__name__)
LISTS = "recommend"
FOR_USERS = (LISTS, "continuations")  # what a refused night keeps from being replaced
NEEDED = ("pin", "clean", "vocabulary", "item_similarity", "user_similarity", "sequences", "evaluate", "gate", LISTS)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Checks, commits, completes."""
    entries = night.run.entries()
    require_done(night.run, entries)
    state = NightState.REFUSED if entries["gate"].state == TaskState.REFUSED else NightState.COMPLETE
    counted = {task: entry for task, entry in entries.items() if state == NightState.COMPLETE or task not in FOR_USERS}
    files, rows = written(standing(counted))
    contracts.check(night, files)
    sequence = next_sequence(night)
    commit(night, files, sequence)
    reason = entries["gate"].error or entries["gate"].facts.get("reason")
    told = {"trigger": night.pin["trigger"], "state": state, "reason": reason, "rows": json.dumps(rows)}
    complete(night, attempt, sequence, told | facts(night, entries))


def require_done(run: Run, entries: Mapping[str, Entry]) -> None:
    """Raises ContractError where a task that the night needs has not run or has failed.

    A model that failed to train is left out; where the gate refused there are no lists.
    """
    refused = "gate" in entries and entries["gate"].state == TaskState.REFUSED
    for task in NEEDED:
        state = entries[task].state if task in entries else None
        if state not in (TaskState.DONE, TaskState.REFUSED) and not (refused and task == LISTS):
            raise ContractError(
                f"run {run.run_id} of {run.domain} {run.ds}: task {task} "
                f"{'has failed' if state else 'has not run'}; run it again. Nothing was published"
            )


def written(entries: Mapping[str, Entry]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Table → files, and table → rows, of the tables that the tasks wrote; in the order of publication."""
    names = [name for name in TABLES if name != "runs" and any(name in entry.files for entry in entries.values())]
    files = {name: sorted(path for entry in entries.values() for path in entry.files.get(name, [])) for name in names}
    rows = {name: sum(entry.rows.get(name, 0) for entry in entries.values()) for name in names}
    return files, rows


def next_sequence(night: Night) -> int:
    """The number of the domain's next publication."""
    paths = [path for _, path in night.tables.current_files("runs", night.run.domain)]
    return 1 + max(read(paths, TABLES["runs"].schema, columns=["sequence"])["sequence"].to_pylist(), default=0)


def commit(night: Night, files: dict[str, list[str]], sequence: int) -> None:
    """Replaces the night's partition of every table with `files`."""
    partition = {"domain": night.run.domain, "ds": night.ds}
    for name, paths in files.items():
        night.tables.replace(name, partition, paths, night.run.tag(sequence))
        log.info("published %s", name)


def complete(night: Night, attempt: Attempt, sequence: int, facts: dict[str, Any]) -> None:
    """Writes the row of `runs` that makes the night complete."""
    partition = {"domain": night.run.domain, "ds": night.ds, "run_id": night.run.run_id}
    row = {**partition, "sequence": sequence, **facts}
    path = write(pa.Table.from_pylist([row], schema=TABLES["runs"].schema), attempt.folder("runs"))
    night.tables.replace("runs", partition, [path], night.run.tag(sequence))
    log.info("night %s of %s is %s", night.ds, night.run.domain, facts["state"])


def facts(night: Night, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What `runs` keeps of the run's manifest."""
    tasks = {
        task: {"seconds": entry.seconds, "peak_mib": entry.peak_mib, "state": entry.state}
        for task, entry in entries.items()
    }
    return {
        "configuration": json.dumps(night.pin["configuration"]),
        "configuration_hash": night.pin["configuration_hash"],
        "code_version": code_version(),
        "input_snapshots": json.dumps(night.pin["snapshots"]),
        "tasks": json.dumps(tasks),
    }
