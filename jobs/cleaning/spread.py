"""Runs one function over many pieces of work: here, one after another, or as tasks of Spark's executors.

The pieces read and write files themselves, and nothing of the rows goes through the JVM; a cluster gets the same tasks.
What a task answers is plain values as JSON: an executor that is not what it should be makes this process run no code.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from jobs.cleaning.keys import Hashes

Work = TypeVar("Work")
Result = TypeVar("Result")
Spread = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
_ANSWER = "place long, answer string"


def here(function: Callable[[Work], Result], pieces: Sequence[Work]) -> list[Result]:
    """Runs all pieces in this process; returns the results in their order."""
    return [function(piece) for piece in pieces]


def on(session: Callable[[], SparkSession]) -> Spread:
    """Runs the same as tasks of Spark, whose session is asked for when there is work."""

    def spread(function: Callable[[Any], Any], pieces: Sequence[Any]) -> list[Any]:
        if len(pieces) < 2:
            return here(function, pieces)

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for place in batch.column(0).to_pylist():
                    answer = encode(function(pieces[place]))
                    yield pa.RecordBatch.from_pydict({"place": [place], "answer": [answer]})

        rows = session().range(0, len(pieces), 1, len(pieces)).mapInArrow(run, _ANSWER).collect()
        kind = get_type_hints(function.func if isinstance(function, partial) else function)["return"]
        answers = {row["place"]: decode(kind, row["answer"]) for row in rows}
        return [answers[place] for place in range(len(pieces))]

    return spread


def encode(answer: object) -> str:
    """JSON of numbers, texts, lists, sets, hashes and dataclasses of these."""
    return json.dumps(answer, default=_as_plain)


def decode(kind: Any, text: str) -> Any:
    """The value of a type (as a function declares what it returns) that `encode` was given."""
    return _as_typed(kind, json.loads(text))


def _as_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return base64.b64encode(value.astype("<u8", casting="equiv").tobytes()).decode()
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no answer of a task")


def _as_typed(kind: Any, value: Any) -> Any:
    if kind == Hashes:
        return np.frombuffer(base64.b64decode(value), "<u8").astype(np.uint64)
    if is_dataclass(kind) and isinstance(kind, type):
        types = get_type_hints(kind)
        return kind(**{name: _as_typed(types[name], one) for name, one in value.items()})
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(_as_typed(of, one) for of, one in zip(inner, value, strict=True))
    if origin in (list, set, frozenset):
        return origin(_as_typed(inner[0], one) for one in value)
    return value


def flat(parts: Iterable[Sequence[Result]]) -> list[Result]:
    """One list of several."""
    return [one for part in parts for one in part]
