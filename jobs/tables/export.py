"""Exports the last complete nights as Parquet for readers without a catalog: ADDRESS/<table>/domain=…/ds=…/*.parquet.

The rows are those of `latest.<table>`. On a local disk the export is written aside and renamed when it is whole, in the
place of an earlier one; an object store cannot rename: there `_export.json`, written last, says that it is whole.
"""

import argparse
import json
import uuid
from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs import settings
from jobs.addresses import address
from jobs.errors import DONE, InputError
from jobs.night import published_domain
from jobs.output import say
from jobs.privacy.copies import add_export
from jobs.storage import files
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from schemas.table import PARTITION
from schemas.tables import TABLES

MARK = "_export.json"  # readers of a folder pass over names with an underscore
BATCH_ROWS = 100_000


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore tables export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", required=True, metavar="ADDRESS", help="a folder, which an earlier export may hold")
    parser.add_argument("--domain", action="append", type=published_domain, help="may be given several times")
    parser.add_argument("--table", action="append", choices=list(TABLES), help="may be given several times")
    return parser


def main(args: argparse.Namespace) -> int:
    """Writes the export and says what is in it."""
    tables = Tables(settings.load())
    tables.check_format()
    target = address(args.to)
    require_ours(target)
    local = isinstance(files.filesystem(target)[0], arrow_fs.LocalFileSystem)
    folder = f"{target}.{uuid.uuid4().hex[:8]}.tmp" if local else target
    with open_tables(tables) as db:
        nights = choose_nights(db, args.domain)
        try:
            if not local:
                files.delete_folder(target)
            rows = {name: export(db, name, nights, f"{folder}/{name}") for name in args.table or TABLES}
            add_export(tables.warehouse, target)  # before it is there: an erasure must find it
            mark = {"nights": nights, "rows": rows}
            files.write_bytes(f"{folder}/{MARK}", json.dumps(mark, indent=1).encode())
            if local:
                replace(folder, target)
        except BaseException:
            files.delete_folder(folder)
            raise
    for name, count in rows.items():
        say(f"{name:<16} {count:>12,} rows")
    say(f"exported {', '.join(f'{domain} {ds}' for domain, ds in nights.items())} to {target}")
    return DONE


def require_ours(target: str) -> None:
    """InputError where something stands at `target` that is no export."""
    fs, path = files.filesystem(target)
    if fs.get_file_info(path).type == arrow_fs.FileType.File:
        raise InputError(f"--to {target}: it is a file; name an empty or a new folder")
    if files.read_bytes(f"{target}/{MARK}") is None and (files.listing(target) or files.folders(target)):
        raise InputError(f"--to {target}: it holds files that are no export; name an empty or a new folder")


def choose_nights(db: duckdb.DuckDBPyConnection, domains: Sequence[str] | None) -> dict[str, str]:
    """Domain → its last complete night; InputError where a domain that was asked for, or every one, has none."""
    nights = dict(db.execute("SELECT domain, ds FROM latest ORDER BY domain").fetchall())
    for domain in domains or []:
        if domain not in nights:
            raise InputError(f"no complete night of {domain} to export; `encore tables history` lists what there is")
    if not nights:
        raise InputError("no complete night to export; `encore nightly` runs one")
    return {domain: ds for domain, ds in nights.items() if domain in (domains or nights)}


def export(db: duckdb.DuckDBPyConnection, name: str, nights: Mapping[str, str], folder: str) -> int:
    """Writes one table; returns its rows. A table without any gets a file for each night with columns and no rows."""
    partitions = db.execute(f"SELECT DISTINCT domain, ds FROM latest.{name} ORDER BY ALL").fetchall()
    mine = [partition for partition in partitions if partition[0] in nights] or [*nights.items()]
    return sum(write(db, name, domain, ds, f"{folder}/domain={domain}/ds={ds}") for domain, ds in mine)


def write(db: duckdb.DuckDBPyConnection, name: str, domain: str, ds: str, folder: str) -> int:
    """Writes one partition, whose columns stand in the names of the folders alone; returns its rows."""
    fields = [field for field in TABLES[name].schema if field.name not in PARTITION]
    schema = pa.schema(fields)
    columns = ", ".join(schema.names)
    rows = db.execute(f"SELECT {columns} FROM latest.{name} WHERE domain = $1 AND ds = $2", [domain, ds])
    files.create_folder(folder)
    fs, path = files.filesystem(f"{folder}/part-0.parquet")
    count = 0
    with pq.ParquetWriter(path, schema, filesystem=fs, compression="zstd") as writer:
        for batch in rows.to_arrow_reader(BATCH_ROWS):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            count += batch.num_rows
    return count


def replace(folder: str, target: str) -> None:
    """Puts the new export in the place of the old one, which is away for an instant."""
    old = f"{folder}.old"
    if files.folders(target) or files.listing(target):
        files.rename_folder(target, old)
    else:
        files.delete_folder(target)
    files.rename_folder(folder, target)
    files.delete_folder(old)
