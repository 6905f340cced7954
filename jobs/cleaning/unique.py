"""Whether the rows of a table share keys, over all its nights, without reading the rows: by the digests beside them."""

from collections.abc import Sequence

import pyarrow as pa

from jobs.cleaning.database import database
from jobs.cleaning.keys import digest, find_common, find_repeated, hashes
from jobs.storage.frames import read
from models.sorting import is_among
from schemas.table import Table

GROWING = ("interactions", "reviews")  # tables that hold a key once over all nights, by the files of `clean`


def shared_keys(table: Table, addresses: Sequence[str], most: int) -> tuple[int, list[tuple[object, ...]]]:
    """How many keys more than one row has, and the first `most` of them. Only rows whose hashes meet are read."""
    key = [name for name in table.key if name != "domain"]
    digests = [digest(address, key) for address in addresses]
    suspects = find_repeated(digests)
    if not len(suspects):
        return 0, []
    parts = []
    for address, own in zip(addresses, digests, strict=True):
        if len(find_common(suspects, [own])):
            rows = read([address], table.schema, columns=key)
            parts.append(rows.filter(pa.array(is_among(hashes(rows, key), suspects))))
    with database() as db:
        db.register("rows", pa.concat_tables(parts))
        columns = ", ".join(key)
        db.execute(f"CREATE TEMP TABLE shared AS SELECT {columns} FROM rows GROUP BY ALL HAVING count(*) > 1")
        ((count,),) = db.execute("SELECT count(*) FROM shared").fetchall()
        keys = db.execute("FROM shared ORDER BY ALL").fetchmany(most)
    return int(count), [tuple(row) for row in keys]
