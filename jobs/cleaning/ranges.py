"""Weighs one range of keys: reads its versions, folds them, writes the rows that stand by their nights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.database import database
from jobs.cleaning.fold import Folded, fold, versions_schema
from jobs.cleaning.judging import Share, read_share
from jobs.cleaning.keys import Hashes, hashes
from jobs.cleaning.pieces import Judging, Piece, Published, Sweep
from jobs.cleaning.spec import Spec
from jobs.cleaning.tasks import amend, find_ended, recall
from jobs.cleaning.writing import constant, write_rows
from jobs.storage.files import listing
from jobs.storage.frames import read, write
from models.sorting import distinct
from schemas.inputs import REPLACED

OF_REVIEWS = {"value": "rating"}  # REPLACED's column → the review's


@dataclass(frozen=True)
class Fold:
    """What every range needs to know. lost: deliveries whose landed rows are gone, so that their rows as they stand
    count; None where the rows that stand count anyway. withdrawn: deliveries that are being taken back. names: of
    deliveries' files."""

    spec: Spec
    judging: Judging
    work: str
    snapshots: pa.Table
    adds_up: bool
    lost: frozenset[int] | None
    withdrawn: frozenset[int]


@dataclass
class Range:
    """What became of a range: files of rows that stand (night, address), of rows that do no longer, counts, and the
    hashes whose rows have changed."""

    standing: list[tuple[str, str]]
    replaced: list[str]
    counts: list[tuple[int, str, int]]
    changed: Hashes


def fold_range(work: Fold, number: int) -> Range:
    """Folds a range of keys: reads its versions, writes the rows that stand."""
    schema = versions_schema(work.spec)
    stands = read(listing(f"{work.work}/stands/{number}", ".parquet"), schema)
    versions = read(listing(f"{work.work}/versions/{number}", ".parquet"), schema)
    if work.lost is None:
        versions = pa.concat_tables([versions, stands])
    elif work.lost:
        left = pc.is_in(stands["number"], value_set=pa.array(sorted(work.lost), pa.int64()))
        versions = pa.concat_tables([versions, stands.filter(left)])
    with database() as db:
        folded = fold(db, work.spec, versions, stands, work.snapshots, work.adds_up)
    done = Range([], [], [], np.sort(folded.changed["hash"].to_numpy().astype(np.uint64)))
    done.counts = [tuple(row.values()) for row in folded.counts.to_pylist()]
    for ds in pc.unique(folded.standing["ds"]).to_pylist():
        rows = folded.standing.filter(pc.equal(folded.standing["ds"], ds))
        place = place_of(work.judging.folder, work.spec.name, ds, work.judging.ds)
        done.standing.append((ds, write_standing(rows, work, place, f"weighed-{number}")))
    if folded.replaced.num_rows:
        log = as_replaced(folded, work)
        done.replaced.append(write(log, f"{work.judging.folder}/replaced", f"{work.spec.name}-{number}"))
    return done


def write_standing(rows: pa.Table, work: Fold, folder: str, name: str) -> str:
    """Rows of the fold as rows of the table."""
    rows = rows.append_column("domain", constant(work.judging.domain, rows.num_rows))
    columns = {name: rows[name] for name in rows.column_names}
    columns["delivery"] = pc.if_else(pc.equal(rows["delivery"], 0), None, rows["delivery"])
    types = {field.name: field.type for field in work.spec.schema}
    same = {n: columns[n].cast(types[n]) if n != "domain" else columns[n] for n in work.spec.schema.names}
    return write_rows(pa.table(same), work.spec, folder, name)


def as_replaced(folded: Folded, work: Fold) -> pa.Table:
    """What stands no longer, as rows of REPLACED."""
    rows = folded.replaced
    count = rows.num_rows
    outcome = rows["outcome"]
    if work.withdrawn:
        taken = pc.is_in(rows["number"], value_set=pa.array(sorted(work.withdrawn), pa.int64()))
        outcome = pc.if_else(taken, "withdrawn", outcome)
    columns: dict[str, pa.Array] = {
        "domain": pa.repeat(work.judging.domain, count),
        "ds": pa.repeat(work.judging.ds, count),
        "table_name": pa.repeat(work.spec.name, count),
        "delivery": pc.if_else(pc.equal(rows["number"], 0), None, rows["number"]),
        "outcome": outcome,
    }
    for field in REPLACED.schema:
        source = OF_REVIEWS.get(field.name, field.name) if work.spec.name == "reviews" else field.name
        if field.name not in columns:
            there = source in rows.column_names
            columns[field.name] = rows[source].cast(field.type) if there else pa.nulls(count, field.type)
    return pa.table([columns[name] for name in REPLACED.schema.names], schema=REPLACED.schema)


def place_of(folder: str, table: str, ds: str, night: str) -> str:
    """The folder for new files of a partition: that of the table for the night's own, another for another night's."""
    return f"{folder}/{table}" if ds == night else f"{folder}/{table}@{ds}"


def landed_keys(work: tuple[Spec, Share]) -> Hashes:
    """Hashes of all rows of a landed file."""
    spec, share = work
    return distinct(hashes(read_share(share, spec.name, spec.key), spec.key))


def landed_kinds(work: tuple[Spec, int, Share]) -> set[tuple[int, str]]:
    """(batch, kind) of the rows of a snapshot; reviews are all of one kind."""
    spec, batch, share = work
    if spec.kind != "kind":
        return {(batch, "")}
    kinds = pc.unique(read_share(share, spec.name, ["kind"])["kind"].cast(pa.string())).to_pylist()
    return {(batch, kind) for kind in kinds if kind}


def standing_keys(work: tuple[Published, frozenset[int]]) -> Hashes:
    """Hashes of the rows of a published file that came in some deliveries."""
    file, numbers = work
    columns = [*file.spec.key, "delivery"]
    rows = read([file.address], file.spec.schema, columns=["delivery"])
    if not pc.any(pc.is_in(rows["delivery"], value_set=pa.array(sorted(numbers), pa.int64()))).as_py():
        return np.empty(0, np.uint64)
    rows = read([file.address], file.spec.schema, columns=columns)
    chosen = pc.is_in(rows["delivery"], value_set=pa.array(sorted(numbers), pa.int64()))
    return distinct(hashes(rows.filter(chosen), file.spec.key))


def swept_keys(work: tuple[Published, tuple[Sweep, ...]]) -> Hashes:
    """Hashes of the rows of a published file that some snapshots end, unless they have them."""
    file, sweeps = work
    rows = read([file.address], file.spec.schema, columns=[*file.spec.key, "delivery"])
    return distinct(hashes(rows.filter(pa.array(find_ended(rows, sweeps))), file.spec.key))


def recall_piece(work: tuple[Piece, frozenset[int], Mapping[int, str]]) -> None:
    """Calls `recall` with its arguments in one."""
    recall(*work)


def amend_piece(work: tuple[Published, str, str, str]) -> str | None:
    """Calls `amend` with its arguments in one."""
    return amend(*work)
