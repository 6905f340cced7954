"""DuckDB over the published tables and over plain files."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from jobs.storage.catalog import Pointer, Tables
from jobs.storage.runs import Run
from schemas.tables import TABLES

GROWING = ("files", "interactions", "vocabulary")  # all nights count, not only the last


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory, in UTC wherever it runs."""
    db = duckdb.connect(":memory:")
    db.execute("SET TimeZone = 'UTC'")
    return db


def parquet_view(db: duckdb.DuckDBPyConnection, name: str, addresses: Sequence[str], schema: pa.Schema) -> None:
    """A view `name` over Parquet files; with the columns of `schema` where there are no files."""
    if addresses:
        paths = ", ".join(_text(address.removeprefix("file://")) for address in addresses)
        options = "union_by_name = true, hive_partitioning = false"
        db.execute(f"CREATE VIEW {name} AS FROM read_parquet([{paths}], {options})")
    else:
        db.register(name, schema.empty_table())


def open_tables(tables: Tables) -> duckdb.DuckDBPyConnection:
    """Every published table as a view, and in the schema `latest` its rows of each domain's last complete night.

    The view `latest` itself lists those nights.
    """
    db = connect()
    for extension in ("avro", "iceberg"):
        folder = Path(str(importlib.import_module(f"duckdb_extension_{extension}").__file__)).parent
        db.execute(f"LOAD {_text(str(next(folder.rglob(f'{extension}.duckdb_extension'))))}")
    for name in TABLES:
        pointer = tables.pointer(name)
        _view(db, name, name, [_scan(name, pointer, pointer.snapshot)] if pointer.snapshot else [])
    db.execute(
        """CREATE VIEW latest AS SELECT domain, ds, run_id, sequence FROM runs WHERE state = 'complete'
           QUALIFY row_number() OVER (PARTITION BY domain ORDER BY ds DESC, sequence DESC) = 1"""
    )
    add_publications(db, tables, "latest", db.execute("FROM latest ORDER BY domain").fetchall())
    return db


def add_publications(
    db: duckdb.DuckDBPyConnection, tables: Tables, schema: str, publications: Sequence[tuple[str, str, str, int]]
) -> None:
    """A schema whose views hold each table as publications (domain, ds, run_id, sequence) left it.

    They read tagged snapshots: a publication under way, or one that was killed, does not show. The catalog is asked
    after `runs` has been read, so that every tag of what is complete is there.
    """
    db.execute(f"CREATE SCHEMA {schema}")
    for name in TABLES:
        selects = []
        pointer = tables.pointer(name)
        for domain, ds, run_id, sequence in publications:
            snapshot = pointer.tags.get(Run(tables.warehouse, domain, ds, run_id).tag(sequence))
            where = f"domain = {_text(domain)} AND ds {'<=' if name in GROWING else '='} {_text(ds)}"
            where += f" AND run_id = {_text(run_id)}" if name == "runs" else ""
            selects += [f"{_scan(name, pointer, snapshot)} WHERE {where}"] if snapshot else []
        _view(db, f"{schema}.{name}", name, selects)


def _scan(name: str, pointer: Pointer, snapshot: int) -> str:
    columns = ", ".join(TABLES[name].schema.names)
    location = _text(pointer.metadata.removeprefix("file://"))
    return f"SELECT {columns} FROM iceberg_scan({location}, snapshot_from_id = {snapshot})"


def _view(db: duckdb.DuckDBPyConnection, view: str, table: str, selects: list[str]) -> None:
    if selects:
        db.execute(f"CREATE VIEW {view} AS {' UNION ALL '.join(selects)}")
        return
    empty = f"empty_{view.replace('.', '_')}"
    db.register(empty, TABLES[table].schema.empty_table())
    db.execute(f"CREATE VIEW {view} AS FROM {empty}")


def _text(value: str) -> str:
    """A value as an SQL string."""
    return "'" + value.replace("'", "''") + "'"
