"""The pieces of work of a night's cleaning, each over one part of a file: what runs in tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.fold import versions_schema
from jobs.cleaning.judging import bad_rows, read_share
from jobs.cleaning.keys import NONE, Hashes, digest, hashes, read_hashes
from jobs.cleaning.pieces import Extraction, Judged, Piece, Published, Sweep
from jobs.cleaning.versions import as_table, as_versions
from jobs.cleaning.writing import write_rows, write_versions
from jobs.storage.deliveries import APPEND, SNAPSHOT
from jobs.storage.frames import read, write
from models.sorting import distinct, is_among


def judge(piece: Piece) -> Judged:
    """Judges the rows of a piece: good ones into the table's folder, sorted by key; bad ones with their text aside."""
    spec, source, rules = piece.spec, piece.source, piece.judging.rules(piece.spec.name)
    rows = read_share(piece.share, spec.name, [*spec.origin, "line", "unparsable"])
    if source.lines is not None:
        chosen = pc.is_in(rows["line"], value_set=pa.array(sorted(source.lines), pa.int64()))
    bits = rules.judge(rows)
    if source.lines is not None:
        bits = np.where(chosen.to_numpy(zero_copy_only=False), bits, 0)
    result = Judged(source.number, rows.num_rows, 0)
    bad = bad_rows(piece.share, rules, source.number, source.file, rows["line"], bits)
    if bad.num_rows and piece.skip is None:
        result.bad = write(bad, f"{piece.judging.folder}/.work/bad", f"{spec.name}-{piece.name}")
    good = bits == 0 if source.lines is None else (bits == 0) & chosen.to_numpy(zero_copy_only=False)
    if "kind" in spec.key:
        result.kinds = frozenset(pc.unique(rows["kind"].cast(pa.string()).drop_null()).to_pylist())
    if source.mode == SNAPSHOT and source.lines is None and not good.all():
        result.mentioned = mention(rows.filter(pa.array(~good)), piece)
    rows = rows if good.all() else rows.filter(pa.array(good))
    result.good = rows.num_rows
    rows, keys = as_table(rows, piece), hashes(rows, spec.key)
    if piece.skip is not None and piece.apart is not None:
        apart = is_among(keys, read_hashes(piece.skip))
        versions = as_versions(rows.filter(pa.array(apart)), keys[apart], piece, fresh=True)
        write_versions(versions, piece.ranges, piece.apart, f"fresh-{piece.name}")
        rows, keys = rows.filter(pa.array(~apart)), keys[~apart]
    if rows.num_rows:
        result.kept = write_rows(rows, spec, f"{piece.judging.folder}/{spec.name}", piece.name, keys)
    return result


def mention(rows: pa.Table, piece: Piece) -> Hashes:
    """Puts landed rows of a snapshot that do not count apart, so that the fold sees their keys; returns the hashes."""
    keys = hashes(rows, piece.spec.key)
    if piece.apart is not None:
        chosen = np.ones(len(keys), bool) if piece.skip is None else is_among(keys, read_hashes(piece.skip))
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
    chosen = np.ones(len(keys), bool) if piece.skip is None else is_among(keys, read_hashes(piece.skip))
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


def extract(work: Extraction) -> None:
    """Writes those rows as versions for the fold."""
    spec = work.file.spec
    asked = NONE if work.wanted is None else read_hashes(work.wanted)
    if not (work.wanted is None or work.sweeps or is_among(asked, digest(work.file.address, spec.key)).any()):
        return
    rows = read([work.file.address], spec.schema)
    keys = hashes(rows, spec.key)
    chosen = np.ones(len(keys), bool) if work.wanted is None else is_among(keys, asked)
    numbers = pc.fill_null(rows["delivery"], 0).to_numpy()
    chosen |= find_ended(rows, work.sweeps)
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


def find_ended(rows: pa.Table, sweeps: Sequence[Sweep]) -> Any:
    """Whether snapshots end each row of the table, unless they have it."""
    numbers = pc.fill_null(rows["delivery"], 0).to_numpy()
    result = np.zeros(len(numbers), bool)
    for sweep in sweeps:
        older = numbers < sweep.batch
        if sweep.kinds:
            older &= pc.is_in(rows["kind"], value_set=pa.array(sorted(sweep.kinds))).to_numpy(zero_copy_only=False)
        result |= older
    return result


def amend(file: Published, gone: str, folder: str, name: str) -> str | None:
    """The file without the rows of some hashes (a file of them), as a new one; None where nothing is left of it."""
    rows = read([file.address], file.spec.schema)
    keys = hashes(rows, file.spec.key)
    stay = ~is_among(keys, read_hashes(gone))
    if not stay.any():
        return None
    return write_rows(rows.filter(pa.array(stay)), file.spec, folder, name, keys[stay])
