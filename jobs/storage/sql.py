"""SQL with DuckDB over the published tables and over plain files."""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from jobs.states import PUBLISHED, Publication, last_complete_nights
from jobs.storage.catalog import Pointer, Tables
from jobs.storage.files import filesystem
from jobs.storage.immutable import ImmutableFiles, small_files
from jobs.storage.runs import Run
from schemas.sql import quote
from schemas.tables import TABLES


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory, in UTC wherever it runs."""
    db = duckdb.connect(":memory:")
    db.execute("SET TimeZone = 'UTC'")
    return db


def parquet_view(db: duckdb.DuckDBPyConnection, name: str, addresses: Sequence[str], schema: pa.Schema) -> None:
    """A view `name` over Parquet files; with the columns of `schema` where there are no files."""
    if addresses:
        read_through_arrow(db, addresses[0])
        paths = ", ".join(quote(address.removeprefix("file://")) for address in addresses)
        options = "union_by_name = true, hive_partitioning = false"
        db.execute(f"CREATE VIEW {name} AS FROM read_parquet([{paths}], {options})")
    else:
        db.register(name, schema.empty_table())


def read_through_arrow(db: duckdb.DuckDBPyConnection, address: str) -> None:
    """Has DuckDB read addresses of this kind as everything else does: same endpoint, credentials and retries.

    DuckDB's own extension for S3 would have to be configured once more, and finds no role of a machine.
    """
    scheme = address.partition("://")[0]
    if scheme != "file" and not db.filesystem_is_registered(scheme):
        db.register_filesystem(ImmutableFiles(filesystem(address)[0], scheme, small_files()))


def open_tables(tables: Tables) -> duckdb.DuckDBPyConnection:
    """Every published table as a view, and in the schema `latest` its rows of each domain's last complete night.

    The table `latest` itself lists those nights.
    """
    db = open_some(tables, TABLES)
    nights = last_complete_nights(read_publications(db))
    db.execute("CREATE TABLE latest (domain VARCHAR, ds VARCHAR, run_id VARCHAR, sequence BIGINT)")
    if nights:
        db.executemany("INSERT INTO latest VALUES (?, ?, ?, ?)", nights)
    add_publications(db, tables, "latest", nights)
    return db


def read_publications(db: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """What `jobs.states` needs of every row of `runs`."""
    rows: list[dict[str, Any]] = (
        db.execute(f"SELECT {', '.join(PUBLISHED)} FROM main.runs").to_arrow_table().to_pylist()
    )
    return rows


def confine(db: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Lets queries read the warehouse, where the files of all tables are, and no other file, address or variable."""
    metadata = [tables.pointer(name).metadata.rpartition("/metadata/")[0] for name in TABLES]
    addresses = [f"{folder}/" for folder in (tables.warehouse, *metadata)]
    folders = {*addresses, *(address.removeprefix("file://") for address in addresses)}
    db.execute(f"SET allowed_directories = [{', '.join(map(quote, sorted(folders)))}]")
    db.execute("SET python_enable_replacements = false")
    db.execute("SET enable_external_access = false")
    db.execute("SET lock_configuration = true")


def open_some(tables: Tables, names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    """Some published tables as views."""
    db = connect()
    for extension in ("avro", "iceberg"):
        folder = Path(str(importlib.import_module(f"duckdb_extension_{extension}").__file__)).parent
        db.execute(f"LOAD {quote(str(next(folder.rglob(f'{extension}.duckdb_extension'))))}")
    read_through_arrow(db, tables.warehouse)
    db.execute("CREATE SCHEMA columns")
    for name in names:
        pointer = tables.pointer(name)
        _view(db, name, name, [_scan(pointer, pointer.snapshot)] if pointer.snapshot else [])
    return db


def add_publications(
    db: duckdb.DuckDBPyConnection,
    tables: Tables,
    schema: str,
    publications: Sequence[Publication],
    names: Iterable[str] = TABLES,
) -> None:
    """A schema whose views hold the tables as publications left them.

    They read tagged snapshots: a publication under way, or one that was killed, does not show. The catalog is asked
    after `runs` has been read, so that every tag of what is complete is there.
    """
    db.execute(f"CREATE SCHEMA {schema}")
    for name in names:
        selects, table = [], TABLES[name]
        pointer = tables.pointer(name)
        nights = "=" if "ds" in table.key else "<="  # where a night only adds rows, all nights count
        for one in publications:
            snapshot = pointer.tags.get(Run.of(tables.warehouse, one).tag(one.sequence))
            where = f"domain = {quote(one.domain)} AND ds {nights} {quote(one.ds)}"
            where += f" AND run_id = {quote(one.run_id)}" if name == "runs" else ""
            selects += [f"{_scan(pointer, snapshot)} WHERE {where}"] if snapshot else []
        _view(db, f"{schema}.{name}", name, selects)


def _scan(pointer: Pointer, snapshot: int) -> str:
    return f"FROM iceberg_scan({quote(pointer.metadata.removeprefix('file://'))}, snapshot_from_id = {snapshot})"


def _shape(db: duckdb.DuckDBPyConnection, table: str) -> None:
    db.register("shape", TABLES[table].schema.empty_table())
    db.execute(f"CREATE TABLE IF NOT EXISTS columns.{table} AS FROM shape")
    db.unregister("shape")


def _view(db: duckdb.DuckDBPyConnection, view: str, table: str, selects: list[str]) -> None:
    """The rows of `selects` with the table's columns; one that an old snapshot does not have is null."""
    _shape(db, table)
    rows = " UNION ALL BY NAME ".join((f"FROM columns.{table}", *selects))
    db.execute(f"CREATE VIEW {view} AS SELECT {', '.join(TABLES[table].schema.names)} FROM ({rows})")
