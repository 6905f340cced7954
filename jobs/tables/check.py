"""Consistency check of warehouse and catalog. One line for each finding, exit code 1; 0 where nothing is found.

Findings: a file that a table refers to and that is missing or has another number of rows; a model whose artifact is
missing; events or reviews that stand twice, in whatever nights; a night that `runs` calls complete and whose tag a
table lacks; a tag without its row in `runs`; files below
`runs/` that no table, tag or manifest refers to (orphans, as failed attempts leave them); a format that this Encore
does not read.

No finding: attempts of published runs that were made again or failed on the way (`encore tables expire` removes them),
and what an unpublished run wrote less than --grace-hours ago: it may be under way.
"""

import argparse
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs import settings
from jobs.cleaning.unique import GROWING, shared_keys
from jobs.contracts import SHOWN
from jobs.errors import DONE, FAULT, InputError
from jobs.output import show_json
from jobs.storage.files import parquet_rows, read_bytes, require_folder
from jobs.storage.frames import read
from jobs.storage.inventory import GRACE_HOURS, RunFolder, artifacts, hours, owner, run_folders
from jobs.storage.runs import Run
from jobs.storage.upkeep import State, Upkeep
from jobs.terminal import show, size
from schemas.names import NAME, NightState
from schemas.tables import TABLES


@dataclass(frozen=True)
class Finding:
    """What is wrong with which thing; `bytes` where it takes space. A `remark` is worth knowing and no fault."""

    kind: str
    thing: str
    detail: str
    bytes: int = 0
    remark: bool = False

    def __str__(self) -> str:
        """One line."""
        return f"{self.kind}: {self.thing}: {self.detail}" + (f" ({size(self.bytes)})" if self.bytes else "")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore tables check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument(
        "--grace-hours",
        type=hours,
        default=GRACE_HOURS,
        metavar="N",
        help=f"what is younger may belong to a night under way (default: {GRACE_HOURS:g})",
    )
    return parser


def main(args: argparse.Namespace) -> int:
    """Prints what is found."""
    tables = Upkeep(settings.load())
    require_folder("ENCORE_WAREHOUSE", tables.warehouse)
    if read_bytes(f"{tables.warehouse}/format.json") is None:
        tables.check_format()  # there is no warehouse: nothing to find anything in
    problems = [*check(tables, datetime.now(UTC) - timedelta(hours=args.grace_hours))]
    findings = [finding for finding in problems if not finding.remark]
    if args.format == "json":
        show_json({"findings": list(map(asdict, findings)), "remarks": [asdict(f) for f in problems if f.remark]})
    else:
        show(*map(str, findings))
        remarks = [finding for finding in problems if finding.remark]
        if remarks:
            show(f"no fault: {len(remarks)} leftovers or attempts under way, {size(sum(f.bytes for f in remarks))}")
        show(f"{len(findings)} findings in {tables.warehouse}")
    return FAULT if findings else DONE


def check(tables: Upkeep, since: datetime) -> Iterator[Finding]:
    """Finds all problems and remarks; what was written after `since` may belong to a night under way."""
    try:
        tables.check_format()
    except (InputError, ValueError, KeyError) as error:
        yield Finding("format", tables.warehouse, str(error))
        return
    states: dict[str, State] = {}
    for name in TABLES:
        try:
            states[name] = tables.state(name)
        except OSError as error:
            yield Finding("metadata", f"table {name}", f"{error}; restore the file or a backup of the catalog")
    folders, strays = run_folders(tables.warehouse)  # after the tables: whatever they refer to is there by now
    there = {file.address for folder in folders for attempt in folder.attempts for file in attempt.files}
    bad = {finding.thing: finding for name, state in states.items() for finding in unsound_files(name, state, there)}
    yield from bad.values()
    if states.keys() < TABLES.keys():
        return  # nobody can tell what the other tables refer to
    rows = published_runs(tables.warehouse, states["runs"], bad.keys())
    yield from tags(tables.warehouse, states, rows, since)
    yield from lost_artifacts(states["models"], bad.keys(), there)
    yield from shared_row_keys(states, bad.keys())
    yield from orphan_attempts(states, folders, rows, since)
    yield from (Finding("orphan", file.address, "it belongs to no run; remove it", file.bytes) for file in strays)


def unsound_files(name: str, state: State, there: Collection[str]) -> Iterator[Finding]:
    """Finds files that a table refers to and that are missing, damaged or others."""
    for file in sorted(state.every, key=lambda file: file.path):
        if file.path not in there:
            yield Finding("missing", file.path, f"table {name} refers to it, with {file.rows} rows")
            continue
        try:
            rows = parquet_rows(file.path)
        except InputError as error:
            yield Finding("damaged", file.path, f"table {name} refers to it: {error}")
            continue
        if rows != file.rows:
            yield Finding("rows", file.path, f"table {name} knows {file.rows} rows, the file has {rows}")


def published_runs(warehouse: str, runs: State, bad: Collection[str]) -> dict[Run, dict[str, Any]]:
    """The rows of `runs` that can be read, by run."""
    rows = read(sorted(file.path for file in runs.now if file.path not in bad), TABLES["runs"].schema).to_pylist()
    return {Run(warehouse, row["domain"], row["ds"], row["run_id"]): row for row in rows}


def lost_artifacts(models: State, bad: Collection[str], there: Collection[str]) -> Iterator[Finding]:
    """Finds artifacts that a row of `models` names and that are not there."""
    for artifact in artifacts(file.path for file in models.every if file.path not in bad):
        if not any(address.startswith(artifact) for address in there):
            yield Finding("missing", artifact, "table models names it as the artifact of a model")


def shared_row_keys(states: Mapping[str, State], bad: Collection[str]) -> Iterator[Finding]:
    """Finds keys that stand twice in a table, over all nights of a domain, as they are checked at publication."""
    for name in GROWING:
        for domain in sorted({file.partition[0] for file in states[name].now}):
            paths = sorted(f.path for f in states[name].now if f.partition[0] == domain and f.path not in bad)
            count, first = shared_keys(TABLES[name], paths, SHOWN)
            if count:
                text = f"rows share {count:,} keys, for example {'; '.join(map(str, first))}"
                yield Finding("key", f"table {name}, {domain}", text)


def tags(
    warehouse: str, states: Mapping[str, State], rows: Mapping[Run, dict[str, Any]], since: datetime
) -> Iterator[Finding]:
    """Finds tags without their publication, and complete nights without their tags.

    A run that was published again has tags of both times and one row: the later one's.
    """
    for name, state in states.items():
        for tag, snapshot in sorted(state.tags.items()):
            domain, _, rest = tag.partition(".")
            ours = NAME.fullmatch(domain) and rest.count(".") == 2
            ds, run_id, sequence = rest.split(".") if ours else ("", "", "")
            row = rows.get(Run(warehouse, domain, ds, run_id))
            if sequence.isdecimal() and (row is None or int(sequence) > row["sequence"]):
                text = "no row of runs has this publication: it did not end; publish the run again, or expire"
                yield Finding("tag", f"table {name}, {tag}", text, remark=state.committed[snapshot] >= since)
    for run, row in rows.items():
        tag = run.tag(row["sequence"])
        counts = {**json.loads(row["rows"]), "runs": 1}
        for name in (name for name in counts if row["state"] == NightState.COMPLETE and name in states):
            if tag not in states[name].tags and (counts[name] or _earlier(name, states[name], run)):
                text = f"{run.domain} {run.ds} is complete, but its tag {tag} is missing; publish the run again"
                yield Finding("tag", f"table {name}", text)


def _earlier(name: str, state: State, run: Run) -> bool:
    """Whether readers of the night should see rows of earlier nights."""
    return "ds" not in TABLES[name].key and any(
        file.partition[0] == run.domain and file.partition[1] < run.ds for file in state.now
    )


def orphan_attempts(
    states: Mapping[str, State], folders: Sequence[RunFolder], rows: Collection[Run], since: datetime
) -> Iterator[Finding]:
    """Finds attempts with files that no table, tag or manifest refers to."""
    every = {file.path for state in states.values() for file in state.every}
    every = every.union(*(folder.reads for folder in folders))
    for folder in folders:
        for attempt in folder.attempts:
            files = [f for f in attempt.files if owner(f.address) not in every and f.address not in folder.named]
            if not files:
                continue
            under_way = bool(folder.entries) and attempt.written >= since and not folder.has_failed(attempt)
            kind = "leftover" if folder.run in rows else "under way" if under_way else "orphan"
            text = f"{len(files)} files that no table, tag or manifest refers to; `encore tables expire` removes them"
            yield Finding(kind, attempt.address, text, sum(file.bytes for file in files), kind != "orphan")
