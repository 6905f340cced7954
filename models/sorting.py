"""Large arrays of whole numbers by sorting: their distinct values, their order by several columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH = 64  # bits of a number
SAMPLE = 1000  # values that say what the others may be multiples of

Array = npt.NDArray[Any]
Positions = npt.NDArray[np.int64]
Part = tuple[npt.NDArray[np.uint64], int]


def distinct(values: Array) -> Array:
    """The distinct values of an array [n] of numbers without NaN, ascending.

    `np.unique` puts whole numbers into a hash table (since NumPy 2.3): five million different ones take it 9 s, sorting
    them 0.1.
    """
    ordered = np.sort(values)
    return ordered[first_of_equals(ordered)]


def find_repeated(ordered: Array) -> Array:
    """The values that stand more than once in a sorted array, ascending, each once."""
    return distinct(ordered[1:][ordered[1:] == ordered[:-1]])


def first_of_equals(ordered: Array) -> npt.NDArray[np.bool_]:
    """bool [n]: whether each value of a sorted array differs from the one before it."""
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def is_among(values: Array, ordered: Array) -> npt.NDArray[np.bool_]:
    """Whether each of the values, of any shape, stands in a sorted array; `np.isin` takes twelve times as long."""
    if not len(ordered):
        return np.zeros(values.shape, bool)
    among: npt.NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return among


def argsort_columns(columns: Sequence[Array]) -> Positions:
    """int64 [n]: what sorts n rows by some columns of whole numbers, the first one first; equal rows stay as they
    stand.

    `np.lexsort` sorts once for each column. Here a row's columns are put together into one number of 64 bits, those
    with the widest range in larger units or as ranks where that is too little: a tenth of the time (measured, three
    columns of a million).
    """
    parts = [_shift(column) for column in columns]
    while sum(width for _, width in parts) > WIDTH:
        widest = max(range(len(parts)), key=lambda n: parts[n][1])
        narrower = _scale(*parts[widest]) or _rank(*parts[widest])
        if narrower is None:
            return np.lexsort([part for part, _ in reversed(parts)])
        parts[widest] = narrower
    keys = np.zeros(len(columns[0]), np.uint64)
    for part, width in parts:
        if width:
            keys = (keys << np.uint64(width % WIDTH)) | part
    return np.argsort(keys, kind="stable")


def _shift(column: Array) -> Part:
    """A column as numbers from 0 on, and how many bits they take."""
    if not len(column):
        return column.astype(np.uint64), 0
    least, most = int(column.min()), int(column.max())
    return column.astype(np.int64).view(np.uint64) - np.uint64(least % (1 << WIDTH)), (most - least).bit_length()


def _scale(part: Array, width: int) -> Part | None:
    """In units of which all its values are multiples, as times in microseconds are of a second; None without one."""
    unit = np.gcd.reduce(part[:SAMPLE])
    if unit < 2 or (part % unit).any():
        return None
    return part // unit, (int(part.max()) // int(unit)).bit_length()


def _rank(part: Array, width: int) -> Part | None:
    """Ranks in place of its values; None where they take no fewer bits."""
    order = np.argsort(part, kind="stable")
    rank = np.empty(len(part), np.uint64)
    rank[order] = np.cumsum(first_of_equals(part[order])) - 1
    needed = int(rank[order[-1]]).bit_length()
    return (rank, needed) if needed < width else None
