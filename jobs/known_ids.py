"""The vocabulary of a night: rows of the users and items that were first seen on it or before.

Where an old night runs again, later nights have lengthened the vocabulary by then, and whatever counts, averages or
draws over all rows would give other results than the first time. Of the ids that a later night saw first, only those
are the night's that a file which came late has brought to it.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.night import Night
from jobs.storage.frames import read
from schemas.inputs import TOMBSTONE
from schemas.tables import TABLES

SCHEMA = TABLES["vocabulary"].schema


def known_files(night: Night) -> list[str]:
    """Files of the vocabulary with the ids that were first seen on the night or before."""
    return night.history("vocabulary") + night.tonight("vocabulary")


def known_ids(night: Night) -> pa.Table:
    """(ds, kind, id, row) of the night's users and items."""
    rows, later = read(known_files(night), SCHEMA), read(night.later_nights("vocabulary"), SCHEMA)
    return pa.concat_tables([rows, *(late_ids(night, later, kind) for kind in ("user", "item"))])


def late_ids(night: Night, later: pa.Table, kind: str) -> pa.Table:
    """Finds ids that later nights saw first and that an event up to the night, or tonight's table of them, names."""
    ids, column = of_kind(later, kind), f"{kind}_id"
    if not ids.num_rows:
        return ids
    named = pa.array(np.zeros(ids.num_rows, bool))
    files = {"interactions": night.history("interactions") + night.tonight("interactions")}
    files[f"{kind}s"] = night.tonight(f"{kind}s")
    for table, addresses in files.items():
        for address in addresses:
            names = read([address], TABLES[table].schema, columns=[column])[column].combine_chunks()
            named = pc.or_(named, pc.is_in(ids["id"].combine_chunks(), value_set=names))
    return ids.filter(named)


def are_erased(ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Whether an id is one under which an erased user's row number is kept (docs/privacy.md)."""
    return pc.starts_with(ids, TOMBSTONE)


def of_kind(vocabulary: pa.Table, kind: str) -> pa.Table:
    """The rows of users or of items."""
    return vocabulary.filter(pc.field("kind") == kind)
