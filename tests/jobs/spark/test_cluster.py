"""Somebody else's cluster: what a session sets, and what is said where only the server's start can set it."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.errors import InputError, without_token
from jobs.spark import cluster

STARTED = {
    "spark.python.daemon.module": "jobs.similarity.worker",
    "spark.driver.memory": "4g",
    "spark.executor.memory": "1536m",
    "spark.driver.host": "driver.example.org",
    "spark.ui.port": "4041",
    "spark.app.id": "app-1",
}


class Conf(dict[str, str]):
    """The settings of a server; a session may change those of SQL."""

    def isModifiable(self, name: str) -> bool:  # noqa: N802
        return name.startswith("spark.sql.")

    def set(self, name: str, value: str) -> None:
        assert self.isModifiable(name), name
        self[name] = value


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session on a cluster of 12 cores."""
    monkeypatch.setattr(cluster, "cores", lambda session: 12)
    return SimpleNamespace(conf=Conf(STARTED))


def test_a_session_gets_what_jobs_rely_on_and_as_many_partitions_as_there_are_cores(spark: Any) -> None:
    cluster.configure(spark, {"spark.sql.ansi.enabled": "false", "spark.driver.memory": "4g"})
    assert spark.conf["spark.sql.session.timeZone"] == "UTC"
    assert spark.conf["spark.sql.parquet.compression.codec"] == "zstd"
    assert spark.conf["spark.sql.ansi.enabled"] == "false"
    assert spark.conf["spark.sql.shuffle.partitions"] == "12"
    cluster.configure(spark, {"spark.sql.shuffle.partitions": "400"})
    assert spark.conf["spark.sql.shuffle.partitions"] == "400"


def test_a_setting_that_no_session_can_make_is_named(spark: Any) -> None:
    with pytest.raises(
        InputError, match=r'\[spark\] "spark.driver.memory" = \'8g\'.* has 4g; start .* --conf spark.dri'
    ):
        cluster.configure(spark, {"spark.driver.memory": "8g"})


def test_a_server_that_was_started_well_is_taken(spark: Any) -> None:
    cluster.require_start(spark)
    assert cluster.application(spark) == ("app-1", "http://driver.example.org:4041")


@pytest.mark.parametrize(
    ("name", "value", "asked"),
    [
        ("spark.python.daemon.module", None, "--conf spark.python.daemon.module=jobs.similarity.worker"),
        ("spark.driver.memory", "1g", "--conf spark.driver.memory=2g"),
        ("spark.driver.memory", None, "--conf spark.driver.memory=2g"),
        ("spark.executor.memory", "512m", "--conf spark.executor.memory=1g"),
    ],
)
def test_what_the_start_lacks_is_named(spark: Any, name: str, value: str | None, asked: str) -> None:
    del spark.conf[name]
    if value:
        spark.conf[name] = value
    with pytest.raises(InputError, match=f"start it with {asked}$"):
        cluster.require_start(spark)


@pytest.mark.parametrize(("text", "size"), [("2g", 2 << 30), ("512m", 512 << 20), ("1024", 1 << 30), ("1GB", 1 << 30)])
def test_sizes_as_spark_writes_them(text: str, size: int) -> None:
    assert cluster.memory(text) == size


def test_an_address_is_shown_without_its_token() -> None:
    assert without_token("sc://host:15002/;token=secret") == "sc://host:15002"
