"""Events merged by pair: their order, and which of equal ones counts; tests/jobs/similarity/test_preferences.py has the
rest."""

import numpy as np
import pytest

from models.kernels.merging import argsort_pairs, merge_events


@pytest.mark.parametrize(("rows", "features"), [(10, 3), (10, 1 << 31), (1 << 13, 3)])
def test_order_is_by_row_and_feature_and_stable(rows: int, features: int) -> None:
    random = np.random.default_rng(1)
    row, feature = random.integers(4096, 4096 + rows, 500), random.integers(features - 3, features, 500)
    expected = sorted(range(500), key=lambda n: (row[n], feature[n]))
    assert argsort_pairs(row, feature).tolist() == expected
    assert argsort_pairs(row[:0], feature[:0]).tolist() == []


@pytest.mark.parametrize(("values", "expected"), [([1.0, 3.0, 2.0], 3.0), ([1.0, np.nan, 2.0], np.nan)])
def test_of_events_at_the_same_place_the_largest_counts_and_none_that_is_no_number_is_lost(
    values: list[float], expected: float
) -> None:
    same, kind = np.zeros(3, np.int32), np.zeros(3, np.int8)
    time, weights = np.zeros(3, np.int64), np.ones(1)
    _, _, result, _ = merge_events(np.arange(3), same, same, kind, np.array(values), time, time, weights)
    np.testing.assert_array_equal(result, [expected])
