"""Rollback: publishes again what an earlier run of a (domain, ds) published; touches no other domain or night.

What came in stays as it is (files, rejected, held, replaced, interactions, reviews): later nights have added to it, and
`encore deliveries withdraw` takes a delivery back. So does the vocabulary: a row number is never given back.
"""

import json

from jobs.errors import InputError
from jobs.night import Attempt, Night
from jobs.pin import WHOLE
from jobs.publish import commit, complete
from jobs.settings import Settings
from jobs.storage.frames import read
from jobs.storage.locks import alone
from jobs.storage.runs import Run
from schemas.names import NightState
from schemas.tables import TABLES

CAME_IN = tuple(name for name in WHOLE if name not in ("items", "users"))
KEPT = ("state", "catalogue", "configuration", "configuration_hash", "code_version", "input_snapshots", "rows", "tasks")


def roll_back(settings: Settings, domain: str, ds: str, to: str) -> str:
    """Commits the files of run `to` again under a new run id, which it returns.

    Raises InputError where that run has not completed the night.
    """
    there = Night(settings, Run(settings.warehouse, domain, ds, to))
    there.tables.require_own()
    row = find_published(there)
    with alone(there.tables, domain) as require_alone:
        sequence = there.tables.last_sequence(domain) + 1
        night = Night(settings, Run(settings.warehouse, domain, ds, f"rollback-{sequence}"))
        night.tables.before_commit = require_alone
        commit(night, published_files(there, row), sequence)
        attempt = Attempt("rollback", night.run.new_attempt("rollback"))
        complete(night, attempt, sequence, {"trigger": f"rollback to {to}"} | {name: row[name] for name in KEPT})
    return night.run.run_id


def find_published(night: Night) -> dict[str, str]:
    """The row of `runs` of a run that completed the night; InputError that lists those there are."""
    paths = [path for _, path in night.tables.current_files("runs", night.run.domain, night.ds)]
    rows = read(paths, TABLES["runs"].schema).to_pylist()
    complete = {row["run_id"]: row for row in rows if row["state"] == NightState.COMPLETE}
    if publication := complete.get(night.run.run_id):
        return dict(publication)
    there = ", ".join(sorted(complete)) or "none"
    raise InputError(f"run {night.run.run_id} has not completed {night.run.domain} {night.ds}; there are: {there}")


def published_files(night: Night, row: dict[str, str]) -> dict[str, list[str]]:
    """Table → the files that the night's run published, as its row of `runs` tells."""
    tables, domain = night.tables, night.run.domain
    tag = night.run.tag(int(row["sequence"]))
    files = {
        name: tables.data_files(name, tables.find_tagged(name, tag), domain=domain, ds=night.ds)
        for name in json.loads(row["rows"])
        if name not in CAME_IN
    }
    for name in ("vocabulary", *CAME_IN):
        files[name] = tables.current_files(name, domain, night.ds)
    return {name: [path for _, path in entries] for name, entries in files.items()}
