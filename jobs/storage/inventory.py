"""Files below `runs/`, attempt by attempt, and whether their run still refers to them.

Snapshots tell which files a table refers to; a run's manifest tells which attempts count. What neither names is left
over: from an attempt that failed, was killed or was made again.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pyarrow import fs as arrow_fs

from jobs.storage.files import filesystem
from jobs.storage.frames import read
from jobs.storage.runs import Entry, Run
from schemas.names import TaskState
from schemas.tables import TABLES

GRACE_HOURS = 24.0


@dataclass(frozen=True)
class Stored:
    """A stored file: its address, its size and when it was written (UTC)."""

    address: str
    bytes: int
    written: datetime


@dataclass(frozen=True)
class Attempt:
    """The folder `<task>/<attempt>` of a run with all its files; the manifest's folder is one of them."""

    run: Run
    task: str
    name: str
    files: tuple[Stored, ...]

    @property
    def address(self) -> str:
        """The address of the folder."""
        return "/".join(filter(None, (self.run.address, self.task, self.name)))

    @property
    def written(self) -> datetime:
        """When its newest file was written."""
        return max(file.written for file in self.files)


@dataclass(frozen=True)
class RunFolder:
    """All that lies below a run's address."""

    run: Run
    attempts: tuple[Attempt, ...]

    @property
    def written(self) -> datetime:
        """When its newest file was written."""
        return max(attempt.written for attempt in self.attempts)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """The entries of the run's manifest."""
        return self.run.entries()

    @cached_property
    def named(self) -> frozenset[str]:
        """Addresses of the files that the manifest names: itself, the attempts that count, what they wrote."""
        counted = {(task, entry.attempt) for task, entry in self.entries.items() if entry.state != TaskState.FAILED}
        inside = {file.address for a in self.attempts if (a.task, a.name) in counted for file in a.files}
        manifest = {f"{self.run.address}/manifest/{task}.json" for task in self.entries}
        wrote = {path for entry in self.entries.values() for paths in entry.files.values() for path in paths}
        return frozenset(inside | manifest | wrote)

    def has_failed(self, attempt: Attempt) -> bool:
        """Whether the manifest says that the attempt has failed: nobody writes there any more."""
        entry = self.entries.get(attempt.task)
        return entry is not None and entry.state == TaskState.FAILED and entry.attempt == attempt.name

    @property
    def reads(self) -> frozenset[str]:
        """The files of other nights that the run has pinned: of tables with a whole state each night, the last one."""
        pin = self.entries.get("pin")
        result: set[str] = set()
        for table, history in (pin.facts.get("history", {}) if pin else {}).items():
            last = max((ds for ds, _ in history if ds < self.run.ds), default="")
            result |= {path for ds, path in history if ds == last or "ds" not in TABLES[table].key}
        return frozenset(result)


def owner(address: str) -> str:
    """The file that a file belongs to: a digest (<file>.keys, jobs/cleaning/keys.py) lives as long as its file."""
    return address.removesuffix(".keys")


def run_folders(warehouse: str) -> tuple[list[RunFolder], list[Stored]]:
    """Every run below a warehouse, sorted, and the files that belong to none."""
    attempts: dict[tuple[str, str, str, str, str], list[Stored]] = defaultdict(list)
    strays = []
    for file in _list_stored(f"{warehouse}/runs"):
        parts = file.address.removeprefix(f"{warehouse}/runs/").split("/")
        if len(parts) < 4:
            strays.append(file)
            continue
        domain, ds, run_id, *rest = parts
        task, attempt = rest[0] if len(rest) > 1 else "", rest[1] if len(rest) > 2 else ""
        attempts[domain, ds, run_id, task, attempt].append(file)
    runs: dict[Run, list[Attempt]] = defaultdict(list)
    for (domain, ds, run_id, task, attempt), files in sorted(attempts.items()):
        run = Run(warehouse, domain, ds, run_id)
        runs[run].append(Attempt(run, task, attempt, tuple(files)))
    return [RunFolder(run, tuple(attempt_folders)) for run, attempt_folders in runs.items()], strays


def _list_stored(folder: str) -> list[Stored]:
    fs, path = filesystem(folder)
    entries = fs.get_file_info(arrow_fs.FileSelector(path, allow_not_found=True, recursive=True))
    files = (info for info in entries if info.type == arrow_fs.FileType.File)
    epoch = datetime.fromtimestamp(0, UTC)
    return sorted(
        (Stored(folder + file.path[len(path) :], file.size, file.mtime or epoch) for file in files),
        key=lambda file: file.address,
    )


def artifacts(models: Iterable[str]) -> tuple[str, ...]:
    """Addresses of the folders, each with its last slash, that the rows of some files of `models` name."""
    there = [path for path in sorted(models) if _is_file(*filesystem(path))]
    rows = read(there, TABLES["models"].schema, columns=["artifact"])["artifact"].to_pylist()
    return tuple(sorted({f"{address}/" for address in rows if address}))


def _is_file(fs: arrow_fs.FileSystem, path: str) -> bool:
    return bool(fs.get_file_info(path).type == arrow_fs.FileType.File)


def delete(addresses: Iterable[str], root: str) -> None:
    """Removes files, and on a local disk the folders below `root` that this leaves empty."""
    top = Path(filesystem(root)[1])
    for address in addresses:
        fs, path = filesystem(address)
        with suppress(FileNotFoundError):
            fs.delete_file(path)
        if isinstance(fs, arrow_fs.LocalFileSystem):
            with suppress(OSError):  # not empty
                for parent in Path(path).parents:
                    if parent == top:
                        break
                    parent.rmdir()


def hours(text: str, unit: str = "hours") -> float:
    """A number of hours (or of another unit), 0 or more; argparse's error otherwise."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 {unit} or more, got {text}")
    return value
