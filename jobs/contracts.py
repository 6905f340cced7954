"""Contracts of a night's tables, checked with DuckDB on the files before anyone sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from jobs.cleaning.unique import GROWING, shared_keys
from jobs.errors import ContractError
from jobs.night import Night
from jobs.storage.sql import connect, parquet_view
from schemas.domains import eligibility_sql
from schemas.table import Contract, Table
from schemas.tables import TABLES

SHOWN = 3
APPEND_ONLY = Contract(
    "append_only",
    "SELECT kind, id, row FROM published_vocabulary ANTI JOIN vocabulary USING (kind, id, row)",
    "ids keep the rows that have been published, also by a run that overtook this one; start a new run",
)


@dataclass(frozen=True)
class Breach:
    """A rule of a table, how many rows break it, and the first of these."""

    table: str
    rule: Contract
    count: int
    first: Sequence[tuple[object, ...]]


def check(
    night: Night, tonight: Mapping[str, Sequence[str]], others: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    """Raises ContractError that names the table, the rule that most rows break and the first of these, and the others.

    tonight: the tables to publish, with their files. others: table → other night → files, of tables that hold a key
    once over all nights (GROWING): as they will be, later nights too. The vocabulary of other nights is looked up as it
    is now, not as it was pinned: another run may have given rows meanwhile.
    """
    known = night.tables.current_files("vocabulary", night.run.domain)
    read_too = {name: [p for ds, some in others[name].items() if ds < night.ds for p in some] for name in GROWING}
    read_too["vocabulary"] = [path for ds, path in known if ds != night.ds]
    breaches = []
    for name in GROWING:
        every = [*tonight.get(name, []), *(path for some in others[name].values() for path in some)]
        count, first = shared_keys(TABLES[name], every, SHOWN)
        breaches.append(Breach(name, unique(TABLES[name]), count, first))
    with connect() as db:
        db.execute(f"CREATE VIEW night AS SELECT '{night.run.domain}' AS domain, '{night.ds}' AS ds")
        parquet_view(db, "published_vocabulary", [path for _, path in known], TABLES["vocabulary"].schema)
        for name, table in TABLES.items():
            files = list(tonight.get(name, []))
            parquet_view(db, name, files + read_too.get(name, []), table.schema)
            parquet_view(db, f"tonight_{name}", files, table.schema)
        for definition in eligibility_sql(night.domain, night.ds):
            db.execute(definition)
        for name in tonight:
            for rule in (*common(TABLES[name], night), *TABLES[name].contracts):
                breaches.append(find_breach(db, name, rule))
        breaches.append(find_breach(db, "vocabulary", APPEND_ONLY))
    refuse([one for one in breaches if one.count])


def find_breach(db: duckdb.DuckDBPyConnection, name: str, rule: Contract) -> Breach:
    """Finds the rows of a table that break a rule: how many, and the first ones."""
    rows = db.execute(rule.violations)
    first = rows.fetchmany(SHOWN)
    count = len(first)
    while len(more := rows.fetchmany(10_000)):
        count += len(more)
    return Breach(name, rule, count, first)


def common(table: Table, night: Night) -> list[Contract]:
    """Contracts of every table: its partition is the night's, required columns are there, the key is unique."""
    nulls = " OR ".join(f"{name} IS NULL" for name in table.required)
    return [
        Contract(
            "own_partition",
            f"SELECT * FROM tonight_{table.name} WHERE domain <> '{night.run.domain}' OR ds <> '{night.ds}'",
            f"rows belong to {night.run.domain} {night.ds}",
        ),
        Contract(
            "required", f"SELECT * FROM tonight_{table.name} WHERE {nulls}", f"never null: {', '.join(table.required)}"
        ),
        *([] if table.name in GROWING else [unique(table)]),
    ]


def unique(table: Table) -> Contract:
    """The contract that no key stands twice."""
    key = ", ".join(table.key)
    rows = f"SELECT {key} FROM {table.name} GROUP BY ALL HAVING count(*) > 1"
    return Contract("key_unique", rows, f"no two rows share ({key})")


def refuse(breaches: Sequence[Breach]) -> None:
    """ContractError where rules are broken: the one with the most rows first, with examples, then the others."""
    if not breaches:
        return
    worst, *others = sorted(breaches, key=lambda one: -one.count)
    rows = "; ".join(map(str, worst.first))
    also = ", ".join(f"{one.table} {one.rule.name} ({one.count:,} rows)" for one in others)
    raise ContractError(
        f"table {worst.table} breaks the rule {worst.rule.name}: {worst.rule.meaning}. {worst.count:,} rows do, for "
        f"example {rows}. {f'Broken too: {also}. ' if also else ''}Nothing was published"
    )
