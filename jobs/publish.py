"""Checks the night's tables against their contracts, then commits them, one transaction a table; `runs` comes last.

Readers of a table see all of a publication or none. Killed anywhere, the night is complete as it was before or as it is
now: the row in `runs` decides, and a second call commits the same files again, as a publication with tags of its own.
"""

import argparse
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from jobs import contracts
from jobs.errors import ContractError, InputError
from jobs.night import Attempt, Night
from jobs.pin import WHOLE
from jobs.privacy.keys import require_rotated
from jobs.privacy.records import Records
from jobs.storage.frames import read, write
from jobs.storage.locks import alone
from jobs.storage.runs import Entry, Run, standing
from jobs.version import code_version
from schemas.names import HEADLINE, NightState, TaskState
from schemas.tables import TABLES

log = logging.getLogger(__name__)
Partitions = dict[str, list[str]]  # night → files
LISTS = "recommend"
FOR_USERS = (LISTS, "continuations")  # what a refused night keeps from being replaced
NEEDED = ("pin", "clean", "vocabulary", "item_similarity", "user_similarity", "sequences", "evaluate", "gate", LISTS)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Publishes the night: checks the contracts, commits each table, completes the row of `runs`."""
    Records(night.run.warehouse).require_finished(night.run.domain)
    require_rotated(night.run.warehouse, night.run.domain)
    entries = night.run.entries()
    require_done(night.run, entries)
    state = NightState.REFUSED if entries["gate"].state == TaskState.REFUSED else NightState.COMPLETE
    counted = {task: entry for task, entry in entries.items() if state == NightState.COMPLETE or task not in FOR_USERS}
    files, rows = collect_written(standing(counted))
    reason = entries["gate"].error or entries["gate"].facts.get("reason")
    columns = {"trigger": night.pin["trigger"], "state": state, "reason": reason, "rows": json.dumps(rows)}
    columns["catalogue"] = entries["clean"].facts.get("catalogue")
    with alone(night.tables, night.run.domain):
        last = night.tables.last_sequence(night.run.domain)
        left = read_previous(night, last)
        others = other_nights(night, left)
        contracts.check(night, files, others)
        sequence = last + 1
        commit(night, files, sequence, changes(night, left, others))
        complete(night, attempt, sequence, columns | facts(night, entries))
    night.read.update(files)
    attempt.committed = rows
    measured = read(files["metrics"], TABLES["metrics"].schema).to_pylist()
    attempt.facts["publication"] = publication(night, entries["gate"], measured, state, sequence)


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


def collect_written(entries: Mapping[str, Entry]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Collects table → files, and table → rows, of the tables that the tasks wrote; in the order of publication."""
    names = [name for name in TABLES if name != "runs" and any(name in entry.files for entry in entries.values())]
    files = {name: sorted(path for entry in entries.values() for path in entry.files.get(name, [])) for name in names}
    rows = {name: sum(entry.rows.get(name, 0) for entry in entries.values()) for name in names}
    return files, rows


def read_previous(night: Night, last: int) -> dict[str, Partitions]:
    """Reads the tables of input as the domain's last publication that ended, number `last`, left them: table → night →
    files."""
    tables, domain = night.tables, night.run.domain
    return {
        name: partitions(tables.data_files(name, tables.find_left(name, domain, last), domain=domain)) for name in WHOLE
    }


def partitions(files: Iterable[tuple[str, str]]) -> Partitions:
    """Returns night → files of a table's data files."""
    result: Partitions = {}
    for ds, path in files:
        result.setdefault(ds, []).append(path)
    return result


def other_nights(night: Night, left: Mapping[str, Partitions]) -> dict[str, Partitions]:
    """What the other nights' partitions become: as they were left, with what `clean` brought to them.

    InputError where a night that `clean` has changed was published anew since the run was pinned.
    """
    result = {}
    for name, nights in left.items():
        pinned = partitions(map(tuple, night.pin["history"].get(name, [])))
        amended = night.amended.get(name, {})
        for ds, paths in amended.items():
            if sorted(nights.get(ds, [])) not in (sorted(pinned.get(ds, [])), sorted(paths)):
                raise InputError(
                    f"table {name}: the night {ds} of {night.run.domain} was published anew since this run was pinned, "
                    "and this run changes it too; start a new run. Nothing was published"
                )
        result[name] = {ds: list(paths) for ds, paths in (nights | dict(amended)).items() if ds != night.ds}
    return result


def changes(night: Night, left: Mapping[str, Partitions], others: Mapping[str, Partitions]) -> dict[str, Partitions]:
    """The other nights' partitions that have to be committed, because they are not what they become: `clean` changed
    them, or a publication that was killed did."""
    result = {}
    for name, nights in others.items():
        now = partitions(night.tables.current_files(name, night.run.domain))
        every = {ds: nights.get(ds, []) for ds in {*nights, *now} - {night.ds}}
        result[name] = {ds: paths for ds, paths in every.items() if sorted(paths) != sorted(now.get(ds, []))}
    return result


def commit(
    night: Night, files: Mapping[str, list[str]], sequence: int, others: Mapping[str, Partitions] | None = None
) -> None:
    """Replaces the night's partition of every table with `files`, and those of other nights that change with it."""
    partition = {"domain": night.run.domain, "ds": night.ds}
    for name, paths in files.items():
        night.tables.replace(name, partition, paths, night.run.tag(sequence), (others or {}).get(name))
        log.info("published %s", name)


def complete(night: Night, attempt: Attempt, sequence: int, facts: dict[str, Any]) -> None:
    """Completes the night by writing its row of `runs`."""
    partition = {"domain": night.run.domain, "ds": night.ds, "run_id": night.run.run_id}
    row = {**partition, "sequence": sequence, **facts}
    path = write(pa.Table.from_pylist([row], schema=TABLES["runs"].schema), attempt.folder("runs"))
    night.tables.replace("runs", partition, [path], night.run.tag(sequence))
    log.info("night %s of %s is %s", night.ds, night.run.domain, facts["state"])


def publication(
    night: Night, gate: Entry, measured: Iterable[Mapping[str, Any]], state: NightState, sequence: int
) -> dict[str, Any]:
    """Returns what other teams are told: names, the snapshot of `recommendations`, the champion and its metrics.

    measured: the rows of `metrics`.
    """
    champion = gate.facts.get("champion")
    chosen = [row for row in measured if row["model"] == champion and row["segment"] == "all"]
    snapshot = night.tables.find_tagged("recommendations", night.run.tag(sequence))
    return {
        "domain": night.run.domain,
        "ds": night.ds,
        "run": night.run.run_id,
        "state": state,
        "champion": champion,
        "metrics": {row["metric"]: row["value"] for row in chosen if row["k"] in (0, HEADLINE[1])},
        "snapshot": snapshot and str(snapshot),  # greater than the numbers that all readers of JSON keep exactly
    }


def facts(night: Night, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Returns what `runs` keeps of the run's manifest."""
    tasks = {
        task: {"seconds": entry.seconds, "peak_mib": entry.peak_mib, "state": entry.state, **entry.usage}
        for task, entry in entries.items()
    }
    return {
        "configuration": json.dumps(night.pin["configuration"]),
        "configuration_hash": night.pin["configuration_hash"],
        "code_version": code_version(),
        "input_snapshots": json.dumps(night.pin["snapshots"]),
        "tasks": json.dumps(tasks),
    }
