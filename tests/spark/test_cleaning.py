"""Cleaning as tasks of Spark leaves the rows that cleaning in one process leaves."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import clean
from jobs.cleaning import growth
from jobs.cleaning.spread import on
from tests.support.deliveries.follow import SEED, follow


def test_tasks_agree_with_the_model(session: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same random nights, every piece of work a task, and keys in several ranges."""
    monkeypatch.setattr(clean, "choose_spread", lambda night: on(lambda: session))
    monkeypatch.setattr(growth, "RANGE_ROWS", 20)
    assert follow(tmp_path, SEED, users=10, steps=5) > 0
