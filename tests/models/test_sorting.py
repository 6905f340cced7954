"""Distinct and repeated values and orders of arrays, compared with Python's own."""

from collections import Counter

import numpy as np
import pytest

from models.sorting import argsort_columns, distinct, find_repeated, is_among

DRAWS = np.random.default_rng(0)
ARRAYS = [
    np.array([], np.int64),
    np.array([5], np.uint64),
    np.array([3, 1, 3, 3, 2, 1]),
    DRAWS.integers(-50, 50, 300).astype(np.int32),
    DRAWS.integers(0, 1 << 60, 300).astype(np.uint64),
]


@pytest.mark.parametrize("values", ARRAYS)
def test_distinct_values_ascend_and_keep_their_type(values: np.ndarray) -> None:
    assert distinct(values).tolist() == sorted(set(values.tolist()))
    assert distinct(values).dtype == values.dtype


@pytest.mark.parametrize("values", ARRAYS)
def test_repeated_values_are_those_that_stand_more_than_once(values: np.ndarray) -> None:
    expected = sorted(value for value, count in Counter(values.tolist()).items() if count > 1)
    assert find_repeated(np.sort(values)).tolist() == expected


@pytest.mark.parametrize("some", [[], [4], [1, 4, 9]])
def test_values_among_others(some: list[int]) -> None:
    values = np.array([[0, 1, 4], [9, 10, -3]])
    expected = [[value in some for value in row] for row in values.tolist()]
    assert is_among(values, np.array(some, np.int64)).tolist() == expected


SMALL = DRAWS.integers(-3, 3, 500)
WIDE = DRAWS.choice([np.iinfo(np.int64).min, -1, 0, np.iinfo(np.int64).max], 500)
MANY = DRAWS.integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max, 500)


@pytest.mark.parametrize(
    "columns",
    [
        [SMALL],
        [MANY],
        [SMALL.astype(np.int8), SMALL[::-1]],
        [np.zeros(500, np.int64), SMALL],
        [np.full(500, 7)],
        [SMALL, WIDE, SMALL[::-1], WIDE[::-1]],
        [SMALL, MANY],
        [MANY, MANY[::-1], *[DRAWS.integers(0, 1 << 40, 500) for _ in range(6)]],  # ranks do not fit either
        [DRAWS.integers(0, 1 << 40, 5000) * 1_000_000, DRAWS.integers(0, 1 << 23, 5000)],  # in seconds they fit
        [np.append(np.arange(5000) << 40, 1), DRAWS.integers(0, 1 << 23, 5001)],  # the last is no multiple
        [np.array([], np.int64), np.array([], np.int64)],
    ],
)
def test_rows_are_sorted_by_columns_and_equal_ones_stay(columns: list[np.ndarray]) -> None:
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert argsort_columns(columns).tolist() == sorted(range(len(rows)), key=rows.__getitem__)
