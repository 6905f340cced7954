"""Spark's Python daemon: tasks begin with kernels in memory, which no collection of garbage goes through."""

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession


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
