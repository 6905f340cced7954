"""One Spark Connect server and one session for all Spark tests: the start that a night pays once, tests pay once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import settings
from jobs.cli import main
from jobs.night import Night
from jobs.settings import Settings
from jobs.spark import local
from jobs.spark import server as spark_server
from jobs.spark import session as spark
from jobs.storage import frames
from jobs.storage.runs import Run
from schemas.tables import TABLES
from tests.support.spark import RUN, forbid_spark


@pytest.fixture(scope="session")
def config() -> Iterator[Settings]:
    """Settings whose Spark server is shared by the tests and stopped after them.

    Java makes no archive of its classes when it ends: that takes ten seconds, and no other server would read it.
    """
    config = settings.load({})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(spark_server, "sharing", lambda folder, port: "")
        yield config
    server, log = spark_server._find(config, RUN), spark_server.log_of(config, RUN)
    lives = server is None or server.answers()
    spark_server.stop(config, RUN)
    crashes = [file.read_text()[:5_000] for file in log.parent.glob("hs_err_pid*")] if not lives else []
    assert lives, f"the Spark server ended before its tests did:\n{log.read_text()[-20_000:]}\n{crashes}"


@pytest.fixture(scope="session")
def session(config: Settings) -> Iterator[SparkSession]:
    """The session of the shared server, made as a job makes it."""
    session = spark.session(Night(config, Run("file:///nowhere", "movies", "2020-01-03", RUN)))
    yield session
    session.stop()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """An address to write to."""
    return tmp_path.as_uri()


@pytest.fixture
def encore(
    config: Settings, session: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """`encore` with a warehouse of its own on the shared server: encore("clean", ds="2020-01-01") → exit code.

    However small the night, it is computed on Spark, unless the fixture `here` is asked for. `run` is another
    run than the tests' own; it uses their server too.
    """
    monkeypatch.setenv("ENCORE_STATE", config.state)
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.setenv("ENCORE_LANDING", str(tmp_path / "landing"))
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    monkeypatch.setattr(local, "MAX_EVENTS", -1)

    def call(job: str, *words: str, ds: str, domain: str = "movies", run: str = RUN) -> int:
        if run != RUN:
            monkeypatch.setenv("SPARK_REMOTE", spark_server.running(config, RUN).remote)
        words_of_run = [] if job == "import" else ["--run", run]
        return main([job, *words, "--domain", domain, "--ds", ds, *words_of_run])

    return call


@pytest.fixture
def here(encore: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A small night is computed in the task, and it asks for no session."""
    forbid_spark(monkeypatch)


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Rows of a table that the run wrote: rows("clean", "rejected", ds="2020-01-01")."""

    def read(task: str, table: str, *, ds: str, domain: str = "movies") -> list[dict[str, Any]]:
        run = Run((tmp_path / "warehouse").as_uri(), domain, ds, RUN)
        return frames.read(run.entry(task).files[table], TABLES[table].schema).to_pylist()

    return read


@pytest.fixture
def lenient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any share may be rejected, so that files may hold bad rows alone."""
    file = tmp_path / "encore.toml"
    file.write_text("[domains.movies]\nmax_rejected_share = 1.0\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(file))
