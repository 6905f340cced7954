"""The rules that a night's tables obey before anyone sees them, checked with DuckDB over the files themselves."""

from collections.abc import Mapping, Sequence

import duckdb

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


def check(night: Night, tonight: Mapping[str, Sequence[str]]) -> None:
    """Raises ContractError that names the table, the rule and the first rows that break it.

    `tonight`: the tables to publish, with their files. The vocabulary of other nights is looked up as it is now, not
    as it was pinned: another run may have given rows meanwhile.
    """
    known = night.tables.current_files("vocabulary", night.run.domain)
    others = {
        "interactions": night.history("interactions"),
        "reviews": night.history("reviews"),
        "vocabulary": [path for ds, path in known if ds != night.ds],
    }
    with connect() as db:
        db.execute(f"CREATE VIEW night AS SELECT '{night.run.domain}' AS domain, '{night.ds}' AS ds")
        parquet_view(db, "published_vocabulary", [path for _, path in known], TABLES["vocabulary"].schema)
        for name, table in TABLES.items():
            files = list(tonight.get(name, []))
            parquet_view(db, name, files + others.get(name, []), table.schema)
            parquet_view(db, f"tonight_{name}", files, table.schema)
        for definition in eligibility_sql(night.domain, night.ds):
            db.execute(definition)
        for name in tonight:
            for rule in (*common(TABLES[name], night), *TABLES[name].contracts):
                require(db, name, rule)
        require(db, "vocabulary", APPEND_ONLY)


def common(table: Table, night: Night) -> list[Contract]:
    """What holds for every table: its partition is the night's, required columns are there, the key is unique."""
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
        raise ContractError(
            f"table {name} breaks the rule {rule.name}: {rule.meaning}. For example {rows}. Nothing was published"
        )
