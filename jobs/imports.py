"""Brings files of a known format into the landing folder, whole or not at all; the next night cleans them.

PATH is a folder, one file or a zip archive. The same files imported again change nothing. Formats:

{formats}

examples:
  encore import movielens ml-latest-small.zip --domain movies --ds 2018-09-24
  encore import csv plays.csv --domain music --ds 2024-05-01 --table interactions --kind play \\
      --map user_id=listener --map item_id=track --map value=count --map ts=day
  encore import demo --domain games --ds 2024-05-01
"""

import argparse
import importlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from jobs import settings
from jobs.errors import DONE, InputError
from jobs.night import iso_day
from jobs.sources import FORMATS
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder, open_folder
from jobs.sources.options import ALLOWED, Options, add_arguments, given
from jobs.sources.pictures import located
from jobs.sources.reading import Reading
from jobs.storage import files
from jobs.storage.landing import Batch, batch_facts, batch_name, new_batch
from jobs.storage.store_check import require_address
from schemas.domains import Domain


class _Parser(argparse.ArgumentParser):
    """Finds PATH after the options too, although it may be missing."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """The arguments, in any order."""
        return self.parse_intermixed_args(args, namespace)


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    formats = "\n".join(f"  {name:<11} {what}" for name, (_, what) in FORMATS.items())
    parser = _Parser(
        prog="encore import",
        description=(__doc__ or "").format(formats=formats),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("format", choices=list(FORMATS), metavar="FORMAT", help="one of: " + ", ".join(FORMATS))
    parser.add_argument("path", type=Path, nargs="?", metavar="PATH", help="a folder, a file or a zip archive")
    parser.add_argument("--domain", required=True, choices=settings.domain_names(), help="whose files these are")
    parser.add_argument("--ds", required=True, type=iso_day, metavar="YYYY-MM-DD", help="the night that cleans them")
    parser.add_argument("--replace", action="store_true", help="import again files that were imported in another way")
    add_arguments(parser)
    demo = parser.add_argument_group("demo")
    demo.add_argument("--seed", type=int, help="another seed, another company (default: 0)")
    demo.add_argument("--size", help="tiny, small (default) or large")
    return parser


def main(args: argparse.Namespace) -> int:
    """Imports the files and says what was imported, and what to do next."""
    place = settings.load()
    require_address("ENCORE_LANDING", place.landing)
    domain = place.domains[args.domain]
    said = _said(args)
    path = args.path or Path(place.state) / "demo" / domain.name
    if args.format == "demo":
        demo = importlib.import_module("jobs.sources.demo")
        demo.generate(path, domain, args.ds, since=_demo_until(place.landing, domain.name, args.ds), **said)
    first_day = date.fromisoformat(domain.first_day)
    options = Options(args.format, first_day=first_day, **({} if args.format == "demo" else said))
    with open_folder(path) as folder:
        readings = importlib.import_module(FORMATS[args.format][0]).readings(folder, options)
        _check_kinds(readings, domain, args.format)
        size = sum(folder.size(reading.file) for reading in readings)
        checksums = {file: folder.checksum(file) for reading in readings for file in (reading.file, *reading.lookups)}
        name = batch_name(checksums)
        address = f"{place.landing}/{domain.name}/{args.ds}/{name}"
        facts: dict[str, Any] = {"format": args.format, "options": said}
        if not args.replace and (earlier := batch_facts(address)):
            _same(earlier, facts, address)
            print(f"nothing to do: these {len(readings)} files were imported before, to {address}")
            return DONE
        with Watch(size) as watch, new_batch(place.landing, domain.name, args.ds, name, facts) as batch:
            for reading in readings:
                batch.add(reading.file, checksums[reading.file], reading.table, watch.rows(reading, folder))
            _check_unchanged(folder, checksums)
            facts["findings"] = {file: list(findings) for file, findings in watch.findings.items()}
    _report(batch, watch, address)
    print_unread(folder, checksums, args.format)
    print(f"next: encore nightly --domain {domain.name} --ds {args.ds}")
    return DONE


def _demo_until(landing: str, domain: str, ds: str) -> str | None:
    """The newest night before `ds` that the demo was imported for: the next import brings only the days since."""
    for night in reversed([night for night in files.folders(f"{landing}/{domain}") if night < ds]):
        batches = (f"{landing}/{domain}/{night}/{batch}" for batch in files.folders(f"{landing}/{domain}/{night}"))
        if any((batch_facts(batch) or {}).get("format") == "demo" for batch in batches):
            return night
    return None


def _said(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given; InputError for those of another format and for a missing PATH."""
    if args.path is None and args.format != "demo":
        raise InputError("PATH is missing: name the folder, the file or the zip archive to import")
    return given(args)


def _check_kinds(readings: list[Reading], domain: Domain, format: str) -> None:
    for reading in readings:
        kind = reading.constants.get("kind")
        if kind is not None and kind not in domain.kinds:
            raise InputError(
                f"{reading.file}: {format} gives interactions of kind {kind!r}, the domain {domain.name} knows: "
                f"{', '.join(domain.kinds)}; choose another --domain or --kind"
            )


def _same(earlier: Mapping[str, Any], facts: Mapping[str, Any], address: str) -> None:
    if {name: earlier.get(name) for name in facts} != facts:
        raise InputError(
            f"{address}: these files were imported before in another way ({earlier['format']} {earlier['options']}, "
            f"now {facts['format']} {facts['options']}); --replace imports them again"
        )


def _check_unchanged(folder: Folder, checksums: Mapping[str, str]) -> None:
    for file, checksum in checksums.items():
        if folder.checksum(file) != checksum:
            raise InputError(f"{folder.where(file)}: changed while it was read; import it again")


def _report(batch: Batch, watch: "Watch", address: str) -> None:
    for file in batch.files:
        print(f"{file.path:<24} {file.rows:>12,} rows → {file.table}")
        for finding in watch.findings[file.path]:
            print(f"    {finding}")
    rate = watch.count / max(watch.seconds, 1e-9)
    print(f"imported {len(batch.files)} files, {watch.count:,} rows, {rate:,.0f} rows/s, to {address}")


def print_unread(folder: Folder, read: Collection[str], form: str) -> None:
    """A line for every file of the folder that no table came from."""
    named = " named after a table (see --table)" if form in ALLOWED and form != "demo" else ""
    for name in folder.names:
        if name not in read:
            print(f"{name:<24} not imported: it is no file of the format {form}{named}")
    for name in folder.skipped:
        reason = "a folder" if name.endswith("/") else "left there by an operating system"
        print(f"{name:<24} not imported: {reason}")


class Watch:
    """Counts rows and shows a progress bar with rows, rows/s and the time left where stderr is a terminal.

    `size` is the stored size of all files in bytes, by which the time left is told.
    """

    def __init__(self, size: int) -> None:
        console = Console(stderr=True)
        rows = TextColumn("{task.fields[rows]}")
        columns = (TextColumn("{task.description}"), BarColumn(), rows, TimeRemainingColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.task = self.progress.add_task("import", total=size, rows="")
        self.count = 0
        self.findings: dict[str, Findings] = {}
        self.seconds = 0.0

    def __enter__(self) -> "Watch":
        """Starts the clock and the bar."""
        self.started = time.perf_counter()
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stops both."""
        self.seconds = time.perf_counter() - self.started
        self.progress.stop()

    def rows(self, reading: Reading, folder: Folder) -> Iterator[pa.RecordBatch]:
        """The reading's rows, watched."""
        before = 0
        self.progress.update(self.task, description=reading.file)
        for block, read in reading.rows(folder, self.findings.setdefault(reading.file, Findings())):
            yield located(block, folder)
            self.count += block.num_rows
            rate = self.count / (time.perf_counter() - self.started)
            self.progress.update(self.task, advance=read - before, rows=f"{self.count:,} rows, {rate:,.0f}/s")
            before = read
