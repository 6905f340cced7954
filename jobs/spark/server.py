"""One Spark Connect server for all Spark jobs of a run, so that a night pays Spark's start once.

It listens on the loopback only and asks for a token that this user alone can read, as it can the server's settings,
which may have keys: both are in files, neither in a process list. A job that finds its server gone
(killed, or on another host) starts a new one. On a cluster SPARK_REMOTE names a server and none is started here.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs import settings
from jobs.errors import InputError
from jobs.forkserver import umask
from jobs.output import say
from jobs.settings import Settings
from jobs.spark.class_archive import keep_archive, sharing
from jobs.spark.properties import write_owned, write_properties
from jobs.storage.runs import run_name

LOOPBACK = "127.0.0.1"
START_SECONDS = 120
STOP_SECONDS = 20
UTF_8 = {"LC_ALL": "C.UTF-8"}  # Java takes from it which names files may have
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
# Without them Arrow checks the bounds of every value on its way to Python: about half of the time of a transfer.
ARROW_OPTIONS = "-Darrow.enable_unsafe_memory_access=true -Darrow.enable_null_check_for_get=false"
log = logging.getLogger(__name__)

# What the jobs rely on, whatever a deployment adds in [spark] of ENCORE_CONFIG.
CONFIGURATION = {
    "spark.master": "local[*]",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
    "spark.python.daemon.module": "jobs.similarity.worker",
    "spark.python.unix.domain.socket.enabled": "true",  # over TCP each Python task waits 20 ms for nothing
    # A short-lived JVM on few cores: the second compiler tier and a parallel collector cost more than they give.
    # Without that tier Java has 48 MiB for compiled code; the classes that Spark generates fill them, and it ends.
    JAVA_OPTIONS: f"-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m {ARROW_OPTIONS}",
    "spark.executor.extraJavaOptions": ARROW_OPTIONS,
}


@dataclass(frozen=True)
class Server:
    """Where a run's server is."""

    port: int
    token: str
    pid: int

    @property
    def remote(self) -> str:
        """Spark Connect's address of it (`localhost` by name: pyspark then sends the token without TLS)."""
        return f"sc://localhost:{self.port}/;token={self.token}"

    def answers(self) -> bool:
        """Whether something listens on its port."""
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=2):
            return True
        return False


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore spark", description=__doc__)
    parser.add_argument("action", choices=("start", "check", "stop"), help="check: whether it could start, and storage")
    parser.add_argument("--run", required=True, type=run_name, help="the run's id")
    return parser


def main(args: argparse.Namespace) -> int:
    """Starts or stops the server of a run, or looks whether it could start and the storage answers."""
    config = settings.load()
    if args.action != "stop":
        require_jars(config)
        if config.catalog or not all(place.startswith("file://") for place in (config.warehouse, config.landing)):
            from jobs.storage import preflight  # PyIceberg takes a second to import: a night on a disk does without

            preflight.require_storage(config)
    if config.spark_remote:
        say(json.dumps({"spark": "SPARK_REMOTE"}))
    elif args.action == "check":
        say(json.dumps({"spark": "not started"}))
    elif args.action == "start":
        say(json.dumps({"spark": "started", "port": running(config, args.run).port}))
    else:
        say(json.dumps({"spark": "stopped", "peak_mib": stop(config, args.run)}))
    return 0


def require_jars(config: Settings) -> None:
    """InputError where a jar of [spark] is not there: Spark would end with a stack of Java's lines."""
    for name in ("spark.jars", "spark.driver.extraClassPath"):
        for path in filter(None, config.spark.get(name, "").replace(":/", ",/").split(",")):
            if path.startswith("/") and "*" not in path and not Path(path).exists():
                raise InputError(f'[spark] "{name}" of ENCORE_CONFIG: there is no {path}; name jars that are there')


def running(config: Settings, run: str) -> Server:
    """The run's server, started if it does not answer; tasks side by side wait for one start."""
    folder = _file(config, run).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{run}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _find(config, run)
        return known if known and known.answers() else _start(config, run, folder)


def pid_of(config: Settings, run: str) -> int | None:
    """The process of the run's server, which leads a session; None where this machine has none."""
    server = _find(config, run)
    return server.pid if server else None


def _start(config: Settings, run: str, folder: Path) -> Server:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = int(probe.getsockname()[1])
    token = secrets.token_hex(16)
    logfile = log_of(config, run)
    with logfile.open("ab") as output:
        child = subprocess.Popen(
            _command(config, run, port, folder),
            env={**os.environ, **UTF_8, "SPARK_CONNECT_AUTHENTICATE_TOKEN": token, "PYSPARK_PYTHON": sys.executable},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=folder,
        )  # fmt: skip
    server = Server(port, token, child.pid)
    write_owned(_file(config, run), json.dumps(asdict(server)))
    deadline = time.monotonic() + START_SECONDS
    while not server.answers():
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the Spark Connect server did not start; its log is {logfile}")
        time.sleep(0.1)
    return server


def stop(config: Settings, run: str) -> float:
    """Ends the run's server if there is one; returns its peak memory in MiB (0 where there is none)."""
    server = _find(config, run)
    if server is None:
        return 0.0
    peak = _peak_mib(server.pid)
    if server.answers():  # otherwise it is gone, and its number may be another process's by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while server.answers() and time.monotonic() < deadline:
            time.sleep(0.1)
        keep_archive(_file(config, run).parent, server.port, server.pid)
    for ending in (".json", ".lock", ".properties"):
        _file(config, run).with_suffix(ending).unlink(missing_ok=True)
    return peak


def _command(config: Settings, run: str, port: int, folder: Path) -> list[str]:
    chosen = {
        **CONFIGURATION,
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
        "spark.hadoop.fs.permissions.umask-mode": f"{umask():03o}",  # Hadoop goes by its own, not by the process's
        **config.spark,
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(port),
    }
    if chosen["spark.master"].startswith("local"):  # the driver's own ports ask for no token
        chosen = {**dict.fromkeys(("spark.driver.host", "spark.driver.bindAddress"), LOOPBACK), **chosen}
    chosen[JAVA_OPTIONS] = f"{chosen[JAVA_OPTIONS]} {sharing(folder, port)}"
    properties = folder / f"{run}.properties"
    write_properties(properties, chosen)
    options = ["--properties-file", str(properties), "--load-spark-defaults"]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    submit = str(Path(sys.executable).parent / "spark-submit")
    return [submit, "--class", server, "--name", f"encore-{run}", *options, "spark-internal"]


def log_of(config: Settings, run: str) -> Path:
    """The log of the run's server, which stays when the server has ended."""
    return _file(config, run).with_suffix(".log")


def _file(config: Settings, run: str) -> Path:
    return Path(config.state) / "spark" / f"{run}.json"


def _find(config: Settings, run: str) -> Server | None:
    file = _file(config, run)
    return Server(**json.loads(file.read_text())) if file.exists() else None


def _peak_mib(pid: int) -> float:
    """VmHWM of the server (spark-submit ends by becoming the JVM, so it is the process that was started)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 1024, 1)
    return 0.0
