"""Which row stands for each key, of all that deliveries say of it: the rules of docs/deliveries.md in SQL.

The same statements run over the rows of a small night at once and over each range of keys of a large one.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from jobs.cleaning.spec import Spec
from jobs.storage.deliveries import APPEND, SNAPSHOT

# Of `versions`: what a row says beside its key and content. number: of its delivery, in the order of arrival. batch: of
# its import. night: that accepted it. fresh: whether it is accepted now. base: whether it stands in the table, for
# which the other columns are the table's. mention: whether a snapshot has the row although it does not count, because
# it came too early or is bad: the snapshot does not lack its key.
VERSION = (
    ("hash", pa.int64()),
    ("number", pa.int64()),
    ("batch", pa.int64()),
    ("line", pa.int64()),
    ("mode", pa.string()),
    ("night", pa.string()),
    ("fresh", pa.bool_()),
    ("base", pa.bool_()),
    ("mention", pa.bool_()),
)


def versions_schema(spec: Spec) -> pa.Schema:
    """The columns of `versions`."""
    types = {field.name: field.type for field in spec.schema}
    return pa.schema([*VERSION, *((name, types[name]) for name in spec.row)])


@dataclass(frozen=True)
class Folded:
    """What became of the keys that were folded.

    standing: rows of the table with `hash`, of keys about which something changed. changed: hashes of all their rows.
    replaced: rows that stand no longer. counts: (number, outcome, rows) of the fresh rows.
    """

    standing: pa.Table
    changed: pa.Table
    replaced: pa.Table
    counts: pa.Table


def fold(
    db: duckdb.DuckDBPyConnection,
    spec: Spec,
    versions: pa.Table,
    stands: pa.Table,
    snapshots: pa.Table,
    adds_up: bool = False,
) -> Folded:
    """Folds the versions of every key in the order of arrival.

    versions: all that is to be weighed (`versions_schema`). stands: rows of the table now with these hashes, the same
    columns (`night` is their partition). snapshots: (batch, kind) of the snapshots that count. adds_up: whether the
    values of a key's rows add up, within a delivery and over those that are appended; else the newest holds.
    """
    db.register("versions", versions)
    db.register("stands", stands)
    db.register("snapshots", snapshots)
    for statement in _statements(spec, adds_up):
        db.execute(statement)
    found = Folded(*(db.execute(f"FROM {name}").to_arrow_table() for name in ("standing", "changed", "lost", "counts")))
    for name in ("versions", "stands", "snapshots"):
        db.unregister(name)
    return found


def _statements(spec: Spec, additive: bool) -> list[str]:
    key, row = ", ".join(spec.key), ", ".join(spec.row)
    said = ", ".join(f"{name} := {name}" for name in (*spec.content, *spec.payload))
    content = ", ".join(f"{name} := said.{name}" for name in spec.content)
    of_line = ", ".join(f"{name} := {name}" for name in spec.content)
    value = "sum(value) FILTER (NOT mention)" if additive else "NULL"
    same_key = " AND ".join(f"{{0}}.{name} IS NOT DISTINCT FROM {{1}}.{name}" for name in ("hash", *spec.key))
    said_columns = ", ".join(f"said.{name} AS {name}" for name in (*spec.content, *spec.payload))
    total = "struct_update(said, value := total)" if additive else "said"
    return [
        # What each delivery says of each key: its newest line, or all its lines together. A line that an earlier night
        # takes from a later one is there twice.
        f"""CREATE OR REPLACE TEMP TABLE stated AS
            SELECT hash, {key}, number, any_value(batch) AS batch, any_value(mode) AS mode,
                   min(night) FILTER (NOT mention) AS night, bool_or(fresh) AS fresh,
                   count(*) FILTER (NOT mention) AS lines,
                   arg_max(struct_pack({said}), coalesce(line, 0)) FILTER (NOT mention) AS said, {value} AS value
            FROM (FROM versions QUALIFY line IS NULL OR 1 = row_number() OVER (
                      PARTITION BY hash, number, line ORDER BY fresh DESC)) GROUP BY hash, {key}, number""",
        *(["UPDATE stated SET said = struct_update(said, value := value)"] if additive else []),
        # A snapshot that lacks the key ends what was said before.
        f"""CREATE OR REPLACE TEMP TABLE alive AS
            SELECT * EXCLUDE (first_said, repeated),
                   coalesce(repeated, 0) >= (SELECT count(*) FROM snapshots s
                                             WHERE s.kind = {_of("again", spec)} AND s.batch > again.batch)
                   AS lives
            FROM (SELECT *, sum(first_said) OVER (PARTITION BY hash, {key} ORDER BY batch DESC
                                                  RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS repeated
                  FROM (SELECT *, (mode = '{SNAPSHOT}' AND row_number() OVER (
                                   PARTITION BY hash, {key}, batch, mode ORDER BY number) = 1)::INT AS first_said
                        FROM stated)) AS again""",
        # In the order of arrival: where a new state begins (`resets`), what it adds up to, where it differs.
        f"""CREATE OR REPLACE TEMP TABLE ordered AS
            SELECT *, {"sum(value)" if additive else "max(value)"} OVER (
                       PARTITION BY hash, {key}, state ORDER BY number) AS total
            FROM (SELECT *, sum(resets) OVER (PARTITION BY hash, {key} ORDER BY number) AS state
                  FROM (SELECT *, ({"FALSE" if additive else "TRUE"} OR mode <> '{APPEND}')::INT AS resets
                        FROM alive WHERE lives AND lines > 0))""",
        f"""CREATE OR REPLACE TEMP TABLE judged AS
            SELECT *, CASE WHEN before IS NULL THEN 'accepted' WHEN before = now THEN 'known'
                           WHEN resets = 1 THEN 'corrected' ELSE 'accepted' END AS outcome
            FROM (SELECT *, lag(now) OVER (PARTITION BY hash, {key} ORDER BY number) AS before
                  FROM (SELECT * REPLACE ({total} AS said), struct_pack({content}) AS now
                        FROM (SELECT * REPLACE ({total} AS said) FROM ordered)))""",
        f"""CREATE OR REPLACE TEMP TABLE results AS
            SELECT hash, {key}, min(night) AS ds, max(number) FILTER (outcome <> 'known') AS number,
                   arg_max(said, number) FILTER (outcome <> 'known') AS said
            FROM judged GROUP BY hash, {key}""",
        f"""CREATE OR REPLACE TEMP TABLE resulting AS
            SELECT hash, ds, number AS delivery, {key}, {said_columns} FROM results""",
        f"""CREATE OR REPLACE TEMP TABLE changed AS
            SELECT DISTINCT hash FROM (
                SELECT hash, {key}, ds, delivery, {", ".join(spec.content)} FROM resulting
                EXCEPT SELECT hash, {key}, night, number, {", ".join(spec.content)} FROM stands
                UNION ALL (SELECT hash, {key}, night, number, {", ".join(spec.content)} FROM stands
                EXCEPT SELECT hash, {key}, ds, delivery, {", ".join(spec.content)} FROM resulting))""",
        f"""CREATE OR REPLACE TEMP TABLE standing AS
            SELECT hash, ds, delivery, {row} FROM resulting SEMI JOIN changed USING (hash)""",
        # Lines and rows whose content stands no longer.
        f"""CREATE OR REPLACE TEMP TABLE lost AS
            SELECT s.* , CASE WHEN r.hash IS NULL THEN 'gone' ELSE 'corrected' END AS outcome
            FROM (SELECT *, struct_pack({of_line}) AS now FROM stands) s
            LEFT JOIN (SELECT *, struct_pack({of_line}) AS now FROM resulting) r ON {same_key.format("s", "r")}
            WHERE r.hash IS NULL OR r.now IS DISTINCT FROM s.now
            UNION ALL BY NAME
            SELECT v.*, 'corrected' AS outcome
            FROM (SELECT *, struct_pack({of_line}) AS now FROM versions WHERE fresh) v
            JOIN (SELECT *, struct_pack({of_line}) AS now FROM resulting) r ON {same_key.format("v", "r")}
            WHERE {"FALSE" if additive else "r.now IS DISTINCT FROM v.now"}""",
        f"""CREATE OR REPLACE TEMP TABLE counts AS
            SELECT number, outcome, sum(rows)::BIGINT AS rows FROM (
                SELECT a.number, coalesce(j.outcome, 'corrected') AS outcome, {"a.lines" if additive else "1"} AS rows
                FROM alive a LEFT JOIN judged j ON {same_key.format("a", "j")} AND a.number = j.number WHERE a.fresh
                {
            ""
            if additive
            else f'''
                UNION ALL
                SELECT v.number, CASE WHEN v.now = a.now THEN 'known' ELSE 'corrected' END AS outcome,
                       count(*) - any_value((v.now = a.now)::INT) AS rows
                FROM (SELECT *, struct_pack({of_line}) AS now FROM versions WHERE fresh) v
                JOIN (SELECT *, struct_pack({content}) AS now FROM alive WHERE lines > 1) a
                  ON {same_key.format('v', 'a')} AND v.number = a.number
                GROUP BY v.hash, {', '.join(f'v.{n}' for n in spec.key)}, v.number, v.now, a.now'''
        })
            GROUP BY number, outcome HAVING sum(rows) > 0""",
    ]


def _of(rows: str, spec: Spec) -> str:
    return f"{rows}.kind" if spec.kind == "kind" else "''"
