"""Judges every new row: accepted, known, corrected, held or rejected, each counted; docs/deliveries.md has the rules.

A delivery is judged once, by the first night that meets it. A night that runs again keeps what it has judged, and
judges what has come since. What a row says goes into its table, bad rows with all their reasons, file, line and text
into `rejected`, and what came too early into `held`, from where it is judged again every night.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from jobs.cleaning import accounts, facts, held, matching
from jobs.cleaning.growth import grow
from jobs.cleaning.judging import BAD
from jobs.cleaning.pieces import Counts, Given, Judging
from jobs.cleaning.pinned import Deliveries
from jobs.cleaning.spec import REVIEWS, SPECS, Spec
from jobs.cleaning.spread import Spread, here, on
from jobs.errors import InputError
from jobs.night import Attempt, Night
from jobs.spark.session import session
from jobs.storage import files
from jobs.storage.frames import read
from schemas.domains import Domain, placeholders
from schemas.inputs import EARLY

ON_SPARK = 2_000_000  # rows: fewer are cleaned in this process before Spark would have begun
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the pinned deliveries and what stands, judges, writes the night's tables and what other nights become."""
    check_landing(night)
    pinned = Deliveries(night)
    waits = held.waiting(pinned)
    judging = make_judging(night, attempt)
    known = facts.learn(pinned, judging, waits)
    items, links = facts.write_ids(known.items, f"{attempt.address}/.work/known")
    judging = replace(judging, items=items, links=links)
    spread = choose_spread(night)
    counts: Counts = known.counts
    bad = list(known.bad)
    for spec in SPECS:
        changed = False
        if spec is REVIEWS:
            if night.domain.unknown_items == "accept":
                facts.name_unknown(known, attempt, pinned)
            judging, changed = matching.use_newest_catalogue(judging, known.items, pinned)
        given = gather_input(pinned, spec, judging, waits)
        grown = grow(given, spread)
        if changed:
            matching.rematch(given, grown, spread)
        keep(night, attempt, spec.name, grown.partitions)
        counts |= grown.counts
        bad.append(read(grown.bad, BAD))
    facts.publish(known, attempt, night.run.domain, night.ds)
    attempt.kept["replaced"] = pinned.partitions("replaced").get(night.ds, [])
    every = pa.concat_tables([BAD.empty_table(), *bad])
    rejected = held.settle(pinned, attempt, waits, every, night.domain.hold_days)
    accounts.close(pinned, attempt, counts, every, rejected)
    files.delete_folder(f"{attempt.address}/.work")


def check_landing(night: Night) -> None:
    """Checks that every pinned file is there and whole; InputError names the one that is not."""
    for entry in night.pin["inputs"]:
        rows = sum(files.parquet_rows(path) for path in entry["data"])
        if rows != entry["rows"]:
            raise InputError(f"{entry['path']}: landed with {entry['rows']} rows, now {rows}; import it again")


def make_judging(night: Night, attempt: Attempt) -> Judging:
    """Collects what the tasks of the night need to judge rows."""
    return Judging(
        night.run.domain,
        night.ds,
        placeholders(night.domain, night.ds),
        early_reasons(night.domain),
        items=None,
        links=None,
        folder=attempt.address,
        any_item=night.domain.unknown_items == "accept",
        counted=night.domain.repetition == "count",
    )


def early_reasons(domain: Domain) -> tuple[str, ...]:
    """The reasons for which a row waits."""
    if not domain.hold_days:
        return ()
    return tuple(name for name in EARLY if name != "unknown_item" or domain.unknown_items == "hold")


def choose_spread(night: Night) -> Spread:
    """Chooses where the work is done: in this process, or where there is much of it in tasks of Spark."""
    read_again = night.pin["earlier"] if night.pin["withdrawn"] else []
    rows = sum(entry["rows"] for entry in (*night.pin["inputs"], *read_again))
    return on(partial(session, night)) if rows > ON_SPARK else here


def gather_input(pinned: Deliveries, spec: Spec, judging: Judging, waits: held.Waiting) -> Given:
    """Collects all that a table of events grows from tonight."""
    return Given(
        spec,
        judging,
        pinned.partitions(spec.name),
        new=pinned.new(spec.name),
        waiting=waits.of(spec.name),
        earlier=partial(pinned.earlier, spec.name),
        newest=pinned.newest(spec.name),
        last_snapshot=pinned.last_snapshot(spec.name),
        withdrawn=pinned.withdrawn(spec.name),
        adds_up=spec.name == "interactions" and pinned.night.domain.repetition != "newest",
    )


def keep(night: Night, attempt: Attempt, table: str, partitions: Mapping[str, Sequence[str]]) -> None:
    """Notes what a table becomes: tonight's files, those of an earlier run among them, and other nights'."""
    for ds, paths in partitions.items():
        if ds == night.ds:
            attempt.kept[table] = [path for path in paths if not path.startswith(f"{attempt.folder(table)}/")]
        else:
            attempt.facts.setdefault("amended", {}).setdefault(table, {})[ds] = list(paths)
