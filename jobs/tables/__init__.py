"""Interactive commands on the published tables: list, show, query, history, rollback, and their upkeep.

One module an action, of which `jobs/cli.py` calls this one; they import storage and what publishes, and nothing imports
them. Begin with `__init__.py`, whose `main` runs an action.
"""

import argparse
import csv
import json
import math
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import duckdb
import pyarrow as pa
from pyarrow import parquet as pq

from jobs import settings
from jobs.errors import InputError
from jobs.night import iso_day, published_domain
from jobs.output import json_text, say, visible
from jobs.storage.catalog import Tables
from jobs.storage.runs import run_name
from jobs.storage.sql import confine, open_tables
from jobs.tables import backup, check, expire, export
from jobs.tables.rollback import roll_back
from jobs.terminal import grid
from jobs.terminal import show as show_parts
from schemas.tables import TABLES

DESCRIPTION = "The published tables: list, show, query, history, rollback, and their upkeep."
# Of `runs.rows`, which is JSON: the tables that have any.
ROWS = """array_to_string([format('{:,} {}', entry.value, entry.key)
    FOR entry IN map_entries(from_json(rows, '"MAP(VARCHAR, BIGINT)"')) IF entry.value > 0], ', ') AS rows"""
COUNTS = "(SELECT count(*) FROM main.{0}) AS rows, (SELECT count(*) FROM latest.{0}) AS latest_rows"

# action → (what it does, its parser, its main)
UPKEEP = {
    "expire": ("remove old nights, then the files that nothing refers to", expire.parser, expire.main),
    "export": ("the last complete nights as plain Parquet", export.parser, export.main),
    "check": ("compare warehouse and catalog", check.parser, check.main),
    "backup": ("save the catalog to a file", backup.backup_parser, backup.backup),
    "restore": ("bring a saved catalog back", backup.restore_parser, backup.restore),
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore tables", description=DESCRIPTION)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("ls", help="all tables: rows, last complete night")
    show = actions.add_parser("show", help="one table: what it means, its columns, its key")
    show.add_argument("table", choices=list(TABLES))
    show.add_argument("--metadata", action="store_true", help="only the address of the metadata file that is current")
    sql = actions.add_parser("sql", help="DuckDB SQL; `latest.<table>` has the last complete night of each domain")
    sql.add_argument("query")
    sql.add_argument("--format", choices=("table", "csv", "json", "parquet"), default="table")
    sql.add_argument("--output", help="file to write to (needed for parquet)")
    sql.add_argument("--any-file", action="store_true", help="let the query read files and addresses beside the tables")
    actions.add_parser("history", help="all publications, newest first").add_argument("--domain", type=published_domain)
    back = actions.add_parser("rollback", help="publish again what an earlier run of a night published")
    back.add_argument("--domain", required=True, type=published_domain)
    back.add_argument("--ds", required=True, type=iso_day)
    back.add_argument("--to", required=True, type=run_name, metavar="RUN", help="the run, from `encore tables history`")
    for name, (what, made, _) in UPKEEP.items():
        own = made()
        actions.add_parser(
            name,
            parents=[own],
            add_help=False,
            help=what,
            description=own.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs one action."""
    if args.action in UPKEEP:
        return UPKEEP[args.action][2](args)
    config = settings.load()
    tables = Tables(config)
    tables.check_format()
    if args.action == "rollback":
        say(f"published again: {roll_back(config, args.domain, args.ds, args.to)}")
        return 0
    if args.action == "show":
        show(tables, args.table, args.metadata)
        return 0
    with open_tables(tables) as db:
        if args.action == "sql":
            if not args.any_file:
                confine(db, tables)
            query(db, args.query, args.format, args.output)
        elif args.action == "history":
            where = f"WHERE domain = '{args.domain}'" if args.domain else ""
            if where and args.domain not in config.domains and not db.execute(f"FROM runs {where} LIMIT 1").fetchall():
                raise InputError(f"there is no domain {args.domain!r}; there are: {', '.join(config.domains)}")
            columns = f"domain, ds, run_id, trigger, state, sequence, {ROWS}"
            query(db, f"SELECT {columns} FROM runs {where} ORDER BY domain, sequence DESC")
        else:
            query(db, " UNION ALL ".join(f"SELECT '{name}' AS table, {COUNTS.format(name)}" for name in TABLES))
    return 0


def show(tables: Tables, name: str, metadata: bool) -> None:
    """What a table means, or where its metadata is."""
    if metadata:
        say(tables.metadata_location(name))
        return
    table = TABLES[name]
    show_parts(f"{name}: {table.meaning}", f"key: {', '.join(table.key)}")
    rows = [(c.name, str(c.type), "" if c.required else "may be null", c.meaning) for c in table.columns]
    show_parts(grid("", ("column", "type", "", "meaning"), rows))


def query(db: duckdb.DuckDBPyConnection, sql: str, form: str = "table", output: str | None = None) -> None:
    """Prints or writes the rows of a query; InputError for SQL that DuckDB refuses or that is more than one query."""
    if form == "parquet" and output is None:
        raise InputError("--format parquet needs --output FILE")
    try:
        statements = db.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise InputError("sql takes one query (SELECT, FROM, DESCRIBE, …): it reads and changes nothing")
        result = db.execute(statements[0]).to_arrow_table()
    except duckdb.PermissionException as error:
        raise InputError(f"{error}; queries read the warehouse alone, with --any-file other files too") from error
    except duckdb.Error as error:
        raise InputError(
            f"{error}; `encore tables ls` lists the tables, `encore tables show TABLE` the columns"
        ) from error
    if output is None:
        _print(result, form, sys.stdout)
        return
    try:
        if form == "parquet":
            pq.write_table(result, output)
        else:
            with Path(output).open("w", encoding="utf-8", newline="") as stream:
                _print(result, form, stream)
    except OSError as error:
        raise InputError(
            f"--output {output}: cannot be written ({error}); name a file in an existing folder"
        ) from error


def _print(result: pa.Table, form: str, stream: TextIO) -> None:
    names = result.column_names
    if form == "json" and (twice := sorted({name for name in names if names.count(name) > 1})):
        raise InputError(f"several columns of the query are named {twice[0]!r}, which JSON cannot tell apart; use AS")
    columns = [column.to_pylist() for column in result.columns]
    rows = list(zip(*columns, strict=True))
    if form == "table":
        cells = [["" if cell is None else _cell(cell) for cell in row] for row in rows]
        show_parts(grid("", result.column_names, cells), stream=stream)
    elif form == "csv":
        writer = csv.writer(stream)
        writer.writerow(result.column_names)
        shown = (lambda cell: visible(str(cell))) if stream.isatty() else (lambda cell: cell)  # a file has all as it is
        writer.writerows([shown(_cell(cell)) for cell in row] for row in rows)
    else:
        named = [dict(zip(result.column_names, map(_plain, row), strict=True)) for row in rows]
        stream.write(json_text(named) + "\n")


def _cell(value: Any) -> Any:
    """A value for a cell: lists and structs as JSON, the rest as it is."""
    return json.dumps(_plain(value), default=str, ensure_ascii=False) if isinstance(value, list | dict) else value


def _plain(value: Any) -> Any:
    """A value as JSON knows it: decimals are numbers, NaN and the infinities null."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
