"""Freshness of each domain: its last complete night, when it was published, what it holds, and whether it is too old.

A night's age is counted from the end of its day (UTC) to now. Exit code 1: a night is older than the limit.
"""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta

from jobs import settings
from jobs.errors import DONE, FAULT, InputError
from jobs.night import published_domain
from jobs.output import complain, say, show_json
from jobs.report.prometheus import exposition
from jobs.states import Publication
from jobs.storage.files import write_bytes
from jobs.storage.inventory import hours
from jobs.storage.runs import Run
from jobs.storage.sql import open_tables
from jobs.storage.upkeep import Upkeep
from jobs.terminal import grid, show

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Status:
    """The last complete night of a domain. Without one, only the domain is known."""

    domain: str
    ds: str | None = None
    run_id: str | None = None
    committed: datetime | None = None
    age_hours: float | None = None
    rows: dict[str, int] | None = None

    def problem(self, limit_hours: float) -> str | None:
        """Why the domain is not fresh; None where it is."""
        if self.age_hours is None:
            return f"{self.domain}: there is no complete night"
        if self.age_hours <= limit_hours:
            return None
        return (
            f"{self.domain}: the last complete night is {self.ds}, {self.age_hours:.1f} hours old, "
            f"over the limit of {limit_hours:g} hours"
        )


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore status", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--domain",
        action="append",
        type=published_domain,
        help="may be given several times; a domain that is named must have a complete night (default: all that have)",
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--max-age-hours", type=hours, metavar="N", help="exit 1 where a night is older")
    limit.add_argument("--max-age-days", type=days, metavar="N", help="the same in days")
    parser.add_argument(
        "--format", choices=("table", "json", "prometheus"), default="table",
        help="prometheus: metrics of all domains in Prometheus' text form (docs/monitoring.md)",
    )  # fmt: skip
    parser.add_argument("--to", metavar="FILE", help="write the metrics to a file, whole or not at all")
    return parser


def main(args: argparse.Namespace) -> int:
    """Prints the state of every domain; with a limit, reports those that are too old."""
    config = settings.load()
    tables = Upkeep(config)
    tables.check_format()
    if args.format == "prometheus":
        text = exposition(tables, args.domain or config.domains)
        if args.to:
            _write(args.to, text)
        else:
            say(text.removesuffix("\n"))
        return DONE
    if args.to:
        raise InputError("--to needs --format prometheus")
    states = statuses(tables, args.domain, config.domains, datetime.now(UTC))
    if args.format == "json":
        show_json([asdict(status) for status in states])
    else:
        show_statuses(states)
    limit = args.max_age_hours if args.max_age_days is None else args.max_age_days * 24
    if limit is None:
        return DONE
    watched = [status for status in states if args.domain or status.ds]
    problems = [problem for status in watched if (problem := status.problem(limit))]
    if not watched:
        problems = ["no domain has a complete night"]
    if problems:  # one line, which is what a scheduler shows as the reason
        complain(f"error: {'; '.join(problems)}")
    return FAULT if problems else DONE


def days(text: str) -> float:
    """A number of days, 0 or more; argparse's error otherwise."""
    return hours(text, "days")


def _write(file: str, text: str) -> None:
    try:
        write_bytes(f"file://{os.path.realpath(file)}", text.encode())
    except OSError as error:
        raise InputError(f"--to {file}: cannot be written ({error}); name a file in a folder of your own") from error


def statuses(tables: Upkeep, asked: Sequence[str] | None, configured: Iterable[str], now: datetime) -> list[Status]:
    """The last complete night as of `now` of each domain asked for, else of all that are configured or published."""
    with open_tables(tables) as db:
        nights = db.execute(
            "SELECT domain, ds, run_id, sequence, rows FROM runs SEMI JOIN latest USING (domain, ds, run_id, sequence)"
        ).fetchall()
    known = {}
    for domain, ds, run_id, sequence, rows in nights:
        night = Publication(domain, ds, run_id, sequence)
        committed = tables.read_commit_time("runs", Run.of(tables.warehouse, night).tag(sequence))
        known[domain] = Status(domain, ds, run_id, committed, age_hours(ds, now), json.loads(rows))
    domains = dict.fromkeys(asked or [*configured, *sorted(known)])
    return [known.get(domain, Status(domain)) for domain in domains]


def age_hours(ds: str, now: datetime) -> float:
    """Hours from the end of the day `ds` (UTC) to `now`."""
    end = datetime.combine(date.fromisoformat(ds) + timedelta(days=1), time(), UTC)
    return round((now - end) / HOUR, 2)


def show_statuses(statuses: Sequence[Status]) -> None:
    """Prints statuses on a terminal: one line a domain, then the rows of each table."""
    nights = [
        (s.domain, s.ds, s.committed and f"{s.committed:%Y-%m-%d %H:%M:%S}", s.age_hours, s.run_id)
        if s.ds
        else (s.domain, "no complete night")
        for s in statuses
    ]
    show(grid("last complete nights", ("domain", "ds", "published (UTC)", "age in hours", "run"), nights))
    complete = {s.domain: s.rows or {} for s in statuses if s.ds}
    names = dict.fromkeys(name for rows in complete.values() for name in rows)
    counts = [(name, *(f"{rows.get(name, 0):,}" for rows in complete.values())) for name in names]
    show(grid("rows of the night", ("table", *complete), counts))
