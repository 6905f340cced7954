"""Backup and restore of the SQLite catalog. It says which metadata file is each table's present one; the
data needs no more than a copy of the warehouse's folder.

A backup is good as long as the files are there that it refers to: `encore tables expire` removes some, so back up after
it. `restore` looks for each table's metadata file first, keeps the replaced catalog beside the new one, and refuses
while another process writes. Stop the nights before: what they have open is the old catalog.
"""

import argparse
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from jobs import settings
from jobs.errors import DONE, InputError
from jobs.output import say
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.catalog_loading import NAMESPACE
from jobs.storage.files import filesystem, read_bytes

BUSY_SECONDS = 5.0


def parser() -> argparse.ArgumentParser:
    """Arguments that both commands share."""
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def backup_parser() -> argparse.ArgumentParser:
    """Arguments of `encore tables backup`."""
    made = parser()
    made.add_argument("--to", required=True, type=Path, metavar="FILE", help="a new file")
    return made


def restore_parser() -> argparse.ArgumentParser:
    """Arguments of `encore tables restore`."""
    made = parser()
    made.add_argument("--from", required=True, type=Path, metavar="FILE", dest="source", help="a backup")
    return made


def backup(args: argparse.Namespace) -> int:
    """Saves the catalog, as of one moment, to a new file."""
    config = settings.load()
    Tables(config).check_format()
    catalog = catalog_file(config)
    if not catalog.exists():
        raise InputError(f"{catalog}: there is no catalog to save; run a night first")
    if args.to.exists():
        raise InputError(f"--to {args.to}: the file exists; name a new one")
    if not args.to.absolute().parent.is_dir():
        raise InputError(f"--to {args.to}: there is no such folder; make it first")
    with write_aside(args.to) as copy:
        copy_database(catalog, copy)
        tables = read_registered(copy)
        copy.replace(args.to)
    say(f"saved the catalog of {config.warehouse} with {len(tables)} tables to {args.to}")
    return DONE


def restore(args: argparse.Namespace) -> int:
    """Puts a backup in the place of the catalog, which is kept."""
    config = settings.load()
    Tables(config).check_format()
    catalog = catalog_file(config)
    if not args.source.is_file():
        raise InputError(f"--from {args.source}: there is no such file")
    with write_aside(catalog) as copy:
        copy_database(args.source, copy)
        for name, metadata in read_registered(copy).items():
            if not metadata.startswith(f"{config.warehouse}/"):
                raise InputError(f"--from {args.source}: table {name} is at {metadata}, not below {config.warehouse}")
            if read_bytes(metadata) is None:
                raise InputError(f"--from {args.source}: table {name} needs {metadata}, which is gone")
        kept = keep(catalog) if catalog.exists() else None
        copy.replace(catalog)
    say(f"restored the catalog of {config.warehouse} from {args.source}")
    say(f"the one before is kept as {kept}; `encore tables check` compares the files" if kept else "there was none")
    return DONE


def catalog_file(config: Settings) -> Path:
    """The SQLite file of the default catalog; InputError for a catalog that is kept elsewhere."""
    if config.catalog:
        kind = config.catalog.get("type") or config.catalog.get("uri") or "another kind"
        raise InputError(f"[catalog] of ENCORE_CONFIG names a catalog of its own ({kind}): save it by its own backup")
    return Path(filesystem(config.warehouse)[1]) / "catalog.db"


def read_registered(file: Path) -> dict[str, str]:
    """Table → metadata file, of a catalog; InputError where the file is no sound catalog."""
    try:
        with closing(sqlite3.connect(file)) as db:
            if (result := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise InputError(f"{file}: damaged: {result}")
            rows = db.execute(
                "SELECT table_name, metadata_location FROM iceberg_tables WHERE table_namespace = ? ORDER BY 1",
                [NAMESPACE],
            ).fetchall()
    except sqlite3.DatabaseError as error:
        raise InputError(f"{file}: not a catalog of Encore ({error})") from error
    if not rows:
        raise InputError(f"{file}: not a catalog of Encore (it lists no table)")
    return dict(rows)


def copy_database(source: Path, target: Path) -> None:
    """A copy as of one moment, whoever writes meanwhile; InputError where `source` is no database."""
    try:
        uri = f"{source.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    except sqlite3.DatabaseError as error:
        raise InputError(f"{source}: not a SQLite database that can be read ({error})") from error


def keep(catalog: Path) -> Path:
    """Copies the catalog beside itself while nobody writes; InputError where someone does."""
    number = 1
    while (kept := catalog.with_name(f"{catalog.name}.replaced-{number}")).exists():
        number += 1
    try:
        with closing(sqlite3.connect(catalog, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            db.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise InputError(f"{catalog}: in use ({error}); stop the nights and try again") from error
    except sqlite3.DatabaseError:
        catalog.replace(kept)  # damaged: that is what a backup is for
        return kept
    copy_database(catalog, kept)
    return kept


@contextmanager
def write_aside(target: Path) -> Iterator[Path]:
    """A file beside `target` to be renamed to it; nothing of it remains where that did not come about."""
    copy = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)
