"""The rules that a night's tables obey before anyone sees them, checked with DuckDB over the files themselves."""

import duckdb

from jobs.errors import ContractError
from jobs.night import Night
from jobs.storage.sql import connect, parquet_view
from schemas.table import Contract, Table
from schemas.tables import TABLES

SHOWN = 3


def check(night: Night, names: list[str]) -> None:
    """Raises ContractError that names the table, the rule and the first rows that break it."""
    with connect() as db:
        db.execute(f"CREATE VIEW night AS SELECT '{night.run.domain}' AS domain, '{night.ds}' AS ds")
        others = {"interactions": night.history("interactions"), "vocabulary": other_vocabulary(night)}
        for name, table in TABLES.items():
            parquet_view(db, name, night.tonight(name) + others.get(name, []), table.schema)
            parquet_view(db, f"tonight_{name}", night.tonight(name), table.schema)
        for name in names:
            for rule in (*common(TABLES[name], night), *TABLES[name].contracts):
                require(db, name, rule)


def other_vocabulary(night: Night) -> list[str]:
    """The vocabulary of all other nights as it is now, not as pinned: another run may have given rows meanwhile."""
    snapshot = night.tables.snapshots()["vocabulary"]
    every = night.tables.data_files("vocabulary", snapshot, domain=night.run.domain)
    return [path for ds, path in every if ds != night.ds]


def common(table: Table, night: Night) -> list[Contract]:
    """What holds for every table: its partition is the night's, required columns are there, the key is unique."""
    nulls = " OR ".join(f"{name} IS NULL" for name in table.required)
    return [
        Contract(
            "own_partition",
            f"SELECT * FROM tonight_{table.name} WHERE domain <> '{night.run.domain}' OR ds <> '{night.ds}'",
            f"rows belong to {night.run.domain} {night.ds}",
        ),
        Contract("required", f"SELECT * FROM tonight_{table.name} WHERE {nulls}", f"never null: {', '.join(table.required)}"),
        Contract(
            "key_unique",
            f"SELECT {', '.join(table.key)} FROM {table.name} GROUP BY ALL HAVING count(*) > 1",
            f"no two rows share ({', '.join(table.key)})",
        ),
    ]


def require(db: duckdb.DuckDBPyConnection, name: str, rule: Contract) -> None:
    """Raises ContractError where a rule's query returns rows."""
    found = db.execute(rule.violations).fetchmany(SHOWN)
    if found:
        rows = "; ".join(str(row) for row in found)
        raise ContractError(f"table {name} breaks the rule {rule.name}: {rule.meaning}. For example {rows}. Nothing was published")
