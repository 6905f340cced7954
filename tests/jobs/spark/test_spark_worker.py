"""Spark's Python daemon: tasks begin with kernels in memory, which no collection of garbage goes through."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession


def test_tasks_find_the_kernels_loaded(session: SparkSession) -> None:
    def loaded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import sys

        kernels = {"models.tiles": "compare", "models.merging": "merged"}
        there = [len(getattr(sys.modules.get(module), name).signatures) for module, name in kernels.items()]
        yield from (pa.RecordBatch.from_pydict({"n": there}) for _ in batches)

    found = session.range(0, 1, 1, 1).mapInArrow(loaded, "n long").collect()
    assert [row.n for row in found] == [1, 1]


def test_tasks_look_for_garbage_among_their_own_objects_alone(session: SparkSession) -> None:
    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import gc

        yield from (pa.RecordBatch.from_pydict({"n": [gc.get_freeze_count(), len(gc.get_objects())]}) for _ in batches)

    imported, own = session.range(0, 1, 1, 1).mapInArrow(counted, "n long").collect()
    assert imported.n > 10 * own.n
