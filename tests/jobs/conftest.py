"""A warehouse of its own for a test, and one for tests that only read."""

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from jobs.cli import main
from jobs.settings import Settings
from tests.support.disk import mount
from tests.support.fakes import fake_night, publish_words
from tests.support.warehouse import borrowed, use


@pytest.fixture(scope="session", autouse=True)
def quick_catalogs() -> Iterator[None]:
    """SQLite catalogs of this process do not wait for the disk: no test cuts the power."""

    def connected(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", connected)
    yield
    event.remove(Engine, "connect", connected)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a warehouse that is not there yet."""
    return use(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with one published night of movies: run `first`, mark 1."""
    folder = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as monkeypatch:
        fake_night(use(folder, monkeypatch), 1, run="first")
        assert main(publish_words("first")) == 0
    return folder


@pytest.fixture
def shared(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The warehouse on the shelf, for tests that only read it and commit nothing."""
    return use(shelf, monkeypatch)


@pytest.fixture
def published(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The warehouse on the shelf, for one test."""
    with borrowed(shelf, monkeypatch) as config:
        yield config


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
