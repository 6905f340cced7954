"""Publishes again what an earlier run of a (domain, ds) published; touches no other domain or night."""

import json
import time

from jobs.errors import InputError
from jobs.night import Attempt, Night
from jobs.publish import commit, complete
from jobs.settings import Settings
from jobs.storage.frames import read
from jobs.storage.runs import Run
from schemas.tables import TABLES


def roll_back(settings: Settings, domain: str, ds: str, to: str) -> str:
    """Commits the files of run `to` again under a new run id, which it returns.

    Raises InputError where that run published nothing for the night.
    """
    row = published(settings, domain, ds, to)
    number = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    night = Night(settings, Run(settings.warehouse, domain, ds, f"rollback-{number}-{to}"[:128]))
    tables = night.tables
    earlier = {
        name: [p for _, p in tables.data_files(name, tables.tagged(name, f"{domain}.{ds}.{to}"), domain=domain, ds=ds)]
        for name in json.loads(row["rows"])
    }
    commit(night, earlier)
    attempt = Attempt("rollback", night.run.new_attempt("rollback"))
    kept = ("configuration", "configuration_hash", "code_version", "input_snapshots", "rows", "tasks")
    complete(night, attempt, f"rollback to {to}", {name: row[name] for name in kept})
    return night.run.run_id


def published(settings: Settings, domain: str, ds: str, run_id: str) -> dict[str, str]:
    """The row of `runs` of a publication; InputError that lists those there are."""
    night = Night(settings, Run(settings.warehouse, domain, ds, run_id))
    files = night.tables.data_files("runs", night.tables.snapshots()["runs"], domain=domain, ds=ds)
    rows = {row["run_id"]: row for row in read([path for _, path in files], TABLES["runs"].schema).to_pylist()}
    if run_id not in rows:
        there = ", ".join(sorted(rows)) or "none"
        raise InputError(f"run {run_id} published nothing for {domain} {ds}; there are: {there}")
    return rows[run_id]
