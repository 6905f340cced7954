"""A run of one domain's night: a folder of its own, with the manifest that says which attempt of each task counts.

    <warehouse>/runs/<domain>/<ds>/<run>/manifest/<task>.json      replaced atomically, one writer each
                                        /<task>/<attempt>/<table>/*.parquet

The manifest is one small file a task, so that tasks that run side by side never write the same one.
"""

import argparse
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jobs.errors import InputError
from jobs.states import Publication
from jobs.storage import files
from schemas.names import TaskState, run_folder

MAX_RUN_ID = 250  # as Airflow has it


@dataclass(frozen=True)
class Entry:
    """Result of a task in the manifest. `files` and `rows` by table; `facts` are JSON values that later tasks need,
    `usage` is what it took of the machine (jobs/usage.py)."""

    task: str
    state: str
    attempt: str
    files: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mib: float = 0.0
    error: str | None = None
    exit_code: int = 0
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """The folder of a run and its manifest."""

    warehouse: str
    domain: str
    ds: str
    run_id: str

    @classmethod
    def of(cls, warehouse: str, publication: Publication) -> "Run":
        """The run that made a publication."""
        return cls(warehouse, publication.domain, publication.ds, publication.run_id)

    @property
    def address(self) -> str:
        """Where everything of the run lies."""
        return f"{self.warehouse}/runs/{self.domain}/{self.ds}/{self.run_id}"

    def tag(self, sequence: int) -> str:
        """Returns the tag, in every table, of the domain's `sequence`-th publication (`runs.sequence`)."""
        return f"{self.domain}.{self.ds}.{self.run_id}.{sequence}"

    def new_attempt(self, task: str) -> str:
        """A folder that no other attempt of any task has."""
        return f"{self.address}/{task}/{uuid.uuid4().hex[:12]}"

    def record(self, entry: Entry) -> None:
        """Makes `entry` the one that counts for its task."""
        files.write_bytes(f"{self.address}/manifest/{entry.task}.json", json.dumps(asdict(entry), indent=1).encode())

    def entry(self, task: str) -> Entry:
        """The entry of a task that is done; InputError where it is not."""
        entry = self.find(task)
        if entry is None or entry.state == TaskState.FAILED:
            state = "has failed" if entry else "has not run"
            raise InputError(f"run {self.run_id} of {self.domain} {self.ds}: task {task} {state}; run it first")
        return entry

    def find(self, task: str) -> Entry | None:
        """The entry of a task, whatever its state; None where it has not run."""
        content = files.read_bytes(f"{self.address}/manifest/{task}.json")
        return Entry(**json.loads(content)) if content else None

    def entries(self) -> dict[str, Entry]:
        """All entries by task."""
        manifests = files.listing(f"{self.address}/manifest", ".json")
        tasks = [address.rsplit("/", 1)[1].removesuffix(".json") for address in manifests]
        return {task: entry for task in tasks if (entry := self.find(task))}

    def files(self, table: str) -> list[str]:
        """The files of a table that this run wrote; InputError where no task that is done has written it."""
        entries = standing(self.entries())
        done = [
            entry.files[table] for entry in entries.values() if entry.state != TaskState.FAILED and table in entry.files
        ]
        if not done:
            raise InputError(f"run {self.run_id} of {self.domain} {self.ds}: no task has written {table}; run it first")
        return sorted(path for paths in done for path in paths)


def standing(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries, without the files of a table that another task has written anew.

    Such a task says so in its facts: `replaces`, table → the task that wrote it first.
    """
    anew = {
        (task, table)
        for entry in entries.values()
        if entry.state == TaskState.DONE
        for table, task in entry.facts.get("replaces", {}).items()
    }

    def kept(task: str, by_table: Mapping[str, Any]) -> dict[str, Any]:
        return {table: value for table, value in by_table.items() if (task, table) not in anew}

    return {
        task: replace(entry, files=kept(task, entry.files), rows=kept(task, entry.rows))
        for task, entry in entries.items()
    }


def run_name(text: str) -> str:
    """The folder of a run id, as an argument of a command; argparse's error for one that Airflow would not take."""
    if len(text) > MAX_RUN_ID:
        raise argparse.ArgumentTypeError(f"a run's id has {MAX_RUN_ID} characters at most, got {len(text)}")
    return run_folder(text)
