"""Merges events into preferences: r_ui = Σ over the kinds of weight(kind) · the newest value of that kind.

Tasks leave the events of each block in files (`jobs/similarity/layout.py`), read by themselves
(`jobs/similarity/event_reader.py`) or joined with their numbers by Spark; the task that writes the block makes
preferences of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.similarity.layout import PARTS, BlockWriter
from jobs.similarity.numbering import NumberedIds
from models.histories import DAY_MICROSECONDS
from models.kernels import merging

EVENT = pa.schema(
    [("row", pa.int32()), ("feature", pa.int32()), ("kind", pa.int8()),
     ("value", pa.float64()), ("ts", pa.int64()), ("ordinal", pa.int64())]
)  # fmt: skip
NONE = np.iinfo(np.int64).min  # a time or an ordinal that is not there: before all others

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PreferenceMerger:
    """How the events of a pair become a preference.

    weights: of the kinds, in the order of their numbers. end: the microsecond to which ages are counted; None for a
    matrix without ages. ids, setting: what an error names where a time is missing.
    """

    weights: tuple[float, ...]
    ids: NumberedIds
    end: int | None = None
    setting: str = ""

    @property
    def columns(self) -> list[str]:
        """Of the matrix."""
        return ["row", "feature", "value"] + ([] if self.end is None else ["age_days"])

    def __call__(self, events: pa.Table) -> pa.Table:
        """Events of a block to its entries, sorted by row and feature."""
        row, feature, value, newest = merge_preferences(events, self.weights)
        if not value.all():
            kept = value != 0
            row, feature, value, newest = row[kept], feature[kept], value[kept], newest[kept]
        if not np.isfinite(value).all():
            wrong = np.flatnonzero(~np.isfinite(value))[0]
            raise InputError(f"similarity: values must be finite, got {value[wrong]} in row {row[wrong]}")
        columns = {"row": row, "feature": feature, "value": value}
        if self.end is not None:
            if len(missing := np.flatnonzero(newest == NONE)):
                name = self.ids.names(row[missing[:1]].astype(np.int64))[0]
                raise InputError(
                    f"recency needs the time of every event; {self.ids.column.removesuffix('_id')} {name} has "
                    f"{int((row == row[missing[0]])[missing].sum())} without; take recency out of {self.setting}"
                )
            columns["age_days"] = np.maximum((self.end - newest) / DAY_MICROSECONDS, 0.0)
        return pa.table(columns)


def merge_preferences(events: pa.Table, weights: Sequence[float]) -> tuple[Array, Array, Array, Array]:
    """Row, feature, value and newest time of each pair, sorted by both; NONE where no event of the pair has a time.

    A value that is missing counts 1; of several values of a kind the newest counts, by time, then ordinal.
    """
    missing = {"value": 1.0, "ts": NONE, "ordinal": NONE}
    columns = {name: _without_nulls(events[name], missing.get(name)) for name in EVENT.names}
    by_pair = merging.argsort_pairs(columns["row"], columns["feature"])
    pairs: tuple[Array, Array, Array, Array]
    pairs = merging.merge_events(by_pair, *columns.values(), np.asarray(weights, float))
    return pairs


def _without_nulls(column: pa.ChunkedArray, missing: float | None) -> Array:
    values: Array = (column.fill_null(missing) if column.null_count else column).to_numpy()
    return values


def pack_frame(events: DataFrame, kinds: Sequence[str], writer: BlockWriter) -> DataFrame:
    """The parts of blocks that tasks make of interactions that have `row` and `feature`."""
    kind = F.array_position(F.array(*map(F.lit, kinds)), F.col("kind")) - 1
    columns = {
        "matrix": F.lit(0).cast("tinyint"),
        "row": F.col("row").cast("int"),
        "feature": F.col("feature").cast("int"),
        "kind": kind.cast("tinyint"),
        "value": F.col("value"),
        "ts": F.unix_micros("ts"),
        "ordinal": F.col("ordinal"),
    }
    return events.select(*(column.alias(name) for name, column in columns.items())).mapInArrow(writer.pack, PARTS)
