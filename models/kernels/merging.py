"""Events of pairs of a row and a feature, merged into one value for each pair."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.kernels.compilation import kernel

MAX_EVENTS = 1 << 24  # events at once
Array = npt.NDArray[Any]


def argsort_pairs(row: Array, feature: Array) -> Array:
    """int64 [n]: what sorts n <= MAX_EVENTS events by row and feature, int32 [n] >= 0; equal ones stay as they stand.

    The rows of a block take 12 bits and the events' places 24: with up to 28 for features one sort of whole numbers,
    without an index beside them, takes a thirtieth of the time of `np.lexsort` (measured, 3 million events).
    """
    if len(row) == 0 or len(row) > MAX_EVENTS or np.ptp(row) >= 1 << 12 or feature.max() >= 1 << 28:
        return np.lexsort((feature, row))
    keys: Array = _keys(row, feature, row.min())
    keys.sort()
    _places(keys)
    return keys.view(np.int64)


@kernel
def _keys(row, feature, least):  # type: ignore[no-untyped-def]
    keys = np.empty(len(row), np.uint64)
    for n in range(len(row)):
        keys[n] = np.uint64(row[n] - least) << np.uint64(52) | np.uint64(feature[n]) << np.uint64(24) | np.uint64(n)
    return keys


@kernel
def _places(keys):  # type: ignore[no-untyped-def]
    for n in range(len(keys)):
        keys[n] &= np.uint64(MAX_EVENTS - 1)


@kernel
def merge_events(order, row, feature, kind, value, ts, ordinal, weights):  # type: ignore[no-untyped-def]
    """Row and feature, value and newest time of each pair; the events [n] are taken in an `order` by row and feature.

    value: Σ over the kinds of weights[kind] · the newest value of that kind, by ts, then ordinal, then value.
    """
    rows, features = np.empty(len(order), np.int32), np.empty(len(order), np.int32)
    values, times = np.empty(len(order), np.float64), np.empty(len(order), np.int64)
    newest = np.full(len(weights), -1)
    pairs, n = 0, 0
    while n < len(order):
        first = order[n]
        newest[:] = -1
        time = ts[first]
        while n < len(order) and row[order[n]] == row[first] and feature[order[n]] == feature[first]:
            e, known = order[n], newest[kind[order[n]]]
            if known < 0 or _later(ts[e], ordinal[e], value[e], ts[known], ordinal[known], value[known]):
                newest[kind[e]] = e
            time = max(time, ts[e])
            n += 1
        total = 0.0
        for k in range(len(weights)):
            if newest[k] >= 0:
                total += weights[k] * value[newest[k]]
        rows[pairs], features[pairs], values[pairs], times[pairs] = row[first], feature[first], total, time
        pairs += 1
    return rows[:pairs], features[:pairs], values[:pairs], times[:pairs]


@kernel
def _later(ts, ordinal, value, other_ts, other_ordinal, other_value):  # type: ignore[no-untyped-def]
    """Whether an event is later than another; at the same place, whether its value is larger or no number."""
    if ts != other_ts:
        return ts > other_ts
    if ordinal != other_ordinal:
        return ordinal > other_ordinal
    return not (value <= other_value or np.isnan(other_value))
