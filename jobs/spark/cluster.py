"""A Spark cluster that somebody else runs (SPARK_REMOTE): its session gets the settings that jobs rely on, and what
only the cluster's own start can set is checked before anything is computed.

docs/operations.md says how a cluster is started for Encore.
"""

import logging
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import FrameType
from typing import NoReturn

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.errors import InputError, without_token
from jobs.settings import Settings
from jobs.spark.server import CONFIGURATION

PARTITIONS = "spark.sql.shuffle.partitions"
DAEMON = "spark.python.daemon.module"
MEMORY = {"spark.driver.memory": "2g", "spark.executor.memory": "1g"}  # the least; Spark's own default is 1g for both
CORES = 1 << 16  # no cluster has more
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
PROBE = "error string"
Batches = Iterator[pa.RecordBatch]
log = logging.getLogger(__name__)


def remote_session(settings: Settings, remote: str) -> SparkSession:
    """A session of its own on a server that others use too: one that ends with this process, whatever ends it."""
    try:
        spark = SparkSession.builder.remote(remote).create()
        notice_soon(spark)
        spark.conf.get(DAEMON, "")
    except PySparkException as error:
        raise ConnectionError(f"SPARK_REMOTE={without_token(remote)}: {_line(error, 'details')}") from error
    stop_on_signals(spark)
    configure(spark, settings.spark)
    require_start(spark)
    require_executors(spark, settings.warehouse)
    log.info("Spark application %s, UI %s", *application(spark))
    return spark


def notice_soon(spark: SparkSession) -> None:
    """Has a server that died be noticed in seconds; pyspark would ask it again for ten minutes."""
    from pyspark.sql.connect.client.retries import DefaultPolicy  # a third of a second, which tasks do without

    spark.client.set_retry_policies([DefaultPolicy(max_retries=5)])


def configure(spark: SparkSession, chosen: Mapping[str, str]) -> None:
    """Sets what a client may: the jobs' own settings, and those of [spark] that a session takes."""
    ours = {
        name: value for name, value in CONFIGURATION.items() if name.startswith("spark.sql.") and name != PARTITIONS
    }
    for name, value in {**ours, **chosen}.items():
        if spark.conf.isModifiable(name):
            spark.conf.set(name, value)
        elif name in chosen and spark.conf.get(name, "") != value:
            raise InputError(
                f'[spark] "{name}" = {value!r}: a session cannot set it, and the cluster of SPARK_REMOTE has '
                f"{spark.conf.get(name, '') or 'none'}; start its Connect server with --conf {name}={value}"
            )
    if PARTITIONS not in chosen:  # Spark's own 200 keep a small cluster busy with empty tasks
        spark.conf.set(PARTITIONS, str(max(cores(spark), int(CONFIGURATION[PARTITIONS]))))


def cores(spark: SparkSession) -> int:
    """How many tasks the cluster runs side by side now: into so many parts Spark cuts a range by itself."""
    return int(spark.range(CORES).select(F.spark_partition_id().alias("part")).distinct().count())


def require_start(spark: SparkSession) -> None:
    """InputError where the server was started without what its jobs rely on and no session can set."""
    wanted = {DAEMON: CONFIGURATION[DAEMON]}
    wrong = [f"{name}={value}" for name, value in wanted.items() if spark.conf.get(name, "") != value]
    wrong += [f"{name}={least}" for name, least in MEMORY.items() if memory(spark.conf.get(name, "1g")) < memory(least)]
    if wrong:
        raise InputError(
            "SPARK_REMOTE: its Connect server lacks settings that no session can make; start it with "
            + " ".join(f"--conf {setting}" for setting in wrong)
        )


def memory(text: str | None) -> int:
    """Bytes of a size as Spark writes it: 512m, 2g; without a unit MiB."""
    number = (text or "1g").lower().rstrip("b")
    unit = UNITS.get(number[-1:], 0)
    return int(number[:-1]) * unit if unit else int(number) * UNITS["m"]


def require_executors(spark: SparkSession, warehouse: str) -> None:
    """InputError where the executors' Python lacks Encore or cannot reach the warehouse, ConnectionError where no task
    comes to an end."""
    try:
        (answer,) = spark.range(0, 1, 1, 1).mapInArrow(_probe(warehouse), PROBE).collect()
    except PySparkException as error:
        text = str(error)
        if "ModuleNotFoundError" in text or "No module named" in text:
            raise InputError(
                f"SPARK_REMOTE: the executors' Python does not have Encore ({_line(error, 'No module named')}); "
                "build it by `encore package` and start the cluster with it (docs/operations.md)"
            ) from error
        if "PYTHON_VERSION_MISMATCH" in text:
            raise InputError(
                f"SPARK_REMOTE: the executors' Python is another than this one, {platform.python_version()}; set "
                "PYSPARK_PYTHON of the workers to one of the same minor version"
            ) from error
        raise ConnectionError(f"SPARK_REMOTE: no task came to an end: {_line(error)}") from error
    if answer.error:
        raise InputError(f"SPARK_REMOTE: {answer.error}")


def _probe(warehouse: str) -> Callable[[Batches], Batches]:
    """What a task does to find out; pickled whole, so that it begins even where Encore is missing."""
    daemon = CONFIGURATION[DAEMON]

    def probe(batches: Batches) -> Batches:
        import_module(daemon)  # what the daemon has imported, or now fails to
        from jobs.storage.files import read_bytes

        error = None
        try:
            if read_bytes(f"{warehouse}/format.json") is None:
                error = (
                    f"its executors do not see {warehouse}, where this process has written; mount it there at the same "
                    "path, or use an object store"
                )
        except OSError as fault:
            error = f"its executors cannot read {warehouse} ({str(fault)[:200]}); give them AWS's variables"
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"error": pa.array([error], pa.string())})

    return probe


def application(spark: SparkSession) -> tuple[str, str]:
    """The application's id, and the address of its UI as far as the server's settings tell."""
    host, port = spark.conf.get("spark.driver.host", "") or "localhost", spark.conf.get("spark.ui.port", "") or "4040"
    ui = spark.conf.get("spark.driver.appUIAddress", "") or f"http://{host}:{port}"
    return spark.conf.get("spark.app.id", "") or "unknown", "none" if spark.conf.get(
        "spark.ui.enabled", ""
    ) == "false" else ui


def stop_on_signals(spark: SparkSession) -> None:
    """Has a signal that ends this process end its tasks on the cluster as well, which would compute on for nobody."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        log.warning("signal %d: the tasks of this session are cancelled", number)
        try:
            spark.interruptAll()
        finally:
            sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _line(error: Exception, word: str = "") -> str:
    """The line of an error that has a word in it, or else the first; at most 300 characters of it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if word in line), lines[0])[:300]
