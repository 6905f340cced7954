"""How the rows of a table lose some users: pure functions, Arrow in, Arrow out."""

import secrets
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy.decode import USER_COLUMNS
from jobs.privacy.ids import Ids
from schemas.inputs import TOMBSTONE
from schemas.tables import TABLES

RAW = ("rejected", "held")  # tables with the texts of rows
Lines = Mapping[
    tuple[int, int], bool
]  # (delivery, line) of landed rows with a user → whether it is one of those erased


def holds_users(name: str) -> bool:
    """Whether a published table can hold rows of a user."""
    return name == "vocabulary" or name in RAW or bool(USER_COLUMNS & set(TABLES[name].schema.names))


def without(name: str, table: pa.Table, ids: Ids, lines: Lines) -> pa.Table | None:
    """The rows of a published table without those of the users; None where there are none.

    `vocabulary` keeps the row under an id that stands for nobody, so that its number is never given again. In lists of
    neighbours those behind move up.
    """
    if name == "vocabulary":
        return _anonymous(table, ids)
    if name in RAW:
        theirs = pa.array(_raw(table, ids, lines), pa.bool_())
    else:
        columns = sorted(USER_COLUMNS & set(table.column_names))
        theirs = pa.array(np.zeros(table.num_rows, bool))
        for column in columns:
            theirs = pc.or_(theirs, pc.is_in(table[column].combine_chunks(), value_set=ids.array))
    if not pc.any(theirs).as_py():
        return None
    kept = table.filter(pc.invert(theirs))
    return renumber(kept) if name == "user_similarity" else kept


def _raw(table: pa.Table, ids: Ids, lines: Lines) -> list[bool]:
    """A landed row with a user is that user's. Where there is none, or no landed row any more, a row is theirs whose id
    its text has as a word. An id that stands nowhere by chance counts in any text."""
    matches = []
    for delivery, line, raw in zip(*(table[name].to_pylist() for name in ("delivery", "line", "raw")), strict=True):
        known = lines.get((delivery, line))
        matches.append(bool(known) or any(ids.matches(raw)) or (known is None and ids.tokens(raw)))
    return matches


def _anonymous(table: pa.Table, ids: Ids) -> pa.Table | None:
    theirs = pc.and_(pc.equal(table["kind"], "user"), pc.is_in(table["id"], value_set=ids.array))
    count = pc.sum(theirs).as_py() or 0
    if not count:
        return None
    names = iter([f"{TOMBSTONE}{secrets.token_hex(16)}" for _ in range(count)])
    new = [next(names) if gone else old for gone, old in zip(theirs.to_pylist(), table["id"].to_pylist(), strict=True)]
    place = table.schema.get_field_index("id")
    return table.set_column(place, table.schema.field(place), pa.array(new, pa.string()))


def renumber(table: pa.Table) -> pa.Table:
    """Lists of similar users with ranks 1, 2, … without a gap, in the order that they had."""
    columns = (table[name].combine_chunks().dictionary_encode().indices for name in ("user_id", "method"))
    user, method = (column.to_numpy() for column in columns)
    order = np.lexsort((table["rank"].to_numpy(), user, method))
    starts = np.ones(len(order), bool)
    starts[1:] = (np.diff(user[order]) != 0) | (np.diff(method[order]) != 0)
    place = np.arange(len(order))
    ranks = np.empty(len(order), np.int32)
    ranks[order] = place - np.maximum.accumulate(np.where(starts, place, 0)) + 1
    at = table.schema.get_field_index("rank")
    return table.set_column(at, table.schema.field(at), pa.array(ranks))
