"""Runs one function over many pieces of work: here, one after another, or as tasks of Spark's executors.

The pieces read and write files themselves, and nothing of the rows goes through the JVM; a cluster gets the same tasks.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa
from pyspark.sql import SparkSession

Work = TypeVar("Work")
Result = TypeVar("Result")
Spread = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
_RESULT = "place long, result binary"


def here(function: Callable[[Work], Result], pieces: Sequence[Work]) -> list[Result]:
    """Runs all pieces in this process; returns the results in their order."""
    return [function(piece) for piece in pieces]


def on(session: Callable[[], SparkSession]) -> Spread:
    """Runs the same as tasks of Spark, whose session is asked for when there is work."""

    def spread(function: Callable[[Any], Any], pieces: Sequence[Any]) -> list[Any]:
        if len(pieces) < 2:
            return here(function, pieces)
        every = [pickle.dumps((function, piece)) for piece in pieces]

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for place in batch.column(0).to_pylist():
                    call, piece = pickle.loads(every[place])  # noqa: S301 - what this process has pickled
                    yield pa.RecordBatch.from_pydict({"place": [place], "result": [pickle.dumps(call(piece))]})

        rows = session().range(0, len(every), 1, len(every)).mapInArrow(run, _RESULT).collect()
        results = {row["place"]: pickle.loads(row["result"]) for row in rows}  # noqa: S301 - by its own tasks
        return [results[place] for place in range(len(every))]

    return spread


def flat(parts: Iterable[Sequence[Result]]) -> list[Result]:
    """One list of several."""
    return [one for part in parts for one in part]
