"""Deliveries: what has been imported for a domain, in the order of arrival, and what has been withdrawn of it."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.errors import InputError
from jobs.storage import files

APPEND, SNAPSHOT, CORRECTION = MODES = ("append", "snapshot", "correction")
NUMBERED = re.compile(r"^(\d{8,})-.+$")  # the folder of an import (jobs/storage/landing.py)


@dataclass(frozen=True)
class Delivery:
    """One imported file: where it stood, what it was, and the Parquet files that hold its rows.

    number: its place in the order of arrival, from 1; deliveries of before there were numbers have -1, -2, … batch:
    the number of the import's first file, the same for all files of an import. identity: stands for table, mapping and
    content. ds: the night that it was imported for.
    """

    path: str
    checksum: str
    table: str
    rows: int
    data: tuple[str, ...]
    number: int = 0
    batch: int = 0
    identity: str = ""
    ds: str = ""
    mode: str = APPEND
    format: str = ""
    withdrawn: bool = False


def deliveries(landing: str, domain: str, ds: str | None = None) -> list[Delivery]:
    """All deliveries of a domain (up to the night `ds`) in their order of arrival, the withdrawn ones too."""
    unnumbered: list[Delivery] = []
    numbered: list[Delivery] = []
    for night, name in batches(landing, domain):
        batch = _read_batch(f"{landing}/{domain}/{night}/{name}", night)
        (numbered if NUMBERED.match(name) else unnumbered).extend(batch)
    old = [replace(d, number=n - len(unnumbered), batch=n - len(unnumbered)) for n, d in enumerate(unnumbered)]
    return [d for d in (*old, *sorted(numbered, key=lambda d: (d.number, d.data))) if ds is None or d.ds <= ds]


def batches(landing: str, domain: str) -> list[tuple[str, str]]:
    """(night, name) of the folders of all imports of a domain."""
    files.require_folder("ENCORE_LANDING", landing)
    nights = files.folders(f"{landing}/{domain}")
    return [(night, name) for night in nights for name in files.folders(f"{landing}/{domain}/{night}")]


def _read_batch(batch: str, ds: str) -> list[Delivery]:
    content = batch_facts(batch) or {"files": []}
    gone = set(content.get("withdrawn", []))
    described = {"mode": content.get("mode", APPEND), "format": content.get("format", "")}
    known = {"ds": ds, "batch": content.get("batch", 0), **described}
    return [
        Delivery(
            **{**entry, **known, "data": tuple(f"{batch}/{name}" for name in entry["data"])},
            withdrawn=entry.get("number") in gone,
        )
        for entry in content["files"]
    ]


def withdraw(landing: str, domain: str, numbers: Iterable[int]) -> list[Delivery]:
    """Marks deliveries as withdrawn, and gives those that were not yet; InputError, before any is, for an unknown one.

    Their files stay, so that what they brought can be taken back and nothing is lost.
    """
    wanted = sorted(set(numbers))
    there = {d.number: d for d in deliveries(landing, domain) if d.number > 0}
    for number in wanted:
        if number not in there:
            raise InputError(f"{domain} has no delivery {number}; `encore deliveries ls --domain {domain}` lists them")
    new = [there[number] for number in wanted if not there[number].withdrawn]
    for batch in dict.fromkeys(d.batch for d in new):
        (address,) = {_address(landing, domain, d.ds, batch) for d in new if d.batch == batch}
        content = batch_facts(address) or {}
        gone = {*content.get("withdrawn", []), *(d.number for d in new if d.batch == batch)}
        write_facts(address, {**content, "withdrawn": sorted(gone)})
    return new


def _address(landing: str, domain: str, ds: str, batch: int) -> str:
    for name in files.folders(f"{landing}/{domain}/{ds}"):
        address = f"{landing}/{domain}/{ds}/{name}"
        if NUMBERED.match(name) and (batch_facts(address) or {}).get("batch") == batch:
            return address
    raise InputError(f"{landing}/{domain}/{ds}: the import with delivery {batch} is not there any more")


def identity(table: str, mapping: Mapping[str, Any], checksums: Iterable[str]) -> str:
    """Fingerprint of a delivery, 16 hexadecimal digits: its table, how its columns are read, and its bytes."""
    content = json.dumps([table, mapping, list(checksums)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def batch_facts(address: str) -> dict[str, Any] | None:
    """The content of an import's `batch.json`; None where there is no such import."""
    content = files.read_bytes(f"{address}/batch.json")
    return dict(json.loads(content)) if content else None


def write_facts(address: str, content: Mapping[str, Any]) -> None:
    """Writes or replaces the `batch.json` of an import."""
    files.write_bytes(f"{address}/batch.json", json.dumps(content, indent=1, ensure_ascii=False).encode())


def new_deliveries(asked: Sequence[Delivery], before: Sequence[Delivery]) -> list[Delivery]:
    """Selects what of an import has not arrived yet (of `asked` path, checksum, table, identity, ds and mode count).

    A file that is appended counts once, for its own night or an earlier one. A snapshot or a correction is news as a
    whole, unless these very files are what arrived last for their tables, for that night or an earlier one: an older
    state may be stated again.
    InputError where a file arrived in another way and would count twice.
    """
    there = [d for d in before if not d.withdrawn]
    if asked and asked[0].mode != APPEND:
        tables = {d.table for d in asked}
        last = [d for d in there if d.table in tables][-len(asked) :]
        again = sorted((d.identity, d.mode) for d in last) == sorted((d.identity, d.mode) for d in asked)
        return [] if again and all(d.ds <= asked[0].ds for d in last) else list(asked)
    new = []
    for one in asked:
        same = [d for d in there if (d.table, d.checksum) == (one.table, one.checksum)]
        if other := next((d for d in same if d.identity not in ("", one.identity) or d.mode != APPEND), None):
            raise InputError(
                f"{one.path}: these bytes arrived before as {other.table}, in another way (delivery {other.number}, "
                f"--mode {other.mode}, for {other.ds}); --replace takes that delivery back and imports them again"
            )
        if not any(d.ds <= one.ds for d in same):
            new.append(one)
    return new
