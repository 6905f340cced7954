"""The published tables, for people: list, show, query, history, rollback."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from typing import Any

import duckdb
from pyarrow import parquet as pq
from rich.console import Console
from rich.table import Table as Grid

from jobs import settings
from jobs.errors import InputError
from jobs.night import iso_day
from jobs.rollback import roll_back
from jobs.storage.catalog import Tables
from jobs.storage.runs import run_name
from jobs.storage.sql import open_tables
from schemas.domains import DOMAINS
from schemas.tables import TABLES


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore tables", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("ls", help="all tables: rows, last complete night")
    show = actions.add_parser("show", help="one table: what it means, its columns, its key")
    show.add_argument("table", choices=list(TABLES))
    show.add_argument("--metadata", action="store_true", help="only the address of the metadata file that is current")
    sql = actions.add_parser("sql", help="DuckDB SQL; `latest.<table>` has the last complete night of each domain")
    sql.add_argument("query")
    sql.add_argument("--format", choices=("table", "csv", "json", "parquet"), default="table")
    sql.add_argument("--output", help="file to write to (needed for parquet)")
    actions.add_parser("history", help="all publications, newest first").add_argument("--domain", choices=list(DOMAINS))
    back = actions.add_parser("rollback", help="publish again what an earlier run of a night published")
    back.add_argument("--domain", required=True, choices=list(DOMAINS))
    back.add_argument("--ds", required=True, type=iso_day)
    back.add_argument("--to", required=True, type=run_name, metavar="RUN", help="the run, from `encore tables history`")
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs one action."""
    config = settings.load()
    tables = Tables(config)
    tables.check_format()
    if args.action == "rollback":
        print(f"published again: {roll_back(config, args.domain, args.ds, args.to)}")
        return 0
    if args.action == "show":
        show(tables, args.table, args.metadata)
        return 0
    with open_tables(tables) as db:
        if args.action == "sql":
            query(db, args.query, args.format, args.output)
        elif args.action == "history":
            where = f"WHERE domain = '{args.domain}'" if args.domain else ""
            query(db, f"SELECT domain, ds, run_id, trigger, state, sequence, rows FROM runs {where} ORDER BY ALL DESC")
        else:
            parts = [
                f"SELECT '{name}' AS table, (SELECT count(*) FROM {name}) AS rows, "
                f"(SELECT count(*) FROM latest.{name}) AS latest_rows, '{tables.metadata_location(name)}' AS metadata"
                for name in TABLES
            ]
            query(db, " UNION ALL ".join(parts))
    return 0


def show(tables: Tables, name: str, metadata: bool) -> None:
    """What a table means, or where its metadata is."""
    if metadata:
        print(tables.metadata_location(name))
        return
    table = TABLES[name]
    console = Console()
    console.print(f"[bold]{name}[/]: {table.meaning}\nkey: {', '.join(table.key)}")
    rows = [(c.name, str(c.type), "" if c.required else "may be null", c.meaning) for c in table.columns]
    console.print(_grid(("column", "type", "", "meaning"), rows))


def query(db: duckdb.DuckDBPyConnection, sql: str, form: str = "table", output: str | None = None) -> None:
    """Prints or writes the rows of a query; InputError for SQL that DuckDB refuses."""
    try:
        result = db.execute(sql).to_arrow_table()
    except duckdb.Error as error:
        raise InputError(
            f"{error}; `encore tables ls` lists the tables, `encore tables show TABLE` the columns"
        ) from error
    if form == "parquet":
        if output is None:
            raise InputError("--format parquet needs --output FILE")
        pq.write_table(result, output)
        return
    stream = open(output, "w", encoding="utf-8", newline="") if output else sys.stdout  # noqa: SIM115, PTH123
    try:
        if form == "table":
            console = Console(file=stream) if stream.isatty() else Console(file=stream, width=10_000)
            console.print(_grid(result.column_names, [tuple(map(str, row.values())) for row in result.to_pylist()]))
        elif form == "csv":
            writer = csv.writer(stream)
            writer.writerow(result.column_names)
            writer.writerows(row.values() for row in result.to_pylist())
        else:
            json.dump(result.to_pylist(), stream, default=str, ensure_ascii=False)
            stream.write("\n")
    finally:
        if output:
            stream.close()


def _grid(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    grid = Grid(show_edge=False, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid
