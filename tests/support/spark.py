"""The run that all Spark tests of this process belong to, and nights that use no Spark."""

import os

import pytest
from pyspark.sql import SparkSession

from jobs.night import Night
from jobs.spark import local

RUN = f"tests-{os.getpid()}"


def forbid_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small night is computed in the task, and a job that asks for a session fails."""

    def session(night: Night) -> SparkSession:
        raise AssertionError("this night needs no Spark")

    monkeypatch.setattr(local, "MAX_EVENTS", 2_000_000)
    for module in ("jobs.vocabulary", "jobs.sequences", "jobs.similarity.job"):
        monkeypatch.setattr(f"{module}.session", session)
