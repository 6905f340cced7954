"""A warehouse of its own for a test."""

from pathlib import Path

import pytest

from jobs.settings import Settings
from tests.support.warehouse import use


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a warehouse that is not there yet."""
    return use(tmp_path, monkeypatch)
