"""Landed rows as rows of their table, and as versions that the fold compares."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.fold import versions_schema
from jobs.cleaning.keys import Hashes, hashes
from jobs.cleaning.pieces import LINKS, Judging, Piece, catalogue_ids
from jobs.cleaning.spec import REVIEWS
from jobs.cleaning.writing import constant
from jobs.storage.frames import read


def as_table(rows: pa.Table, piece: Piece) -> pa.Table:
    """Landed rows as rows of the table, with `line`."""
    count, spec, source = rows.num_rows, piece.spec, piece.source
    columns: dict[str, Any] = {name: rows[name] for name in rows.column_names}
    columns |= {"domain": constant(piece.judging.domain, count), "ds": constant(piece.judging.ds, count)}
    columns |= {"source": constant(source.file, count), "delivery": pa.repeat(source.number, count).cast(pa.int64())}
    if spec.name == "reviews":
        columns["fingerprint"] = fingerprint_reviews(rows)
        columns["modelled"] = pa.nulls(count, pa.bool_())
        columns["item_id"] = match_items(rows, piece.judging)
    elif piece.judging.counted:
        columns["value"] = pc.if_else(rows["value"].is_valid(), 1.0, None)
    names = [name for name in (*spec.schema.names, "line") if name in columns]
    return pa.table({name: columns[name] for name in names})


def fingerprint_reviews(rows: pa.Table) -> pa.Array:
    """Hashes of landed reviews, by which a review that is delivered again is known or another one."""
    return pa.array(hashes(_texts(rows.select(REVIEWS.origin)), REVIEWS.origin).astype(np.int64))


def _texts(rows: pa.Table) -> pa.Table:
    plain = [c.cast(pa.string()) if pa.types.is_floating(c.type) else c for c in rows.columns]
    return pa.table(plain, names=rows.column_names)


def match_items(rows: pa.Table, judging: Judging) -> pa.ChunkedArray:
    """The item that a review is about, by id or by link; null for one that the catalogue lacks."""
    ids = rows["item_id"].cast(pa.string())
    if judging.items is None or judging.links is None:
        return ids
    known = pc.if_else(pc.is_in(ids, value_set=catalogue_ids(judging.items)), ids, None)
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
