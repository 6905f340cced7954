"""Merges events into preferences: r_ui = Σ over the kinds of weight(kind) · the newest value of that kind.

Tasks leave the events of each block in files (`jobs/similarity/layout.py`), read by themselves
(`jobs/spark/event_reader.py`) or joined with their numbers by Spark; the task that writes the block makes
preferences of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.errors import InputError
from jobs.similarity.numbering import NumberedIds
from jobs.spark.event_reader import NONE, columns_of
from models.histories import DAY_MICROSECONDS
from models.kernels import merging

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
        """The columns of the matrix."""
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
    columns = columns_of(events)
    by_pair = merging.argsort_pairs(columns["row"], columns["feature"])
    pairs: tuple[Array, Array, Array, Array]
    pairs = merging.merge_events(by_pair, *columns.values(), np.asarray(weights, float))
    return pairs
