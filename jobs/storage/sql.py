"""DuckDB over the published tables and over plain files."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from jobs.storage import files
from jobs.storage.catalog import Tables
from schemas.tables import TABLES


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory."""
    return duckdb.connect(":memory:")


def parquet_view(db: duckdb.DuckDBPyConnection, name: str, addresses: Sequence[str], schema: pa.Schema) -> None:
    """A view `name` over Parquet files; with the columns of `schema` where there are no files."""
    if addresses:
        paths = ", ".join(_text(files.filesystem(address)[1] if address.startswith("file://") else address) for address in addresses)
        db.execute(f"CREATE VIEW {name} AS FROM read_parquet([{paths}], union_by_name = true)")
    else:
        db.register(name, schema.empty_table())


def open_tables(tables: Tables) -> duckdb.DuckDBPyConnection:
    """Every published table as a view, and in the schema `latest` its rows of each domain's last complete night.

    The view `latest` itself lists those nights. A view of `latest` reads the snapshot that the night's run left: a
    publication under way does not show.
    """
    db = connect()
    for extension in ("avro", "iceberg"):
        folder = Path(str(importlib.import_module(f"duckdb_extension_{extension}").__file__)).parent
        db.execute(f"LOAD {_text(str(next(folder.rglob(f'{extension}.duckdb_extension'))))}")
    for name in TABLES:
        _view(db, name, [_scan(tables, name, None)] if tables.snapshots()[name] else [])
    db.execute(
        """CREATE VIEW latest AS SELECT domain, ds, run_id FROM runs WHERE state = 'complete'
           QUALIFY row_number() OVER (PARTITION BY domain ORDER BY ds DESC, sequence DESC) = 1"""
    )
    nights = db.execute("FROM latest ORDER BY domain").fetchall()
    db.execute("CREATE SCHEMA latest")
    for name in TABLES:
        selects = []
        for domain, ds, run_id in nights:
            snapshot = tables.tagged(name, f"{domain}.{ds}.{run_id}")
            if snapshot:
                span = "ds <= " if name in ("interactions", "vocabulary", "files") else "ds = "
                selects.append(f"{_scan(tables, name, snapshot)} WHERE domain = {_text(domain)} AND {span}{_text(ds)}")
        _view(db, name, selects, schema="latest.")
    return db


def _scan(tables: Tables, name: str, snapshot: int | None) -> str:
    location = tables.metadata_location(name).removeprefix("file://")
    at = f", snapshot_from_id = {snapshot}" if snapshot else ""
    columns = ", ".join(TABLES[name].schema.names)
    return f"SELECT {columns} FROM iceberg_scan({_text(location)}{at})"


def _view(db: duckdb.DuckDBPyConnection, name: str, selects: list[str], schema: str = "") -> None:
    if selects:
        db.execute(f"CREATE VIEW {schema}{name} AS {' UNION ALL '.join(selects)}")
    else:
        empty = f"empty_{name}"
        db.register(empty, TABLES[name].schema.empty_table())
        db.execute(f"CREATE VIEW {schema}{name} AS FROM {empty}")


def _text(value: str) -> str:
    """A value as an SQL string."""
    return "'" + value.replace("'", "''") + "'"
