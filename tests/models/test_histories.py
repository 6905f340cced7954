"""Histories as arrays, against loops over lists."""

import numpy as np
import pytest

from models.histories import Histories, from_events
from tests.support.examples import example, histories_of, silent


def as_lists(histories: Histories) -> list[list[tuple[int, float, int | None]]]:
    """(item, value, time) of every event, by user."""
    times = [None] * len(histories.items) if histories.times is None else histories.times.tolist()
    events = list(zip(histories.items.tolist(), histories.values.tolist(), times, strict=True))
    return [events[histories.indptr[user] : histories.indptr[user + 1]] for user in range(histories.n_users)]


def test_events_are_grouped_by_user() -> None:
    users, items = np.array([0, 0, 2]), np.array([4, 1, 4])
    histories = from_events(users, items, np.array([1, 2, 3], np.float32), np.array([10, 20, 5]), 4, 5)
    assert as_lists(histories) == [[(4, 1.0, 10), (1, 2.0, 20)], [], [(4, 3.0, 5)], []]
    assert (histories.n_users, histories.n_items) == (4, 5)
    assert histories.indptr.dtype == np.int64
    np.testing.assert_array_equal(histories.users, users)


def test_position_from_end_counts_back_from_the_newest() -> None:
    histories = histories_of([3, 1, 2], [], [0], [0, 0], n_items=4)
    assert histories.position_from_end().tolist() == [2, 1, 0, 0, 1, 0]


def test_matrix_has_one_where_there_is_any_event() -> None:
    histories = histories_of([3, 1, 3], [], [0], n_items=4)
    assert histories.matrix().toarray().tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert histories.matrix().dtype == np.float32


def test_matrix_sums_weights_of_repeated_events() -> None:
    histories = histories_of([3, 1, 3], [0], n_items=4)
    weights = np.array([1.0, 2.0, 4.0, 8.0], np.float32)
    assert histories.matrix(weights).toarray().tolist() == [[0, 2, 0, 5], [8, 0, 0, 0]]
    assert weights.tolist() == [1, 2, 4, 8]
    assert histories.items.tolist() == [3, 1, 3, 0]


def test_take_gives_users_in_any_order_and_repeated() -> None:
    histories = example()
    chosen = [7, 3, 0, 7, 24]
    whole = as_lists(histories)
    taken = histories.take(np.array(chosen))
    assert as_lists(taken) == [whole[user] for user in chosen]
    assert taken.n_items == histories.n_items


def test_take_nobody() -> None:
    nobody = example().take(np.zeros(0, np.int64))
    assert as_lists(nobody) == []


def test_take_without_times() -> None:
    taken = histories_of([0], [1, 2], n_items=3).take(np.array([1]))
    assert as_lists(taken) == [[(1, 1.0, None), (2, 1.0, None)]]


def test_no_events() -> None:
    histories = silent(2, 3)
    assert as_lists(histories) == [[], []]
    assert histories.matrix().toarray().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert histories.position_from_end().tolist() == []


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ([1, 0], "events must be sorted by user"),
        ([0, 2], r"user rows must lie in 0\.\.1, got 0\.\.2"),
        ([-1, 0], r"user rows must lie in 0\.\.1, got -1\.\.0"),
    ],
)
def test_users_that_do_not_fit_are_refused(users: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_events(np.array(users), np.array([0, 0]), np.ones(2, np.float32), None, 2, 1)


@pytest.mark.parametrize(
    ("indptr", "items", "values", "times", "message"),
    [
        ([0, 2], [0], 1, None, "expected 2 items, one for each event, got 1"),
        ([0, 1], [0], 2, None, "expected 1 values, one for each event, got 2"),
        ([0, 1], [0], 1, 3, "expected 1 times, one for each event, got 3"),
        ([1, 1], [0], 1, None, "indptr must start at 0 and never fall"),
        ([0, 1, 0, 1], [0], 1, None, "indptr must start at 0 and never fall"),
        ([0, 1], [2], 1, None, r"item rows must lie in 0\.\.1, got 2\.\.2"),
        ([0, 2], [-1, 0], 2, None, r"item rows must lie in 0\.\.1, got -1\.\.0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    indptr: list[int], items: list[int], values: int, times: int | None, message: str
) -> None:
    when = None if times is None else np.zeros(times, np.int64)
    with pytest.raises(ValueError, match=message):
        Histories(np.array(indptr), np.array(items), np.ones(values, np.float32), when, 2)
