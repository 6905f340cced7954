"""Retention: nights older than the newest N complete ones of each domain go, and then the files that nobody refers to.

What comes in is kept for ever (files, rejected, held, replaced, interactions, reviews, vocabulary): it cannot be
computed again, and every later night learns from it. What a night computes goes with the night: similarities,
recommendations, metrics, models, its row in `runs`, its tags. `items` and `users` hold a whole state each night: they
keep one night more, which the oldest kept night reads. Attempts that no manifest names go too.

No file goes that a remaining snapshot or tag refers to, that a kept or running run has pinned, or that was written less
than --grace-hours ago, because a job may be at work on it. Iceberg's own metadata files stay. Killed, run it again.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from jobs import settings
from jobs.errors import DONE, InputError
from jobs.night import published_domain
from jobs.states import complete_nights
from jobs.storage.frames import read
from jobs.storage.inventory import GRACE_HOURS, RunFolder, Stored, artifacts, delete, hours, owner, run_folders
from jobs.storage.runs import Run
from jobs.storage.upkeep import Cut, DataFile, State, Upkeep
from jobs.terminal import show, size
from schemas.tables import TABLES

KEEP_NIGHTS = 30
LASTING = ("rejected", "replaced", *(name for name, table in TABLES.items() if "ds" not in table.key))
WHOLE = ("items", "users")  # tonight's is last night's and the news


@dataclass(frozen=True)
class Kept:
    """Retention plan: what stays. `first`: the oldest night that stays, of each domain that has enough of them. `tags`:
    of the publications that stay; `gone`: of those that do not. `busy`: runs under way."""

    domains: frozenset[str]
    first: Mapping[str, str]
    tags: frozenset[str]
    gone: frozenset[str]
    busy: frozenset[Run]
    since: datetime

    def keeps(self, run: Run) -> bool:
        """Whether a run's folder stays, but for attempts that do not count."""
        return run.ds >= self.first.get(run.domain, "") or run in self.busy


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore tables expire", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep-nights",
        type=_positive,
        default=KEEP_NIGHTS,
        metavar="N",
        help=f"complete nights to keep of each domain (default: {KEEP_NIGHTS})",
    )
    parser.add_argument("--domain", type=published_domain, help="default: all")
    parser.add_argument(
        "--grace-hours",
        type=hours,
        default=GRACE_HOURS,
        metavar="N",
        help=f"leave files that are younger (default: {GRACE_HOURS:g}); 0 only while no night runs",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, got {text!r}")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Cuts the tables, then removes the files that nothing refers to any more."""
    config = settings.load()
    tables = Upkeep(config)
    tables.check_format()
    states = {name: tables.state(name) for name in TABLES}
    published = sorted({file.partition[0] for file in states["runs"].now})
    if args.domain and args.domain not in {*published, *config.domains}:
        raise InputError(f"there is no domain {args.domain!r}; there are: {', '.join(config.domains)}")
    domains = [args.domain] if args.domain else published
    folders, _ = run_folders(tables.warehouse)  # after the tables: whatever they refer to is there by now
    require_whole(tables, states, folders)
    since = datetime.now(UTC) - timedelta(hours=args.grace_hours)
    keep = choose_kept(tables, states["runs"], folders, domains, args.keep_nights, since)
    cuts = {name: cut(name, state, keep) for name, state in states.items()}
    if args.dry_run:
        referred = {name: paths(cuts[name].after(state)) for name, state in states.items()}
    else:
        for name in reversed(list(TABLES)):  # `runs` first: without its row a night is no longer complete
            tables.cut(name, partial(cut, name, keep=keep))
        referred = {name: paths(tables.state(name).every) for name in TABLES}
    old, young = leftovers(folders, referred, keep)
    if not args.dry_run:
        delete((file.address for file in old), f"{tables.warehouse}/runs")
    show(*report(states, cuts, old, young, args.dry_run))
    return DONE


def require_whole(tables: Upkeep, states: Mapping[str, State], folders: Sequence[RunFolder]) -> None:
    """InputError where a table refers to a file that is not among those found: then nothing found may be deleted."""
    there = {file.address for folder in folders for attempt in folder.attempts for file in attempt.files}
    for name, state in states.items():
        if missing := sorted(paths(state.now) - there):
            raise InputError(
                f"table {name} refers to {missing[0]}, which is not below {tables.warehouse}/runs; "
                "nothing was removed; `encore tables check` lists all such files"
            )


def choose_kept(
    tables: Upkeep, runs: State, folders: Sequence[RunFolder], domains: Sequence[str], nights: int, since: datetime
) -> Kept:
    """Decides what stays of the given domains' nights; the other domains keep everything."""
    rows = read(sorted(file.path for file in runs.now), TABLES["runs"].schema).to_pylist()
    first = {}
    for domain in domains:
        complete = [night.ds for night in complete_nights(rows) if night.domain == domain]
        if len(complete) >= nights:
            first[domain] = complete[-nights]
    published = {Run(tables.warehouse, row["domain"], row["ds"], row["run_id"]): row["sequence"] for row in rows}
    busy = {folder.run for folder in folders if folder.run not in published and folder.written >= since}
    tags = {run.tag(sequence): run.ds >= first.get(run.domain, "") for run, sequence in published.items()}
    return Kept(
        domains=frozenset(domains),
        first=first,
        tags=frozenset(tag for tag, stays in tags.items() if stays),
        gone=frozenset(tag for tag, stays in tags.items() if not stays),
        busy=frozenset(busy),
        since=since,
    )


def cut(name: str, state: State, keep: Kept) -> Cut:
    """Decides what a table loses.

    A kept tag whose snapshot holds older nights too is moved to the table as it then is, where its own night is the
    same. Only `runs` keeps its snapshots, which tell when each night was published.
    """
    before = {} if name in LASTING else dict(keep.first)
    if name in WHOLE:
        before = {domain: _one_more(state, domain, first) for domain, first in before.items()}
    now = {file for file in state.now if file.partition[1] >= before.get(file.partition[0], "")}
    stay = {tag: state.snapshots[snapshot] for tag, snapshot in state.tags.items() if stays(tag, state, keep)}
    move = {
        tag
        for tag, files in stay.items()
        if before
        and name != "runs"
        and tag in keep.tags
        and not files <= now
        and own_files(tag, files) == own_files(tag, now)
    }
    needed = {state.tags[tag] for tag in stay if tag not in move} | state.branches
    if state.current is not None and len(now) == len(state.now):  # else a new snapshot takes its place
        needed.add(state.current)
    return Cut(before, frozenset(state.tags.keys() - stay.keys()), frozenset(move), frozenset(state.snapshots) - needed)


def _one_more(state: State, domain: str, first: str) -> str:
    nights = [file.partition[1] for file in state.now if file.partition[0] == domain]
    return max((ds for ds in nights if ds < first), default=first)


def stays(tag: str, state: State, keep: Kept) -> bool:
    """Whether a tag stays: a kept publication's, another domain's, one that people made, or one that is under way."""
    publication = tag.split(".")
    if len(publication) != 4 or publication[0] not in keep.domains or tag in keep.tags:
        return True
    return tag not in keep.gone and state.committed[state.tags[tag]] >= keep.since


def own_files(tag: str, files: Iterable[DataFile]) -> set[DataFile]:
    """Selects the files of a publication's own domain and night."""
    return {file for file in files if list(file.partition[:2]) == tag.split(".")[:2]}


def paths(files: Iterable[DataFile]) -> frozenset[str]:
    """Returns the addresses of files."""
    return frozenset(file.path for file in files)


def leftovers(
    folders: Sequence[RunFolder], referred: Mapping[str, frozenset[str]], keep: Kept
) -> tuple[list[Stored], list[Stored]]:
    """Finds files of runs that nothing refers to: (to remove, too young to tell).

    Of a night that stays, those are the attempts that its manifest does not name; of one that went, all.
    """
    models = artifacts(referred["models"])
    every = frozenset().union(*referred.values(), *(folder.reads for folder in folders if keep.keeps(folder.run)))
    old: list[Stored] = []
    young: list[Stored] = []
    for folder in (folder for folder in folders if folder.run.domain in keep.domains):
        named = every | folder.named if keep.keeps(folder.run) else every
        for attempt in folder.attempts:
            files = [f for f in attempt.files if owner(f.address) not in named and not f.address.startswith(models)]
            (old if attempt.written < keep.since else young).extend(files)
    return old, young


def report(
    states: Mapping[str, State], cuts: Mapping[str, Cut], old: list[Stored], young: list[Stored], dry_run: bool
) -> list[str]:
    """Reports what went, or would go, line by line."""
    lines = []
    for name, lost in cuts.items():
        partitions = {file.partition for file in states[name].now if lost.loses(file)}
        if lost.changes(states[name]):
            counts = f"{len(partitions)} partitions, {len(lost.drop)} tags, {len(lost.expire)} snapshots"
            lines.append(f"{name}: {counts}")
    lines.append(f"{len(old)} files, {size(sum(file.bytes for file in old))}")
    if young:
        lines.append(
            f"{len(young)} more files, {size(sum(file.bytes for file in young))}, stay for now: they are younger than "
            "--grace-hours, a job may be at work on them"
        )
    return ["would go:" if dry_run else "gone:", *lines]
