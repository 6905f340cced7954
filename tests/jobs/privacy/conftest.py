"""A warehouse for a test of privacy, with an Airflow home beside it."""

from pathlib import Path

import pytest

from jobs.settings import Settings
from tests.support import warehouse


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A warehouse of its own; Airflow's home too."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    return warehouse.use(tmp_path, monkeypatch)
