"""Accounts of a night's deliveries: `files`, `rejected`, and whether too much was rejected."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.pieces import Counts
from jobs.cleaning.pinned import Deliveries
from jobs.errors import ContractError, InputError
from jobs.night import Attempt
from jobs.storage.frames import write
from schemas.domains import settings_behind
from schemas.inputs import FILES

GOOD = ("accepted", "known", "corrected")
log = logging.getLogger(__name__)
Row = dict[str, Any]


def close(pinned: Deliveries, attempt: Attempt, counts: Counts, bad: pa.Table, rejected: pa.Table) -> None:
    """Writes `files` and `rejected`, of tonight's deliveries and of those that an earlier run of the night has judged.

    counts: of good rows. bad: all others that were judged tonight. rejected: those that were rejected for good.
    """
    new = [account(entry, pinned, counts, bad, rejected) for entry in pinned.night.pin["inputs"]]
    before = [row for row in pinned.read_published("files").to_pylist() if row["delivery"] not in pinned.judged_anew]
    partitions: dict[str, list[Row]] = {pinned.ds: []}
    changed = {pinned.ds}
    for row in before:
        if row["withdrawn"] is None and row["delivery"] in pinned.taken_back:
            row["withdrawn"] = pinned.ds
            changed.add(row["ds"])
        partitions.setdefault(row["ds"], []).append(row)
    partitions[pinned.ds] += new
    for ds in sorted(changed):
        rows = pa.Table.from_pylist(partitions[ds], schema=FILES.schema)
        if ds == pinned.ds:
            write(rows, attempt.folder("files"))
        else:
            attempt.facts.setdefault("amended", {}).setdefault("files", {})[ds] = [
                write(rows, attempt.folder(f"files@{ds}"))
            ]
    old = pinned.read_published("rejected", ds=pinned.ds)
    if pinned.judged_anew:
        anew = pc.is_in(old["delivery"], value_set=pa.array(sorted(pinned.judged_anew), pa.int64()))
        old = old.filter(pc.invert(anew))
    every = pa.concat_tables([old, rejected])
    write(every, attempt.folder("rejected"))
    check_share(pinned, attempt, partitions[pinned.ds], every)


def account(entry: Mapping[str, Any], pinned: Deliveries, counts: Counts, bad: pa.Table, rejected: pa.Table) -> Row:
    """The row of `files` of a delivery; ContractError where not every row is accounted for."""
    number = entry["number"]
    good = {name: int(counts.get(number, {}).get(name, 0)) for name in GOOD}
    refused = int(pc.sum(pc.equal(rejected["delivery"], number)).as_py() or 0)
    early = int(pc.sum(pc.equal(bad["number"], number)).as_py() or 0) - refused
    if sum(good.values()) + refused + early != entry["rows"]:
        raise ContractError(
            f"{entry['path']}: {entry['rows']} rows read, but {good} clean, {early} held and {refused} rejected"
        )
    known = {name: entry[name] for name in ("path", "checksum", "rows", "mode", "batch", "identity")}
    known["table_name"] = entry["table"]
    partition = {"domain": pinned.night.run.domain, "ds": pinned.ds}
    outcome = {**good, "held": early, "rejected": refused}
    return {**partition, **known, "delivery": number, **outcome, "rules": pinned.night.pin["rules"], "withdrawn": None}


def check_share(pinned: Deliveries, attempt: Attempt, files: list[Row], rejected: pa.Table) -> None:
    """InputError where more than the domain's share of the night's rows is rejected: by which rule, in which file."""
    standing = [row for row in files if row["withdrawn"] is None]
    bad, total = sum(row["rejected"] for row in standing), sum(row["rows"] for row in standing)
    limit = pinned.night.domain.max_rejected_share
    if not total or bad / total <= limit:
        log.info("%d rows read, %d rejected", total, bad)
        return
    worst = max(standing, key=lambda row: row["rejected"])
    reasons = Counter(reason for some in rejected["reasons"].to_pylist() for reason in some)
    reason, most = reasons.most_common(1)[0]
    example = next(row for row in rejected.to_pylist() if reason in row["reasons"])
    settings = settings_behind(pinned.night.domain, reason)
    rule = f"{reason} of {settings}" if settings else reason
    raise InputError(
        f"{bad} of {total} rows rejected ({bad / total:.1%}), over max_rejected_share = {limit:.1%}; most by the rule "
        f"{rule} ({most} rows, for example {example['file']} line {example['line']}: {example['raw'][:200]!r}); most "
        f"in {worst['path']}; the rows and their reasons are in {attempt.folder('rejected')}; nothing was published"
    )
