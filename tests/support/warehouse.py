"""A warehouse of its own for a test."""

import atexit
import errno
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import pytest

from jobs import settings
from jobs.settings import Settings
from jobs.storage.catalog import Tables


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a warehouse and a landing folder below a folder; the environment says the same."""
    keys = ("ENCORE_PSEUDONYM_KEY", "ENCORE_PSEUDONYM_KEY_FILE")
    for name in ("ENCORE_CONFIG", "ENCORE_DOMAINS", "SPARK_REMOTE", *keys):
        monkeypatch.delenv(name, raising=False)
    for name, place in {"warehouse": "the wärehouse's", "landing": "landing", "state": "state"}.items():
        monkeypatch.setenv(f"ENCORE_{name.upper()}", str(folder / place))
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # what it would choose, without its warning
    return settings.load()


def make_tables(config: Settings) -> None:
    """What `Tables.create` does, where it makes a local warehouse with all tables: by a copy of one, with its address
    in place of the other's. The copy appears whole: processes may make the same warehouse at once."""
    folder = Path(config.warehouse.removeprefix("file://"))
    if config.catalog or not config.warehouse.startswith("file://") or folder.exists():
        Tables(config).create()
        return
    made = empty_warehouse()
    old, new = f"file://{made}", config.warehouse
    in_json = [json.dumps(address, ensure_ascii=False)[1:-1] for address in (old, new)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as making:
        copy = Path(shutil.copytree(made, f"{making}/warehouse"))
        for file in copy.rglob("*.metadata.json"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(*in_json), encoding="utf-8")
        with closing(sqlite3.connect(copy / "catalog.db")) as db, db:
            db.execute("UPDATE iceberg_tables SET metadata_location = replace(metadata_location, ?, ?)", (old, new))
        try:
            copy.rename(folder)
        except OSError as error:  # another process has made it meanwhile
            if error.errno != errno.ENOTEMPTY:
                raise


@cache
def empty_warehouse() -> Path:
    """A warehouse whose tables have no rows; of this process, and gone with it."""
    keeper = tempfile.TemporaryDirectory(prefix="encore-tests-")
    atexit.register(keeper.cleanup)
    Tables(settings.load({"ENCORE_WAREHOUSE": f"{keeper.name}/warehouse"})).create()
    return Path(keeper.name) / "warehouse"


@contextmanager
def borrowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A warehouse for one test, below a folder: put back as it was when the test has ended. Tables know where they lie,
    so that a test can have no copy at another place."""
    kept = folder.with_name(f"{folder.name} as made")
    if not kept.exists():
        shutil.copytree(folder, kept)
    yield use(folder, monkeypatch)
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
