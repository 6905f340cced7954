"""A warehouse of its own for a test."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs import settings
from jobs.settings import Settings


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a warehouse and a landing folder below a folder; the environment says the same."""
    keys = ("ENCORE_PSEUDONYM_KEY", "ENCORE_PSEUDONYM_KEY_FILE")
    for name in ("ENCORE_CONFIG", "ENCORE_DOMAINS", "SPARK_REMOTE", *keys):
        monkeypatch.delenv(name, raising=False)
    for name, place in {"warehouse": "the wärehouse's", "landing": "landing", "state": "state"}.items():
        monkeypatch.setenv(f"ENCORE_{name.upper()}", str(folder / place))
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # what it would choose, without its warning
    return settings.load()


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
