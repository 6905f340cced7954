"""The catalogue and the users of a night, from the deliveries of facts up to it (catalogue.py merges them).

The usual night adds tonight's facts to last night's state. Where a delivery was withdrawn, came late or comes out of
order, all facts that count are read again from the landing folder: the state is the same in any order of nights.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning import catalogue
from jobs.cleaning.held import Waiting
from jobs.cleaning.judging import bad_rows, read_share, rules_of, shares
from jobs.cleaning.pieces import IDS, LINKS, Counts, Judging, Landed
from jobs.cleaning.pinned import Deliveries
from jobs.cleaning.writing import constant
from jobs.night import Attempt
from jobs.states import last_publications
from jobs.storage.deliveries import SNAPSHOT
from jobs.storage.frames import read, write
from schemas.landing import LANDING, ORIGIN
from schemas.tables import TABLES

FACTS = ("items", "annotations", "users")
KEYS = {"items": "item_id", "annotations": "item_id", "users": "user_id"}
log = logging.getLogger(__name__)


@dataclass
class Known:
    """What a night knows: the ids of all items, the links to them, and what became of tonight's facts."""

    items: pa.Table
    users: pa.Table
    counts: Counts = field(default_factory=dict)
    bad: list[pa.Table] = field(default_factory=list)
    stamp: str = ""
    stated: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))  # item_ids of the facts that were read


def write_ids(items: pa.Table, folder: str) -> tuple[str, str]:
    """Files of the ids of `items`, and of the links with the item of each: the first where two share one."""
    links = items.select(["links", "item_id"]).combine_chunks()
    parents = pc.list_parent_indices(links["links"].combine_chunks())
    flat = pa.table([pc.list_flatten(links["links"]), links["item_id"].take(parents)], schema=LINKS)
    first = flat.group_by("item_link").aggregate([("item_id", "min")])
    named = pa.table([first["item_link"], first["item_id_min"]], schema=LINKS)
    return write(items.select(IDS.names), folder, "items"), write(named, folder, "links")


def learn(pinned: Deliveries, judging: Judging, waits: Waiting) -> Known:
    """The state of the catalogue and of the users after the night."""
    before = {table: [one for one in pinned.earlier(table) if one.ds < pinned.ds] for table in FACTS}
    own = {table: [one for one in pinned.earlier(table) if one.ds == pinned.ds] for table in FACTS}
    new = {table: pinned.new(table) for table in FACTS}
    last = {name: _last(pinned, name) for name in ("items", "users")}
    known = Known(
        last["items"], last["users"], stamp=stamp(one for by in (before, own, new) for t in FACTS for one in by[t])
    )
    anew = must_read_all(pinned, before, own, new)
    base = {name: rows.slice(0, 0) if anew else rows for name, rows in last.items()}
    if anew:
        log.info("facts of %d earlier deliveries are read again", sum(map(len, before.values())))
    old = {table: [*(before[table] if anew else ()), *own[table]] for table in FACTS}
    accepted = {
        table: [rows(one, table) for one in old[table]]
        + [_judge(one, table, judging, None, known) for one in new[table]]
        for table in ("items", "users")
    }
    facts = {table: _together(parts, table) for table, parts in accepted.items()}
    known.stated = pc.unique(facts["items"]["item_id"])
    ids = pc.unique(
        pa.concat_tables([facts["items"].select(["item_id"]), base["items"].select(["item_id"])])["item_id"]
    )
    ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    held = [_judge(one, "annotations", judging, ids, known, held=True) for one in waits.of("annotations")]
    fresh = [_judge(one, "annotations", judging, ids, known) for one in new["annotations"]]
    annotations = _together([*(rows(one, "annotations") for one in old["annotations"]), *held, *fresh], "annotations")
    known.items = catalogue.items(facts["items"], annotations, base["items"])
    known.users = catalogue.users(facts["users"], base["users"])
    for table, new_facts in (("items", facts["items"]), ("annotations", annotations), ("users", facts["users"])):
        numbers = pa.array([one.number for one in new[table]], pa.int64())
        mine = new_facts.filter(pc.is_in(new_facts["number"], value_set=numbers))
        count(
            known.counts, catalogue.outcomes(mine, last["users" if table == "users" else "items"], KEYS[table]), table
        )
    return known


def count(counts: Counts, outcomes: Iterable[tuple[int, str, int]], table: str) -> None:
    """Adds outcomes; what is said beside a catalogue adds up, so that nothing of it is corrected."""
    for number, outcome, some in outcomes:
        name = "accepted" if table == "annotations" and outcome == "corrected" else outcome
        of = counts.setdefault(number, {})
        of[name] = of.get(name, 0) + some


def stamp(deliveries: Iterable[Landed]) -> str:
    """Stands for the deliveries of facts that a night's state is made of."""
    every = sorted((one.number, one.ds) for one in deliveries)
    return hashlib.sha256(json.dumps(every).encode()).hexdigest()[:16]


def must_read_all(
    pinned: Deliveries,
    before: dict[str, list[Landed]],
    own: dict[str, list[Landed]],
    new: dict[str, list[Landed]],
) -> bool:
    """Whether last night's state is not what the facts of tonight come on top of."""
    tonight = {table: [*own[table], *new[table]] for table in FACTS}
    newest = max((one.number for table in FACTS for one in before[table]), default=None)
    first = min((one.number for table in FACTS for one in tonight[table]), default=None)
    late = newest is not None and first is not None and first < newest
    snapshots = {t for t in FACTS for one in tonight[t] if one.source.mode == SNAPSHOT}
    parted = "annotations" in snapshots or ("items" in snapshots and (before["annotations"] or tonight["annotations"]))
    recorded = _read_stamp(pinned)
    stale = recorded is not None and recorded != stamp(one for table in FACTS for one in before[table])
    if not (late or parted or stale or any(pinned.withdrawn(table) for table in FACTS)):
        return False
    if lost := [one for table in FACTS for one in before[table] if not one.data]:
        log.warning("the landed files of delivery %d are gone: last night's facts stay as they are", lost[0].number)
    return not lost


def _read_stamp(pinned: Deliveries) -> str | None:
    """The stamp of the last night's state; None where nobody has kept one."""
    nights = [ds for ds, _ in pinned.night.pin["history"]["items"] if ds < pinned.ds]
    if not nights:
        return None
    runs = [row for row in pinned.read_published("runs").to_pylist() if row["ds"] == max(nights)]
    newest = last_publications(runs).get(pinned.night.run.domain)
    return newest["catalogue"] if newest else None


def _last(pinned: Deliveries, table: str) -> pa.Table:
    return read(pinned.night.last_night(table), TABLES[table].schema)


def rows(one: Landed, table: str) -> pa.Table:
    """The facts that a delivery of an earlier judgement brought."""
    parts = [_read_landed(share, table, one) for share in shares(one.data)]
    every = pa.concat_tables(parts) if parts else _schema(table).empty_table()
    if one.excluded and table != "annotations":
        bad = pc.is_in(every["line"], value_set=pa.array(sorted(one.excluded), pa.int64()))
        every = every.filter(pc.invert(bad))
    return every


def _judge(
    one: Landed, table: str, judging: Judging, items: pa.Array | None, known: Known, held: bool = False
) -> pa.Table:
    """The good facts of a delivery; those that are not go into `known.bad`."""
    rules = rules_of(table, judging.placeholders, waits=judging.waits, items=items)
    parts = []
    for share in shares(one.data):
        landed = read_share(share, table, [*_names(table), "line", "unparsable"])
        bits = rules.judge(landed)
        if one.source.lines is not None:
            chosen = pc.is_in(landed["line"], value_set=pa.array(sorted(one.source.lines), pa.int64()))
            bits = np.where(chosen.to_numpy(zero_copy_only=False), bits, -1)
        known.bad.append(bad_rows(share, rules, one.number, one.source.file, landed["line"], np.maximum(bits, 0)))
        parts.append(_read_landed(share, table, one).filter(pa.array(bits == 0)))
    return _together(parts, table)


def _read_landed(share: Any, table: str, one: Landed) -> pa.Table:
    rows = read_share(share, table, [*_names(table), "line"])
    count = rows.num_rows
    columns: dict[str, Any] = {name: rows[name] for name in rows.column_names}
    columns |= {n: pa.repeat(getattr(one.source, n), count) for n in ("number", "batch", "mode")}
    schema = _schema(table)
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def _names(table: str) -> list[str]:
    return [column.name for column in LANDING[table].columns if column not in ORIGIN]


def _schema(table: str) -> pa.Schema:
    types = {f.name: f.type for f in LANDING[table].schema}
    return pa.schema([*((name, types[name]) for name in _names(table)), *catalogue.PLACE])


def _together(parts: Sequence[pa.Table], table: str) -> pa.Table:
    return pa.concat_tables([_schema(table).empty_table(), *parts])


def name_unknown(known: Known, attempt: Attempt, pinned: Deliveries) -> None:
    """Gives items that events name and no catalogue has a place in the catalogue, with their id as title, and takes
    those out that no event names any more (the delivery that named them was withdrawn)."""
    amended = attempt.facts.get("amended", {}).get("interactions", {})
    before = {ds: paths for ds, paths in pinned.partitions("interactions").items() if ds < pinned.ds} | amended
    addresses = [path for ds, paths in before.items() if ds < pinned.ds for path in paths]
    files = attempt.list_written()[0].get("interactions", [])
    events = read(addresses + files, TABLES["interactions"].schema, columns=["item_id"])
    ids = pc.unique(events["item_id"])
    stale = _find_unnamed(known, ids, pinned)
    kept = known.items.filter(pc.invert(pc.is_in(known.items["item_id"], value_set=stale)))
    new = ids.filter(pc.invert(pc.is_in(ids, value_set=kept["item_id"].combine_chunks())))
    rows = [{"item_id": one, "title": one, "available": True, "tags": [], "links": []} for one in new.to_pylist()]
    known.items = pa.concat_tables([kept, pa.Table.from_pylist(rows, schema=known.items.schema)])


def _find_unnamed(known: Known, named: pa.Array, pinned: Deliveries) -> pa.Array:
    """The item_ids that stand in the catalogue only because events named them once: neither events (`named`) nor a
    delivery of items does now. None where the landed files of such a delivery are gone, as nobody can tell then."""
    own_title = known.items.filter(pc.equal(known.items["item_id"], known.items["title"]))["item_id"].combine_chunks()
    for ids in (named, known.stated):
        own_title = own_title.filter(pc.invert(pc.is_in(own_title, value_set=ids)))
    for one in pinned.earlier("items"):
        if not len(own_title):
            break
        if not one.data:
            return own_title.slice(0, 0)
        if one.ds <= pinned.ds:
            ids = rows(one, "items")["item_id"].combine_chunks()
            own_title = own_title.filter(pc.invert(pc.is_in(own_title, value_set=ids)))
    return own_title


def publish(known: Known, attempt: Attempt, domain: str, ds: str) -> None:
    """Writes the state as the night's `items` and `users`, and notes what it is made of."""
    for name, state in (("items", known.items), ("users", known.users)):
        table = TABLES[name]
        key = next(column for column in table.key if column not in table.partition)
        rows = state.append_column("domain", constant(domain, state.num_rows).cast(pa.string()))
        rows = rows.append_column("ds", constant(ds, state.num_rows).cast(pa.string()))
        write(rows.select(table.schema.names).cast(table.schema).sort_by(key), attempt.folder(name))
    attempt.facts["catalogue"] = known.stamp
