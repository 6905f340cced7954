"""Rows that came too early: which are judged again tonight, and what becomes of them."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa

from jobs.cleaning.pieces import Landed
from jobs.cleaning.pinned import Deliveries
from jobs.night import Attempt
from jobs.storage.frames import write
from schemas.inputs import HELD, REJECTED

ACCEPTED, REJECTED_LATE, WITHDRAWN = "accepted", "rejected", "withdrawn"
Row = dict[str, Any]


@dataclass
class Waiting:
    """Held rows by (delivery, line): those that are judged again, and those that wait no longer, with their outcome."""

    judged: dict[tuple[int, int], Row]
    ended: dict[tuple[int, int], str]
    deliveries: list[Landed]
    tables: dict[int, str]

    def of(self, table: str) -> list[Landed]:
        """The deliveries of a table, each with the lines that wait."""
        return [one for one in self.deliveries if self.tables[one.number] == table]


def waiting(pinned: Deliveries) -> Waiting:
    """What waits at the night: rows of its own and earlier nights; also those that a later night has accepted, which
    then come to this one."""
    result = Waiting({}, {}, [], {})
    for row in pinned.held.to_pylist():
        key = (row["delivery"], row["line"])
        if row["ds"] > pinned.ds or row["delivery"] in pinned.judged_anew:
            continue
        if row["delivery"] in pinned.taken_back:
            if row["taken"] is None:
                result.ended[key] = WITHDRAWN
        elif row["taken"] is None or (row["taken"] > pinned.ds and row["outcome"] == ACCEPTED):
            result.judged[key] = row
    result.tables = {row["delivery"]: row["table_name"] for row in result.judged.values()}
    for table in set(result.tables.values()):
        numbers = [number for number, name in result.tables.items() if name == table]
        for one in pinned.earlier(table, numbers):
            lines = frozenset(line for number, line in result.judged if number == one.number)
            result.deliveries.append(replace(one, source=replace(one.source, lines=lines)))
    there = {one.number for one in result.deliveries if one.data}
    result.judged = {key: row for key, row in result.judged.items() if key[0] in there}
    return result


def settle(pinned: Deliveries, attempt: Attempt, waits: Waiting, bad: pa.Table, hold_days: int) -> pa.Table:
    """Writes what `held` becomes and returns the rows that are rejected now (REJECTED).

    bad: what was judged tonight and is not good, held rows among it. hold_days: how long a row may wait.
    """
    new: list[Row] = []
    rejected: list[Row] = []
    outcomes: dict[tuple[int, int], str] = dict.fromkeys(waits.judged, ACCEPTED) | waits.ended
    for row in bad.to_pylist():
        key = (row["number"], row["line"])
        held = waits.judged.get(key)
        known = {"domain": pinned.night.run.domain, "ds": pinned.ds, "delivery": row["number"]}
        known |= {name: row[name] for name in ("file", "line", "reasons", "raw")}
        days = (date.fromisoformat(pinned.ds) - date.fromisoformat(held["ds"])).days if held else 0
        if row["early"] and days < hold_days:
            outcomes.pop(key, None)
            if held is None:
                new.append({**known, "table_name": row["table"]})
        else:
            rejected.append(known)
            if held is not None:
                outcomes[key] = REJECTED_LATE
    _write(pinned, attempt, new, outcomes)
    return pa.Table.from_pylist(rejected, schema=REJECTED.schema)


def _write(pinned: Deliveries, attempt: Attempt, new: list[Row], outcomes: dict[tuple[int, int], str]) -> None:
    """The partitions of `held` that change, and tonight's."""
    partitions: dict[str, list[Row]] = {pinned.ds: new}
    changed = {pinned.ds}
    for row in pinned.held.to_pylist():
        if row["delivery"] in pinned.judged_anew:
            changed.add(row["ds"])
            continue
        if outcome := outcomes.get((row["delivery"], row["line"])):
            row |= {"outcome": outcome, "taken": pinned.ds}
            changed.add(row["ds"])
        partitions.setdefault(row["ds"], []).append(row)
    for ds in sorted(changed):
        rows = pa.Table.from_pylist(partitions.get(ds, []), schema=HELD.schema)
        if ds == pinned.ds:
            write(rows, attempt.folder("held"))
        else:
            amended = attempt.facts.setdefault("amended", {}).setdefault("held", {})
            amended[ds] = [write(rows, attempt.folder(f"held@{ds}"))] if rows.num_rows else []
