"""Spark's processes: the server has room for compiled code and listens on the loopback alone, and the Python daemon's
tasks begin with kernels in memory, which no collection of garbage goes through."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.settings import Settings
from jobs.spark import server as spark_server
from tests.support.spark import RUN

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}  # as the kernel has it
LISTENS = "0A"


def test_java_has_as_much_room_for_compiled_code_as_it_has_by_itself() -> None:
    """Spark generates classes for every query, and ends where there is no room for what Java makes of them."""

    def room(*options: str) -> int:
        words = ["java", *options, "-XX:+PrintFlagsFinal", "-version"]
        flags = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        (size,) = re.findall(r"\bReservedCodeCacheSize\s+=\s+(\d+)", flags)
        return int(size)

    assert room(*spark_server.CONFIGURATION[spark_server.JAVA_OPTIONS].split()) >= room()


@pytest.mark.usefixtures("session")
def test_nothing_but_the_loopback_reaches_the_server(config: Settings) -> None:
    process = Path(f"/proc/{spark_server.pid_of(config, RUN)}")
    own = {str(file.readlink()) for file in process.glob("fd/*") if file.is_symlink()}
    lines = [line.split() for name in ("tcp", "tcp6") for line in (process / "net" / name).read_text().splitlines()[1:]]
    places = [line[1].partition(":")[0] for line in lines if line[3] == LISTENS and f"socket:[{line[9]}]" in own]
    assert len(places) >= 3  # Spark Connect, the driver, the block manager
    assert {*places} <= LOOPBACK


def test_tasks_find_the_kernels_loaded(session: SparkSession) -> None:
    def loaded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import sys

        kernels = {"models.kernels.tiles": "compare", "models.kernels.merging": "merge_events"}
        there = [len(getattr(sys.modules.get(module), name).signatures) for module, name in kernels.items()]
        yield from (pa.RecordBatch.from_pydict({"n": there}) for _ in batches)

    result = session.range(0, 1, 1, 1).mapInArrow(loaded, "n long").collect()
    assert [row.n for row in result] == [1, 1]


@pytest.mark.slow
def test_tasks_look_for_garbage_among_their_own_objects_alone(session: SparkSession) -> None:
    def seen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import gc
        import sys

        own: list[object] = []
        collected = {id(one) for one in gc.get_objects()}  # what a collection goes through
        there = [id(one) in collected for one in (own, vars(sys.modules["models.kernels.tiles"]))]
        yield from (pa.RecordBatch.from_pydict({"n": there}) for _ in batches)

    result = session.range(0, 1, 1, 1).mapInArrow(seen, "n boolean").collect()
    assert [row.n for row in result] == [True, False]
