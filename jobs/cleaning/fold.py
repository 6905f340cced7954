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
    for statement in _Statements(spec, adds_up).all():
        db.execute(statement)
    result = Folded(
        *(db.execute(f"FROM {name}").to_arrow_table() for name in ("standing", "changed", "lost", "counts"))
    )
    for name in ("versions", "stands", "snapshots"):
        db.unregister(name)
    return result


class _Statements:
    """The SQL of the fold: a statement for each temporary table, in their order.

    additive: whether the values of a key's rows add up.
    """

    def __init__(self, spec: Spec, additive: bool) -> None:
        self.spec, self.additive = spec, additive
        content, payload = spec.content, spec.payload
        self.key, self.row, self.content = ", ".join(spec.key), ", ".join(spec.row), ", ".join(content)
        self.packed_row = ", ".join(f"{name} := {name}" for name in (*content, *payload))
        self.packed_content = ", ".join(f"{name} := {name}" for name in content)
        self.said_content = ", ".join(f"{name} := said.{name}" for name in content)
        self.said_columns = ", ".join(f"said.{name} AS {name}" for name in (*content, *payload))
        self.total = "struct_update(said, value := total)" if additive else "said"

    def all(self) -> list[str]:
        """Returns the statements, to be run one after another."""
        tables = {
            "stated": self.select_statements(),
            "alive": self.alive(),
            "ordered": self.select_ordered(),
            "judged": self.select_judged(),
            "results": self.results(),
            "resulting": f"SELECT hash, ds, number AS delivery, {self.key}, {self.said_columns} FROM results",
            "changed": self.select_changed(),
            "standing": f"SELECT hash, ds, delivery, {self.row} FROM resulting SEMI JOIN changed USING (hash)",
            "lost": self.select_lost(),
            "counts": self.counts(),
        }
        statements = [f"CREATE OR REPLACE TEMP TABLE {name} AS {query}" for name, query in tables.items()]
        if self.additive:
            statements.insert(1, "UPDATE stated SET said = struct_update(said, value := value)")
        return statements

    def same_key(self, one: str, other: str) -> str:
        """A condition for rows of two tables."""
        return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in ("hash", *self.spec.key))

    def select_statements(self) -> str:
        """What each delivery says of each key: its newest line, or all its lines together. A line that an earlier night
        takes from a later one is there twice."""
        value = "sum(value) FILTER (NOT mention)" if self.additive else "NULL"
        return f"""
            SELECT hash, {self.key}, number, any_value(batch) AS batch, any_value(mode) AS mode,
                   min(night) FILTER (NOT mention) AS night, bool_or(fresh) AS fresh,
                   count(*) FILTER (NOT mention) AS lines,
                   arg_max(struct_pack({self.packed_row}), coalesce(line, 0)) FILTER (NOT mention) AS said,
                   {value} AS value
            FROM (FROM versions QUALIFY line IS NULL OR 1 = row_number() OVER (
                      PARTITION BY hash, number, line ORDER BY fresh DESC)) GROUP BY hash, {self.key}, number"""

    def alive(self) -> str:
        """Without what is ended: a snapshot that lacks the key ends what was said before."""
        return f"""
            SELECT * EXCLUDE (first_said, repeated),
                   coalesce(repeated, 0) >= (SELECT count(*) FROM snapshots s
                                             WHERE s.kind = {_of("again", self.spec)} AND s.batch > again.batch)
                   AS lives
            FROM (SELECT *, sum(first_said) OVER (PARTITION BY hash, {self.key} ORDER BY batch DESC
                                                  RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS repeated
                  FROM (SELECT *, (mode = '{SNAPSHOT}' AND row_number() OVER (
                                   PARTITION BY hash, {self.key}, batch, mode ORDER BY number) = 1)::INT AS first_said
                        FROM stated)) AS again"""

    def select_ordered(self) -> str:
        """In the order of arrival: where a new state begins (`resets`), and what it adds up to."""
        return f"""
            SELECT *, {"sum(value)" if self.additive else "max(value)"} OVER (
                       PARTITION BY hash, {self.key}, state ORDER BY number) AS total
            FROM (SELECT *, sum(resets) OVER (PARTITION BY hash, {self.key} ORDER BY number) AS state
                  FROM (SELECT *, ({"FALSE" if self.additive else "TRUE"} OR mode <> '{APPEND}')::INT AS resets
                        FROM alive WHERE lives AND lines > 0))"""

    def select_judged(self) -> str:
        """With the outcome of each: where it differs from what was said before."""
        return f"""
            SELECT *, CASE WHEN before IS NULL THEN 'accepted' WHEN before = now THEN 'known'
                           WHEN resets = 1 THEN 'corrected' ELSE 'accepted' END AS outcome
            FROM (SELECT *, lag(now) OVER (PARTITION BY hash, {self.key} ORDER BY number) AS before
                  FROM (SELECT * REPLACE ({self.total} AS said), struct_pack({self.said_content}) AS now
                        FROM (SELECT * REPLACE ({self.total} AS said) FROM ordered)))"""

    def results(self) -> str:
        """The earliest night of each key, and what its newest delivery says."""
        return f"""
            SELECT hash, {self.key}, min(night) AS ds, max(number) FILTER (outcome <> 'known') AS number,
                   arg_max(said, number) FILTER (outcome <> 'known') AS said
            FROM judged GROUP BY hash, {self.key}"""

    def select_changed(self) -> str:
        """Hashes of keys whose rows are others than those that stand."""
        return f"""
            SELECT DISTINCT hash FROM (
                SELECT hash, {self.key}, ds, delivery, {self.content} FROM resulting
                EXCEPT SELECT hash, {self.key}, night, number, {self.content} FROM stands
                UNION ALL (SELECT hash, {self.key}, night, number, {self.content} FROM stands
                EXCEPT SELECT hash, {self.key}, ds, delivery, {self.content} FROM resulting))"""

    def select_lost(self) -> str:
        """Lines and rows whose content stands no longer."""
        packed = f"SELECT *, struct_pack({self.packed_content}) AS now FROM"
        differs = "FALSE" if self.additive else "r.now IS DISTINCT FROM v.now"
        return f"""
            SELECT s.* , CASE WHEN r.hash IS NULL THEN 'gone' ELSE 'corrected' END AS outcome
            FROM ({packed} stands) s LEFT JOIN ({packed} resulting) r ON {self.same_key("s", "r")}
            WHERE r.hash IS NULL OR r.now IS DISTINCT FROM s.now
            UNION ALL BY NAME
            SELECT v.*, 'corrected' AS outcome
            FROM ({packed} versions WHERE fresh) v JOIN ({packed} resulting) r ON {self.same_key("v", "r")}
            WHERE {differs}"""

    def counts(self) -> str:
        """Fresh rows by delivery and outcome."""
        lines = "a.lines" if self.additive else "1"
        repeated = "" if self.additive else f"UNION ALL {self.select_repeated_lines()}"
        return f"""
            SELECT number, outcome, sum(rows)::BIGINT AS rows FROM (
                SELECT a.number, coalesce(j.outcome, 'corrected') AS outcome, {lines} AS rows
                FROM alive a LEFT JOIN judged j ON {self.same_key("a", "j")} AND a.number = j.number
                WHERE a.fresh {repeated})
            GROUP BY number, outcome HAVING sum(rows) > 0"""

    def select_repeated_lines(self) -> str:
        """Further lines of a key in one delivery: known where they say what its newest says."""
        key = ", ".join(f"v.{name}" for name in self.spec.key)
        return f"""
            SELECT v.number, CASE WHEN v.now = a.now THEN 'known' ELSE 'corrected' END AS outcome,
                   count(*) - any_value((v.now = a.now)::INT) AS rows
            FROM (SELECT *, struct_pack({self.packed_content}) AS now FROM versions WHERE fresh) v
            JOIN (SELECT *, struct_pack({self.said_content}) AS now FROM alive WHERE lines > 1) a
              ON {self.same_key("v", "a")} AND v.number = a.number
            GROUP BY v.hash, {key}, v.number, v.now, a.now"""


def _of(rows: str, spec: Spec) -> str:
    return f"{rows}.kind" if spec.kind == "kind" else "''"
