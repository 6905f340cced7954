"""Spark as the benchmarks start it: spark-submit on this machine, or on a standalone cluster of it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks.shared.data import ROOT
from benchmarks.shared.processes import Usage, kill, measure

BIN = Path(sys.executable).parent
START_SECONDS = 60
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_DRIVER_PYTHON": sys.executable,
    "SPARK_LOCAL_IP": "127.0.0.1",
}


def submit(
    arguments: Sequence[str],
    log: Path,
    *,
    master: str,
    archive: Path | None = None,
    memory: str = "2g",
    limit: float = 1e9,
) -> Usage:
    """Runs spark_similarity.py from nothing to its end, with the settings of a night; events go beside the log.

    archive: Java's archive of Spark's classes, as nights keep one; made by the first run, used by the later ones.
    """
    from jobs.spark.server import CONFIGURATION, JAVA_OPTIONS

    settings = {**CONFIGURATION, "spark.master": master, "spark.driver.memory": memory}
    settings |= {"spark.executor.memory": memory, "spark.executorEnv.PYTHONPATH": str(ROOT)}
    # Executors of one core are as lean as a night's JVM, and take classes from the archive as well.
    shared = f" -Xshare:auto -XX:SharedArchiveFile={archive}" if archive is not None and archive.exists() else ""
    settings["spark.executor.extraJavaOptions"] = settings[JAVA_OPTIONS] + shared
    events = log.with_suffix(".events")
    events.mkdir()
    settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
    settings |= {"spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false"}
    if archive is not None:
        settings[JAVA_OPTIONS] += shared or f" -XX:ArchiveClassesAtExit={archive}"
    options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    script = str(ROOT / "benchmarks" / "similarity" / "spark_similarity.py")
    return measure([str(BIN / "spark-submit"), *options, script, *arguments], log, ENVIRONMENT, limit)


def class_archive() -> Path:
    """Java's archive of Spark's classes for all benchmarks."""
    from jobs.spark import class_archive as spark_archive

    return spark_archive.class_archive(ROOT / ".state" / "benchmarks")


def shuffled_bytes(log: Path) -> int:
    """Bytes that the tasks of a run have written for others to read, from Spark's event log."""
    total = 0
    for file in log.with_suffix(".events").iterdir():
        for line in file.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["Event"] == "SparkListenerTaskEnd":
                total += event["Task Metrics"]["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    return total


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[str]:
    """A standalone cluster of workers with one core each; yields the master's address."""
    port = free_port()
    host = ("--host", "127.0.0.1", "--webui-port", "0")
    with ExitStack() as running:
        running.enter_context(_daemon("master.Master", [*host, "--port", str(port)], folder / "master.log"))
        address = f"spark://127.0.0.1:{port}"
        for number in range(workers):
            own = [*host, "--cores", "1", "--memory", "8g", "--work-dir", str(folder / f"work-{number}"), address]
            running.enter_context(_daemon("worker.Worker", own, folder / f"worker-{number}.log"))
        deadline = time.monotonic() + START_SECONDS
        while any("Successfully registered" not in _text(folder / f"worker-{n}.log") for n in range(workers)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the cluster did not start in {START_SECONDS} s; its logs are in {folder}")
            time.sleep(0.2)
        yield address


@contextmanager
def _daemon(name: str, arguments: Sequence[str], log: Path) -> Iterator[None]:
    """One process of the cluster and what it starts; ended with the block."""
    command = [str(BIN / "spark-class"), f"org.apache.spark.deploy.{name}", *arguments]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env={**os.environ, **ENVIRONMENT}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        kill(child.pid)
        child.wait()


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
