"""Facts about items and users, merged: the newest value of every column holds; tags and links add up.

Of two facts the later delivery's holds, and within a delivery the later line's. A snapshot states its items anew: older
facts about them end, and items that it lacks are unavailable from then on (users: unknown).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from jobs.cleaning.database import database
from schemas.inputs import ITEMS, USERS

# Facts come with where they stood: number of the delivery, of its import's first one (batch), line, and the mode.
PLACE = (("number", pa.int64()), ("batch", pa.int64()), ("line", pa.int64()), ("mode", pa.string()))
BEFORE = -(1 << 40)  # number and batch of what earlier nights knew
_ADDED = ("tags", "links")
_ORDER = "number::HUGEINT * 1000000000000 + line"


def items(facts: pa.Table, annotations: pa.Table, earlier: pa.Table) -> pa.Table:
    """One row per item_id: `facts` over the `earlier` catalogue, with the tags and links of `annotations`.

    All have the columns of `items` that their landing tables have, facts and annotations those of PLACE as well. An
    item is available unless said otherwise.
    """
    if not facts.num_rows and not annotations.num_rows:
        return earlier.select([name for name in earlier.column_names if name not in ("domain", "ds")])
    single = [name for name in _columns(ITEMS.schema, "item_id") if name not in _ADDED]
    with _facts(facts, earlier) as db:
        db.register("annotations", annotations)
        db.execute(
            """CREATE TEMP TABLE snapshots AS SELECT DISTINCT batch FROM facts WHERE mode = 'snapshot';
               CREATE TEMP TABLE missing AS
               SELECT item_id, batch AS number, batch, 0 AS line, 'append' AS mode, FALSE AS available
               FROM (SELECT item_id, min(batch) AS first FROM facts GROUP BY item_id) JOIN snapshots ON first < batch
               ANTI JOIN facts USING (item_id, batch);
               CREATE TEMP TABLE living AS SELECT facts.* FROM facts
               LEFT JOIN (SELECT item_id, max(batch) AS anew FROM facts WHERE mode = 'snapshot' GROUP BY item_id)
               USING (item_id) WHERE anew IS NULL OR batch >= anew"""
        )
        newest = ", ".join(map(_newest, single))
        added = ", ".join(f"list_sort(coalesce(list_distinct(flatten(list({name}))), [])) AS {name}" for name in _ADDED)
        stated = f"SELECT item_id, {', '.join(_ADDED)} FROM"
        return db.execute(
            f"""SELECT * REPLACE (coalesce(available, TRUE) AS available) FROM
                (SELECT item_id, {newest} FROM (FROM living UNION ALL BY NAME FROM missing) GROUP BY item_id)
                JOIN (SELECT item_id, {added} FROM ({stated} living UNION ALL {stated} annotations) GROUP BY item_id)
                USING (item_id)"""
        ).to_arrow_table()


def users(facts: pa.Table, earlier: pa.Table) -> pa.Table:
    """One row per user_id: `facts` over what was known before; those that the newest snapshot lacks are gone."""
    if not facts.num_rows:
        return earlier.select([name for name in earlier.column_names if name not in ("domain", "ds")])
    newest = ", ".join(map(_newest, _columns(USERS.schema, "user_id")))
    with _facts(facts, earlier) as db:
        return db.execute(
            f"""SELECT user_id, {newest} FROM facts
                WHERE batch >= coalesce((SELECT max(batch) FROM facts WHERE mode = 'snapshot'), {BEFORE})
                GROUP BY user_id"""
        ).to_arrow_table()


def outcomes(facts: pa.Table, earlier: pa.Table, key: str) -> list[tuple[int, str, int]]:
    """(number, outcome, rows) of facts: accepted where their key is new, known where they say nothing but what the last
    fact before them said, else corrected."""
    if not facts.num_rows:
        return []
    columns = [name for name in facts.column_names if name in earlier.column_names and name != key]
    same = " AND ".join(
        f"(f.{n} IS NULL OR list_has_all(before.{n}, f.{n}))" if n in _ADDED else
        f"(f.{n} IS NULL OR f.{n} = coalesce(before.{n}, FALSE))" if n == "release_unknown" else
        f"(f.{n} IS NULL OR f.{n} IS NOT DISTINCT FROM before.{n})"
        for n in columns
    )  # fmt: skip
    with _facts(facts, earlier) as db:
        rows = db.execute(
            f"""SELECT number, CASE WHEN before IS NULL THEN 'accepted' WHEN {same} THEN 'known' ELSE 'corrected' END
                       AS outcome, count(*)
                FROM (SELECT *, lag(facts) OVER (PARTITION BY {key} ORDER BY number, line) AS before FROM facts) f
                WHERE number <> {BEFORE} GROUP BY ALL"""
        ).fetchall()
    return [(int(number), str(outcome), int(count)) for number, outcome, count in rows]


@contextmanager
def _facts(facts: pa.Table, earlier: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with `facts`, in which `earlier` comes before all others."""
    with database() as db:
        db.register("said", facts)
        db.register("earlier", earlier)
        names = ", ".join(name for name in facts.column_names if name in earlier.column_names)
        db.execute(
            f"""CREATE TEMP TABLE facts AS SELECT {names}, number, batch, line, mode FROM said UNION ALL BY NAME
                SELECT {names}, {BEFORE} AS number, {BEFORE} AS batch, 0 AS line, 'append' AS mode FROM earlier"""
        )
        yield db


def _columns(schema: pa.Schema, key: str) -> list[str]:
    return [name for name in schema.names if name not in ("domain", "ds", key)]


def _newest(column: str) -> str:
    return f"arg_max({column}, {_ORDER}) FILTER ({column} IS NOT NULL) AS {column}"
