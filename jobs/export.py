"""The last complete nights as plain Parquet: <address>/<table>/domain=…/ds=…/part-0.parquet, for readers without a catalog.

The rows are those of `latest.<table>`. On a local disk the export is written aside and renamed when it is whole, in the
place of an earlier one; an object store cannot rename: there `_export.json`, written last, says that it is whole.
"""

import argparse
import json
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs import settings
from jobs.errors import DONE, InputError
from jobs.settings import address
from jobs.storage import files
from jobs.storage.catalog import Tables
from jobs.storage.runs import Run
from jobs.storage.sql import GROWING, open_tables
from schemas.domains import DOMAINS
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
    parser.add_argument("--domain", action="append", choices=list(DOMAINS), help="may be given several times")
    parser.add_argument("--table", action="append", choices=list(TABLES), help="may be given several times")
    return parser


def main(args: argparse.Namespace) -> int:
    """Writes the export and says what is in it."""
    tables = Tables(settings.load())
    tables.check_format()
    with open_tables(tables) as db:
        nights = db.execute("SELECT domain, ds, run_id, sequence FROM latest ORDER BY domain").fetchall()
    runs = {Run(tables.warehouse, d, ds, run_id): n for d, ds, run_id, n in nights if d in (args.domain or DOMAINS)}
    for domain in set(args.domain or []) - {run.domain for run in runs}:
        raise InputError(f"no complete night of {domain} to export; `encore tables history` lists what is published")
    if not runs:
        raise InputError("no complete night to export; run one with `encore nightly`")
    target = address(args.to)
    require_ours(target)
    local = isinstance(files.filesystem(target)[0], arrow_fs.LocalFileSystem)
    folder = f"{target}.{uuid.uuid4().hex[:8]}.tmp" if local else target
    try:
        if not local:
            files.delete_folder(target)
        rows = {name: export(tables, runs, name, f"{folder}/{name}") for name in args.table or TABLES}
        told = [{"domain": run.domain, "ds": run.ds, "run_id": run.run_id} for run in runs]
        files.write_bytes(f"{folder}/{MARK}", json.dumps({"nights": told, "rows": rows}, indent=1).encode())
        if local:
            replace(folder, target)
    finally:
        if local:
            files.delete_folder(folder)
    for name, count in rows.items():
        print(f"{name:<16} {count:>12,} rows")
    print(f"exported {', '.join(f'{run.domain} {run.ds}' for run in runs)} to {target}")
    return DONE


def require_ours(target: str) -> None:
    """InputError where something stands at `target` that is no export."""
    if files.read_bytes(f"{target}/{MARK}") is None and (files.listing(target) or files.folders(target)):
        raise InputError(f"--to {target}: it holds files that are no export; name an empty or a new folder")
    fs, path = files.filesystem(target)
    if fs.get_file_info(path).type == arrow_fs.FileType.File:
        raise InputError(f"--to {target}: it is a file; name an empty or a new folder")


def export(tables: Tables, runs: dict[Run, int], name: str, folder: str) -> int:
    """Writes one table; returns its rows. A table without rows gets a file with columns and no rows."""
    partitions: dict[tuple[str, str], list[str]] = {(run.domain, run.ds): [] for run in runs}
    for run, sequence in runs.items():
        ds = None if name in GROWING else run.ds
        for night, path in tables.data_files(name, tables.tagged(name, run.tag(sequence)), domain=run.domain, ds=ds):
            if night <= run.ds and (name != "runs" or own_row(path, run)):
                partitions.setdefault((run.domain, night), []).append(path)
    count = 0
    for (domain, ds), paths in partitions.items():
        if paths or not any(partitions.values()):
            count += write(paths, name, f"{folder}/domain={domain}/ds={ds}")
    return count
