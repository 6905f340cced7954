"""A warehouse of its own for a test."""

from pathlib import Path

import pytest

from jobs import settings
from jobs.cli import main
from jobs.settings import Settings
from tests.jobs.fakes import fake_night, publish_words


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a warehouse and a landing folder below the test's folder; the environment says the same."""
    for name in ("ENCORE_CONFIG", "SPARK_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    for name, folder in {"warehouse": "the wärehouse's", "landing": "landing", "state": "state"}.items():
        monkeypatch.setenv(f"ENCORE_{name.upper()}", str(tmp_path / folder))
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # what it would choose, without its warning
    return settings.load()


@pytest.fixture
def published(config: Settings) -> Settings:
    """A warehouse with one published night of movies: run `first`, mark 1."""
    fake_night(config, 1, run="first")
    assert main(publish_words("first")) == 0
    return config
