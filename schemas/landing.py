"""The landing format: what `encore import` writes and `clean` reads. Canonical columns, then where the row stood.

A field that could not be read as its type is null and named in `unparsable`; the text stays in `raw`.
A table's key says which rows are the same row: events with the key of their table, and facts of a catalogue that agree
in everything (the same item with other facts is news, not a repetition).
"""

from collections.abc import Mapping

import pyarrow as pa

from schemas.ids import id_checks
from schemas.inputs import INTERACTIONS, ITEMS, REVIEWS, UNKNOWN_ITEM, UNPARSABLE, USERS
from schemas.table import Column, Table, by_name

ORIGIN = (
    Column("raw", pa.string(), "the row's text as it stood in the file", required=True),
    Column("file", pa.string(), "the file's path below the imported folder", required=True),
    Column("line", pa.int64(), "line number in the file, from 1", required=True),
    Column("unparsable", pa.list_(pa.string()), "names of the columns whose text could not be read", required=True),
)


def _landing(table: Table, *names: str) -> Table:
    columns = tuple(column for column in table.columns if column.name in names)
    key = tuple(name for name in names if name in table.key) if "ts" in table.key else names
    return Table(table.name, table.meaning, columns + ORIGIN, key=key, checks=table.checks, partition=())


_ITEM = [c.name for c in ITEMS.columns if c.name not in ("domain", "ds")]

LANDING: Mapping[str, Table] = by_name(
    _landing(INTERACTIONS, "user_id", "item_id", "kind", "value", "ts", "ordinal"),
    _landing(ITEMS, *_ITEM),
    Table(
        name="annotations",
        meaning="What others say of items that a catalogue lists: tags and ids elsewhere.",
        columns=(*(c for c in ITEMS.columns if c.name in ("item_id", "tags", "links")), *ORIGIN),
        key=("file", "line"),
        checks=(UNPARSABLE, *id_checks("item_id"), UNKNOWN_ITEM),
        partition=(),
    ),
    _landing(USERS, "user_id", "segment", "country", "age"),
    Table(
        name="reviews",
        meaning=REVIEWS.meaning,
        columns=(
            *(c for c in REVIEWS.columns if c.name not in ("domain", "ds", "modelled", "delivery", "fingerprint")),
            Column("item_link", pa.string(), "the item's id elsewhere, as `imdb:0114709`, where `item_id` is unknown"),
            *ORIGIN,
        ),
        key=("review_id",),
        checks=REVIEWS.checks,
        partition=(),
    ),
)
