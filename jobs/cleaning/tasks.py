"""The pieces of work of a night's cleaning, each over one part of a file: what runs in tasks.

Hashes that many pieces need lie in a file; a worker reads it once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.cleaning.fold import versions_schema
from jobs.cleaning.judging import Rules, Share, bad_rows, read_share, rules_of
from jobs.cleaning.keys import Hashes, digest, hashes
from jobs.cleaning.spec import Spec
from jobs.cleaning.writing import constant, write_rows, write_versions
from jobs.storage.deliveries import APPEND, SNAPSHOT
from jobs.storage.files import filesystem
from jobs.storage.frames import read, write
from models.sorting import distinct, is_among

HASHES = pa.schema([("hash", pa.int64())])
ITEMS = pa.schema([("item_id", pa.string())])
LINKS = pa.schema([("item_link", pa.string()), ("item_id", pa.string())])
NONE = np.empty(0, np.uint64)


@dataclass(frozen=True)
class Source:
    """A delivery as its rows know it. file: what they call it. lines: the only ones that count; None for all."""

    number: int
    batch: int
    mode: str
    file: str
    lines: frozenset[int] | None = None


@dataclass(frozen=True)
class Judging:
    """How tonight judges: where ids of known items and links to items lie, what the rules ask, where files go.

    any_item: whether events may be about items that no catalogue has. counted: whether each event with a value is one.
    """

    domain: str
    ds: str
    words: Mapping[str, str]
    waits: tuple[str, ...]
    items: str | None
    links: str | None
    folder: str
    any_item: bool = False
    counted: bool = False

    def rules(self, table: str) -> Rules:
        """Of a landing table."""
        items = None if self.any_item or self.items is None else _items(self.items)
        return rules_of(table, self.words, waits=self.waits, items=items)


@dataclass(frozen=True)
class Piece:
    """One part of a landed file to judge. skip: a file of hashes whose rows go to `apart`, by range, for the fold."""

    spec: Spec
    judging: Judging
    source: Source
    share: Share
    name: str
    skip: str | None = None
    apart: str | None = None
    ranges: int = 1


@dataclass
class Judged:
    """What became of a piece. kept: the file of its good rows; bad: of the others; kinds: of all.

    mentioned: hashes of rows of a snapshot that are not good: it does not lack them.
    """

    number: int
    rows: int
    good: int
    kept: str | None = None
    bad: str | None = None
    kinds: frozenset[str] = field(default_factory=frozenset)
    mentioned: Hashes = field(default_factory=lambda: NONE)


def judge(piece: Piece) -> Judged:
    """Judges the rows of a piece: good ones into the table's folder, sorted by key; bad ones with their text aside."""
    spec, source, rules = piece.spec, piece.source, piece.judging.rules(piece.spec.name)
    rows = read_share(piece.share, spec.name, [*spec.origin, "line", "unparsable"])
    if source.lines is not None:
        chosen = pc.is_in(rows["line"], value_set=pa.array(sorted(source.lines), pa.int64()))
    bits = rules.judge(rows)
    if source.lines is not None:
        bits = np.where(chosen.to_numpy(zero_copy_only=False), bits, 0)
    found = Judged(source.number, rows.num_rows, 0)
    bad = bad_rows(piece.share, rules, source.number, source.file, rows["line"], bits)
    if bad.num_rows and piece.skip is None:
        found.bad = write(bad, f"{piece.judging.folder}/.work/bad", f"{spec.name}-{piece.name}")
    good = bits == 0 if source.lines is None else (bits == 0) & chosen.to_numpy(zero_copy_only=False)
    if "kind" in spec.key:
        found.kinds = frozenset(pc.unique(rows["kind"].cast(pa.string()).drop_null()).to_pylist())
    if source.mode == SNAPSHOT and source.lines is None and not good.all():
        found.mentioned = mention(rows.filter(pa.array(~good)), piece)
    rows = rows if good.all() else rows.filter(pa.array(good))
    found.good = rows.num_rows
    rows, keys = as_table(rows, piece), hashes(rows, spec.key)
    if piece.skip is not None and piece.apart is not None:
        apart = is_among(keys, _hashes(piece.skip))
        versions = as_versions(rows.filter(pa.array(apart)), keys[apart], piece, fresh=True)
        write_versions(versions, piece.ranges, piece.apart, f"fresh-{piece.name}")
        rows, keys = rows.filter(pa.array(~apart)), keys[~apart]
    if rows.num_rows:
        found.kept = write_rows(rows, spec, f"{piece.judging.folder}/{spec.name}", piece.name, keys)
    return found


def mention(rows: pa.Table, piece: Piece) -> Hashes:
    """Puts landed rows of a snapshot that do not count apart, so that the fold sees their keys; returns the hashes."""
    keys = hashes(rows, piece.spec.key)
    if piece.apart is not None:
        chosen = np.ones(len(keys), bool) if piece.skip is None else is_among(keys, _hashes(piece.skip))
        some = as_table(rows.filter(pa.array(chosen)), piece)
        versions = as_versions(some, keys[chosen], piece, fresh=False, mention=True)
        write_versions(versions, piece.ranges, piece.apart, f"mentioned-{piece.name}")
    return distinct(keys)


def recall(piece: Piece, excluded: frozenset[int], nights: Mapping[int, str]) -> None:
    """Rows that an earlier night has accepted, once more from the landing folder, as versions for the fold.

    excluded: lines that were not accepted. nights: line → its night, where that is not the one of its delivery
    (`piece.judging.ds`).
    """
    spec = piece.spec
    rows = read_share(piece.share, spec.name, [*spec.origin, "line"])
    keys = hashes(rows, spec.key)
    chosen = np.ones(len(keys), bool) if piece.skip is None else is_among(keys, _hashes(piece.skip))
    if excluded:
        left = pc.is_in(rows["line"], value_set=pa.array(sorted(excluded), pa.int64())).to_numpy(zero_copy_only=False)
        if piece.source.mode == SNAPSHOT and (chosen & left).any():
            mention(rows.filter(pa.array(chosen & left)), piece)
        chosen &= ~left
    if not chosen.any() or piece.apart is None:
        return
    rows = as_table(rows.filter(pa.array(chosen)), piece)
    versions = as_versions(rows, keys[chosen], piece, fresh=False)
    if nights:
        lines = versions["line"].to_pylist()
        ds = pa.array([nights.get(line, piece.judging.ds) for line in lines], pa.string())
        versions = versions.set_column(versions.schema.get_field_index("night"), "night", ds)
    write_versions(versions, piece.ranges, piece.apart, f"old-{piece.name}")


def as_table(rows: pa.Table, piece: Piece) -> pa.Table:
    """Landed rows as rows of the table, with `line`."""
    count, spec, source = rows.num_rows, piece.spec, piece.source
    columns: dict[str, Any] = {name: rows[name] for name in rows.column_names}
    columns |= {"domain": constant(piece.judging.domain, count), "ds": constant(piece.judging.ds, count)}
    columns |= {"source": constant(source.file, count), "delivery": pa.repeat(source.number, count).cast(pa.int64())}
    if spec.name == "reviews":
        columns["fingerprint"] = pa.array(hashes(_texts(rows.select(spec.origin)), spec.origin).astype(np.int64))
        columns["modelled"] = pa.nulls(count, pa.bool_())
        columns["item_id"] = _matched(rows, piece.judging)
    elif piece.judging.counted:
        columns["value"] = pc.if_else(rows["value"].is_valid(), 1.0, None)
    names = [name for name in (*spec.schema.names, "line") if name in columns]
    return pa.table({name: columns[name] for name in names})


def _texts(rows: pa.Table) -> pa.Table:
    plain = [c.cast(pa.string()) if pa.types.is_floating(c.type) else c for c in rows.columns]
    return pa.table(plain, names=rows.column_names)


def _matched(rows: pa.Table, judging: Judging) -> pa.ChunkedArray:
    """The item that a review is about, by id or by link; null for one that the catalogue lacks."""
    ids = rows["item_id"].cast(pa.string())
    if judging.items is None or judging.links is None:
        return ids
    known = pc.if_else(pc.is_in(ids, value_set=_items(judging.items)), ids, None)
    links = read([judging.links], LINKS)
    linked = links["item_id"].take(pc.index_in(rows["item_link"], value_set=links["item_link"].combine_chunks()))
    return pc.coalesce(known, linked)


def as_versions(rows: pa.Table, keys: Hashes, piece: Piece, *, fresh: bool, mention: bool = False) -> pa.Table:
    """Rows of the table, with `line`, as versions for the fold."""
    count, source, spec = rows.num_rows, piece.source, piece.spec
    columns: dict[str, Any] = {name: rows[name] for name in spec.row}
    columns |= {"hash": pa.array(keys.astype(np.int64)), "line": rows["line"]}
    columns |= {name: pa.repeat(getattr(source, name), count) for name in ("number", "batch", "mode")}
    columns |= {"night": pa.repeat(piece.judging.ds, count), "fresh": pa.repeat(fresh, count)}
    columns |= {"base": pa.repeat(False, count), "mention": pa.repeat(mention, count)}
    schema = versions_schema(spec)
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


@dataclass(frozen=True)
class Published:
    """A file of the table as it is, and the night whose partition it is of."""

    spec: Spec
    address: str
    ds: str


@dataclass(frozen=True)
class Sweep:
    """Rows that a snapshot ends where it lacks them: older than `batch`, of `kinds` (empty: all)."""

    batch: int
    kinds: frozenset[str]


@dataclass(frozen=True)
class Extraction:
    """Which rows of a published file are weighed anew: those with hashes in the file `wanted` (None: all), and those
    that a snapshot may end."""

    file: Published
    wanted: str | None
    apart: str
    ranges: int
    name: str
    sweeps: tuple[Sweep, ...] = ()


def extract(work: Extraction) -> None:
    """Writes those rows as versions for the fold."""
    spec = work.file.spec
    asked = NONE if work.wanted is None else _hashes(work.wanted)
    if not (work.wanted is None or work.sweeps or is_among(asked, digest(work.file.address, spec.key)).any()):
        return
    rows = read([work.file.address], spec.schema)
    keys = hashes(rows, spec.key)
    chosen = np.ones(len(keys), bool) if work.wanted is None else is_among(keys, asked)
    numbers = pc.fill_null(rows["delivery"], 0).to_numpy()
    chosen |= ended(rows, work.sweeps)
    if not chosen.any():
        return
    rows, keys, numbers = rows.filter(pa.array(chosen)), keys[chosen], numbers[chosen]
    count = len(keys)
    columns: dict[str, Any] = {name: rows[name] for name in spec.row}
    columns |= {"hash": keys.astype(np.int64), "number": numbers, "batch": numbers, "line": pa.nulls(count, pa.int64())}
    columns |= {"mode": pa.repeat(APPEND, count), "night": pa.repeat(work.file.ds, count)}
    columns |= {"fresh": pa.repeat(False, count), "base": pa.repeat(True, count)}
    columns |= {"mention": pa.repeat(False, count)}
    schema = versions_schema(spec)
    versions = pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)
    write_versions(versions, work.ranges, work.apart, f"stands-{work.name}")


def ended(rows: pa.Table, sweeps: Sequence[Sweep]) -> Any:
    """Whether snapshots end each row of the table, unless they have it."""
    numbers = pc.fill_null(rows["delivery"], 0).to_numpy()
    found = np.zeros(len(numbers), bool)
    for sweep in sweeps:
        older = numbers < sweep.batch
        if sweep.kinds:
            older &= pc.is_in(rows["kind"], value_set=pa.array(sorted(sweep.kinds))).to_numpy(zero_copy_only=False)
        found |= older
    return found


def amend(file: Published, gone: str, folder: str, name: str) -> str | None:
    """The file without the rows of some hashes (a file of them), as a new one; None where nothing is left of it."""
    rows = read([file.address], file.spec.schema)
    keys = hashes(rows, file.spec.key)
    stay = ~is_among(keys, _hashes(gone))
    if not stay.any():
        return None
    return write_rows(rows.filter(pa.array(stay)), file.spec, folder, name, keys[stay])


def write_hashes(keys: Hashes, folder: str, name: str) -> str:
    """Keeps sorted hashes in a file for many pieces."""
    return write(pa.table([pa.array(keys.astype(np.int64))], schema=HASHES), folder, name)


@lru_cache(maxsize=4)
def _hashes(address: str) -> Hashes:
    fs, path = filesystem(address)
    with fs.open_input_file(path) as source:
        found: Hashes = pq.read_table(source)["hash"].to_numpy().astype(np.uint64)
    return found


@lru_cache(maxsize=2)
def _items(address: str) -> pa.Array:
    return read([address], ITEMS)["item_id"].combine_chunks()
