"""One domain's night, as every job sees it: what it reads, how it is configured, where an attempt writes."""

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.errors import InputError
from jobs.settings import Settings, build, domain_names, override
from jobs.states import PUBLISHED, Publication, last_complete
from jobs.storage import files
from jobs.storage.frames import read
from jobs.storage.runs import Run
from schemas.domains import Domain
from schemas.names import NAME, TaskState
from schemas.tables import TABLES

if TYPE_CHECKING:
    from jobs.storage.catalog import Tables


@dataclass
class Attempt:
    """One attempt of a task: its folder, and the facts that it records."""

    task: str
    address: str
    facts: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)  # table → files of earlier runs that stay
    committed: dict[str, int] = field(default_factory=dict)  # table → rows of what it has published

    def folder(self, table: str) -> str:
        """Where the Parquet files of a table go; one folder a table."""
        return f"{self.address}/{table}"

    def list_written(self) -> tuple[dict[str, list[str]], dict[str, int]]:
        """The Parquet files with rows, and the number of rows, by table."""
        paths: dict[str, list[str]] = {}
        rows: dict[str, int] = {}
        for table in dict.fromkeys([*files.folders(self.address), *self.kept]):
            own = files.listing(self.folder(table), ".parquet")
            parts = list(files.nonempty(own + self.kept.get(table, [])))
            paths[table] = [path for path, _ in parts]
            rows[table] = sum(count for _, count in parts)
        return paths, rows


@dataclass(frozen=True)
class Night:
    """A domain, a day and a run. Reads only what its manifest pinned, and only nights up to its own."""

    settings: Settings
    run: Run
    read: set[str] = field(default_factory=set, compare=False)  # tables whose files the job has asked for

    @property
    def ds(self) -> str:
        """The completed day that the night is about."""
        return self.run.ds

    @cached_property
    def tables(self) -> "Tables":
        """The published tables, for the jobs that pin and publish; the others find what they read in the pin."""
        from jobs.storage.catalog import Tables  # PyIceberg takes a second to import, most jobs do without

        return Tables(self.settings)

    @cached_property
    def pin(self) -> Mapping[str, Any]:
        """What the first task pinned: snapshots, inputs, configuration, seed."""
        return self.run.entry("pin").facts

    @cached_property
    def domain(self) -> Domain:
        """The domain with the settings of this run."""
        return pinned_domain(self.pin["configuration"]["domain"], self.run.domain, self.settings)

    @property
    def models(self) -> list[str]:
        """The models that this run trains."""
        return list(self.pin["configuration"]["models"])

    def model_settings(self, model: str) -> dict[str, Any]:
        """Overrides of a model's settings."""
        return dict(self.pin["configuration"]["model_settings"].get(model, {}))

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return int(self.pin["configuration"]["seed"])

    def tonight(self, table: str) -> list[str]:
        """Files of a table that this run wrote."""
        self.read.add(table)
        return self.run.files(table)

    def history(self, table: str) -> list[str]:
        """Files of a published table from nights before this one."""
        return [path for _, path in self._list_pinned(table, before=self.ds)]

    @cached_property
    def last_complete(self) -> Publication | None:
        """The last complete night before this one, as the run pinned it."""
        rows = read(self.history("runs"), TABLES["runs"].schema, PUBLISHED)
        return last_complete(rows.to_pylist(), self.run.domain, before=self.ds)

    def history_by_night(self, table: str) -> list[tuple[str, str]]:
        """(night, file) of a published table from nights before this one."""
        return self._list_pinned(table, before=self.ds)

    def every_night(self, table: str) -> list[str]:
        """Files of a published table whatever their night: for the vocabulary, whose rows are given once for all."""
        return [path for _, path in self._list_pinned(table)]

    def later_nights(self, table: str) -> list[str]:
        """Files of a published table from nights after this one: what an old night meets when it runs again."""
        return [path for ds, path in self._list_pinned(table) if ds > self.ds]

    def last_night(self, table: str) -> list[str]:
        """Files of the newest earlier night that published the table; for tables that hold a whole state each night."""
        nights = self._list_pinned(table, before=self.ds)
        return [path for ds, path in nights if ds == nights[-1][0]]

    @cached_property
    def amended(self) -> Mapping[str, Mapping[str, list[str]]]:
        """Table → other night → its files, of the nights to which `clean` brought news tonight."""
        clean = self.run.find("clean")
        return clean.facts.get("amended", {}) if clean and clean.state == TaskState.DONE else {}

    def _list_pinned(self, table: str, before: str | None = None) -> list[tuple[str, str]]:
        amended = self.amended.get(table, {})
        files = [(ds, path) for ds, path in self.pin["history"][table] if ds not in amended]
        files += [(ds, path) for ds, paths in amended.items() for path in paths]
        wanted = sorted((ds, path) for ds, path in files if before is None or ds < before)
        self.read.update([table] if wanted else [])
        return wanted


def fingerprint(configuration: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration, whatever the order of its settings."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()


def resolve(domain: Domain, models: list[str], model_settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run as JSON values: everything that may be overridden, with the value that holds."""
    return {"domain": asdict(domain), "models": models, "model_settings": dict(model_settings), "seed": 0}


def pinned_domain(values: Mapping[str, Any], name: str, settings: Settings) -> Domain:
    """The domain of a run by what the run pinned, whatever its file says today, or if it is gone.

    Where the run pinned no kinds, as an older Encore did, name, verb and kinds are today's.
    """
    if "kinds" in values:
        return build(Domain, values, f"domains.{name}")
    if name not in settings.domains:
        raise InputError(f"there is no domain {name!r} any more; ENCORE_DOMAINS names the folder of its TOML file")
    return override(settings.domains[name], values, f"domains.{name}")


def published_domain(text: str) -> str:
    """The name of a domain for commands that read: its tables can be read when its TOML file is gone."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no domain; there are: {', '.join(domain_names())}")
    return text


def iso_day(text: str) -> str:
    """A day as YYYY-MM-DD; argparse's error otherwise."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day YYYY-MM-DD (a manual trigger must fill in the date)")
    return text


def require_over(ds: str) -> None:
    """InputError for a day that is not over (UTC): its night would be the last complete one until then."""
    today = datetime.now(UTC).date().isoformat()
    if ds >= today:
        raise InputError(f"--ds {ds} is not over (today is {today}, UTC); give a day before today")


def open_night(settings: Settings, args: argparse.Namespace) -> Night:
    """The night that a job's arguments name."""
    if not args.run:
        raise InputError("--run must not be empty; give the run a name")
    return Night(settings, Run(settings.warehouse, args.domain, args.ds, args.run))


def require_begun(ds: str) -> None:
    """InputError for a day that has begun nowhere on earth: no file can be of it."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    if ds > tomorrow:
        raise InputError(f"--ds {ds} has not begun (tomorrow is {tomorrow}, UTC); give the day that the files are of")
