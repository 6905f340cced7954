"""Brings files of a known format into the landing folder, whole or not at all; the next night cleans them.

PATH is a folder, one file or a zip archive. Every file becomes a delivery with a number (`encore deliveries ls`); the
same file again changes nothing. --mode says what it means where an event or a fact is there already
(docs/deliveries.md): append, it comes on top; correction, it takes the place of what older deliveries say; snapshot,
likewise, and what the import lacks is gone (items: unavailable). Formats:

{formats}

examples:
  encore import movielens ml-latest-small.zip --domain movies --ds 2018-09-24
  encore import csv plays.csv --domain music --ds 2024-05-01 --table interactions --kind play \\
      --map user_id=listener --map item_id=track --map value=count --map ts=day
  encore import demo --domain games --ds 2024-05-01
"""

import argparse
import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jobs import settings
from jobs.errors import DONE, InputError
from jobs.night import iso_day, require_begun
from jobs.output import in_one_line, say
from jobs.privacy.keys import chain_for_import, keep_keys
from jobs.privacy.landing import with_pseudonyms, without_example
from jobs.privacy.pseudonyms import Chain
from jobs.privacy.records import Refusal
from jobs.settings import Settings
from jobs.sources import FORMATS
from jobs.sources.folder import Folder, open_folder
from jobs.sources.options import ALLOWED, Options, add_arguments, given_options, local_path
from jobs.sources.reading import Reading
from jobs.sources.signatures import advice
from jobs.sources.watch import Watch
from jobs.storage.deliveries import APPEND, MODES, SNAPSHOT, Delivery, deliveries, identity, new_deliveries, withdraw
from jobs.storage.disk import explain
from jobs.storage.landing import Batch, lock_numbers, new_batch, require_landing
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
    parser.add_argument("path", type=local_path, nargs="?", metavar="PATH", help="a folder, a file or a zip archive")
    parser.add_argument("--domain", required=True, choices=settings.domain_names(), help="whose files these are")
    parser.add_argument("--ds", required=True, type=iso_day, metavar="YYYY-MM-DD", help="the night that cleans them")
    parser.add_argument("--mode", choices=MODES, default=APPEND, help="what the files are (default: append)")
    parser.add_argument(
        "--replace", action="store_true", help="withdraw earlier deliveries of these files and import them again"
    )
    parser.add_argument("--allow-erased", action="store_true", help="take rows of users who were erased")
    add_arguments(parser)
    demo = parser.add_argument_group("demo")
    demo.add_argument("--seed", type=int, help="another seed, another company (default: 0)")
    demo.add_argument("--size", help="tiny, small (default) or large")
    return parser


@dataclass(frozen=True)
class Plan:
    """What an import will bring: a reading for each file of the folder, and the delivery that it becomes.

    checksums: of every file that is read. options: as given on the command line.
    """

    folder: Folder
    readings: list[Reading]
    deliveries: list[Delivery]
    checksums: Mapping[str, str]
    options: Mapping[str, Any]


def main(args: argparse.Namespace) -> int:
    """Imports the files and says what was imported, and what to do next."""
    place = settings.load()
    require_begun(args.ds)
    require_landing(place)
    domain = place.domains[args.domain]
    options = _options(args)
    chain = chain_for_import(place, domain)
    path = args.path or Path(place.state) / "demo" / domain.name
    if args.format == "demo":
        _generate(path, place.landing, domain, args.ds, options)
    with open_folder(path) as folder:
        plan = make_plan(folder, domain, options, args)
        new, replaced = _new(plan.deliveries, place.landing, args)
        if not new:
            done = f"these {len(plan.deliveries)} files were imported before"
            say(f"nothing to do: {done}; `encore deliveries ls --domain {domain.name}` lists them")
            return DONE
        refusal = Refusal(place.warehouse, domain.name, not args.allow_erased, chain.forms)
        try:
            keep_keys(place.warehouse, domain.name, chain)
            batch, watch = land(plan, new, place, refusal, chain, args)
            withdrawn = withdraw(place.landing, domain.name, replaced)  # now that what replaces them is there
        except OSError as error:
            raise explain(error, place.landing) from error
        for old in withdrawn:
            say(f"withdrawn: delivery {old.number}, {in_one_line(old.path)} → {old.table}, for {old.ds}")
        _report(batch, watch, chain, [one for one in plan.deliveries if one not in new])
        print_unread(folder, plan.checksums, args.format)
    if refusal.rows:
        say(f"refused: {refusal.rows:,} rows of erased users (docs/privacy.md); --allow-erased takes them")
    say(f"next: encore nightly --domain {domain.name} --ds {args.ds}")
    return DONE


def make_plan(folder: Folder, domain: Domain, options: Mapping[str, Any], args: argparse.Namespace) -> Plan:
    """Finds the files of the format, and what each would be as a delivery; InputError for a kind the domain lacks."""
    chosen = {} if args.format == "demo" else options
    asked = Options(args.format, first_day=date.fromisoformat(domain.first_day), **chosen)
    readings = importlib.import_module(FORMATS[args.format][0]).readings(folder, asked)
    _check_kinds(readings, domain, args.format)
    checksums = {file: folder.checksum(file) for reading in readings for file in (reading.file, *reading.lookups)}
    deliveries = [_delivery(reading, checksums, options, args) for reading in readings]
    return Plan(folder, readings, deliveries, checksums, options)


def land(
    plan: Plan, new: list[Delivery], place: Settings, refusal: Refusal, chain: Chain, args: argparse.Namespace
) -> tuple[Batch, Watch]:
    """Writes the rows of the new deliveries into the landing folder, all of them or none; of erased users none, with
    pseudonyms where there are keys."""
    readings = [reading for reading, one in zip(plan.readings, plan.deliveries, strict=True) if one in new]
    name = identity("", {}, [one.identity for one in new])
    facts: dict[str, Any] = {"format": args.format, "options": plan.options, "mode": args.mode}
    watch = Watch(sum(plan.folder.size(reading.file) for reading in readings))
    lock = lock_numbers(place, args.domain)
    with watch, new_batch(place.landing, args.domain, args.ds, name, facts, lock) as batch:
        for reading, one in zip(readings, new, strict=True):
            rows = with_pseudonyms(refusal.drop_erased(watch.rows(reading, plan.folder)), one.table, chain)
            batch.add(one.path, one.checksum, one.table, rows, one.identity)
        _check_unchanged(plan.folder, plan.checksums)
        _check_snapshot(args.mode, batch.files)
        short = without_example if chain.keys else refusal.redact_example
        facts["findings"] = {file: [*map(short, some)] for file, some in watch.findings.items()}
    return batch, watch


def _check_snapshot(mode: str, files: Sequence[Delivery]) -> None:
    """InputError for a snapshot without a row, as an export that failed leaves it: all that is there would be gone."""
    for table in sorted({file.table for file in files}):
        if mode == SNAPSHOT and not sum(file.rows for file in files if file.table == table):
            paths = ", ".join(file.path for file in files if file.table == table)
            raise InputError(
                f"{paths}: a snapshot of {table} without rows, which would end all that is there; export it again, or "
                "withdraw the earlier deliveries (`encore deliveries withdraw`) if that is what is meant"
            )


def _generate(path: Path, landing: str, domain: Domain, ds: str, options: Mapping[str, Any]) -> None:
    """Writes the demo's files for a night: all days up to it, or those since the last night that has them."""
    demo = importlib.import_module("jobs.sources.demo")
    demo.generate(path, domain, ds, since=_demo_until(landing, domain.name, ds), **options)


def _delivery(
    reading: Reading, checksums: Mapping[str, str], options: Mapping[str, Any], args: argparse.Namespace
) -> Delivery:
    """What a file would be as a delivery."""
    fixed = {name: value for name, value in options.items() if name not in ("table", "columns", "kind", "seed", "size")}
    columns = {name: made.sources for name, made in reading.fields.items()}
    mapping = {"format": args.format, "columns": columns, "constants": dict(reading.constants), **fixed}
    bytes_of = [checksums[file] for file in (reading.file, *reading.lookups)]
    which = identity(reading.table, mapping, bytes_of)
    return Delivery(
        reading.file, checksums[reading.file], reading.table, 0, (), identity=which, ds=args.ds, mode=args.mode
    )


def _new(asked: list[Delivery], landing: str, args: argparse.Namespace) -> tuple[list[Delivery], list[int]]:
    """What has not arrived yet; with --replace everything, and the numbers of the deliveries that it replaces."""
    before = deliveries(landing, args.domain)
    if not args.replace:
        return new_deliveries(asked, before), []
    same = {(one.table, one.checksum) for one in asked}
    return asked, [d.number for d in before if (d.table, d.checksum) in same and d.number > 0 and not d.withdrawn]


def _demo_until(landing: str, domain: str, ds: str) -> str | None:
    """The newest night before `ds` that the demo was imported for: the next import brings only the days since."""
    earlier = [d for d in deliveries(landing, domain) if d.ds < ds and d.format == "demo" and not d.withdrawn]
    return max((d.ds for d in earlier), default=None)


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given; InputError for those of another format and for a missing PATH."""
    if args.path is None and args.format != "demo":
        raise InputError("PATH is missing: name the folder, the file or the zip archive to import")
    return given_options(args)


def _check_kinds(readings: list[Reading], domain: Domain, format: str) -> None:
    for reading in readings:
        kind = reading.constants.get("kind")
        if kind is not None and kind not in domain.kinds:
            raise InputError(
                f"{reading.file}: {format} gives interactions of kind {kind!r}, the domain {domain.name} knows: "
                f"{', '.join(domain.kinds)}; choose another --domain or --kind"
            )


def _check_unchanged(folder: Folder, checksums: Mapping[str, str]) -> None:
    for file, checksum in checksums.items():
        if folder.checksum(file) != checksum:
            raise InputError(f"{folder.where(file)}: changed while it was read; import it again")


def _report(batch: Batch, watch: Watch, chain: Chain, known: Sequence[Delivery]) -> None:
    for file in batch.files:
        say(f"{in_one_line(file.path):<24} {file.rows:>12,} rows → {file.table} (delivery {file.number})")
        for finding in watch.findings[file.path]:
            say(f"    {without_example(finding) if chain.keys else finding}")
    for one in known:
        say(f"{in_one_line(one.path):<24} was imported before")
    rate = watch.count / max(watch.seconds, 1e-9)
    say(f"imported {len(batch.files)} files, {watch.count:,} rows, {rate:,.0f} rows/s, to {batch.address}")


def print_unread(folder: Folder, read: Collection[str], form: str) -> None:
    """A line for every file of the folder that no table came from."""
    named = " named after a table (see --table)" if form in ALLOWED and form != "demo" else ""
    for name in folder.names:
        if name not in read:
            remedy = advice(name).removeprefix(f"{name}: ").rstrip(". ")
            say(f"{in_one_line(name):<24} not imported: {remedy or f'it is no file of the format {form}{named}'}")
    for name in folder.skipped:
        reason = "a folder" if name.endswith("/") else "left there by an operating system"
        say(f"{in_one_line(name):<24} not imported: {reason}")
