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

    The view `latest` itself lists those nights. A view of `latest` reads the snapshot that the night's publication
    left: one under way, or one that was killed, does not show.
    """
    db = connect()
    for extension in ("avro", "iceberg"):
        folder = Path(str(importlib.import_module(f"duckdb_extension_{extension}").__file__)).parent
        db.execute(f"LOAD {_text(str(next(folder.rglob(f'{extension}.duckdb_extension'))))}")
    # `runs` first: the other tables, looked up after it, have every publication that it names.
    pointers = {name: tables.pointer(name) for name in ("runs", *TABLES)}
    for name, pointer in pointers.items():
        _view(db, name, name, [_scan(name, pointer.metadata, pointer.snapshot)] if pointer and pointer.snapshot else [])
    db.execute(
        """CREATE VIEW latest AS SELECT domain, ds, run_id, sequence FROM runs WHERE state = 'complete'
           QUALIFY row_number() OVER (PARTITION BY domain ORDER BY ds DESC, sequence DESC) = 1"""
    )
    nights = db.execute("FROM latest ORDER BY domain").fetchall()
    db.execute("CREATE SCHEMA latest")
    for name, pointer in pointers.items():
        _view(db, f"latest.{name}", name, _of_nights(name, pointer, tables.warehouse, nights) if pointer else [])
    return db


def _of_nights(name: str, pointer: Pointer, warehouse: str, nights: Sequence[tuple[str, str, str, int]]) -> list[str]:
    """For each of the nights, the query for its rows of a table."""
    selects = []
    for domain, ds, run_id, sequence in nights:
        if snapshot := pointer.tags.get(Run(warehouse, domain, ds, run_id).tag(sequence)):
            rows = f"ds {'<=' if name in GROWING else '='} {_text(ds)}"
            rows += f" AND run_id = {_text(run_id)}" if name == "runs" else ""
            selects.append(f"{_scan(name, pointer.metadata, snapshot)} WHERE domain = {_text(domain)} AND {rows}")
    return selects


def _scan(name: str, metadata: str, snapshot: int) -> str:
    columns = ", ".join(TABLES[name].schema.names)
    location = _text(metadata.removeprefix("file://"))
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
