"""A warehouse of its own for a test, and one for tests that only read."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs import settings
from jobs.cli import main
from jobs.settings import Settings
from tests.jobs.fakes import fake_night, publish_words


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a warehouse and a landing folder below a folder; the environment says the same."""
    for name in ("ENCORE_CONFIG", "SPARK_REMOTE"):
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
