"""Active days, summaries, steps and segments, by hand."""

import numpy as np
import pytest

from models.features.activity import (
    SEGMENTS,
    ActiveDays,
    Examples,
    active_days,
    events_ahead,
    examples,
    segments,
    steps,
    summaries,
)
from models.histories import DAY_MICROSECONDS
from tests.support.examples import histories_of


def days_of(*users: list[int]) -> ActiveDays:
    """Users by the days of their events, one event each."""
    times = [day * DAY_MICROSECONDS + place for days in users for place, day in enumerate(days)]
    return active_days(histories_of(*([0] * len(days) for days in users), n_items=1, times=times))


def at(days: ActiveDays, day: int) -> Examples:
    return examples(days, np.array([day]))


def test_events_of_a_day_are_counted_once() -> None:
    days = days_of([3, 3, 5], [], [4])
    assert (days.user.tolist(), days.day.tolist(), days.events.tolist()) == ([0, 0, 2], [3, 5, 4], [0, 2, 3, 4])


def test_only_users_with_an_event_up_to_the_day() -> None:
    days = days_of([3, 3, 5], [], [4])
    some = examples(days, np.array([2, 3, 4]))
    assert list(zip(some.user, some.day, strict=True)) == [(0, 3), (0, 4), (2, 4)]
    assert len(some) == 3
    assert len(examples(days, np.zeros(0, np.int64))) == 0


def test_of_many_a_part_is_drawn_evenly() -> None:
    """Each of 20 users at the end of each of 10 days is drawn with probability 1/4, over 400 seeds; none is twice."""
    days, last = days_of(*([[0]] * 20)), np.arange(10)
    drawn = np.zeros((20, 10))
    for seed in range(400):
        some = examples(days, last, 50, seed)
        pairs = set(zip(some.user.tolist(), some.day.tolist(), strict=True))
        assert len(pairs) == len(some) == 50
        drawn[some.user, some.day] += 1
    # 200 cells, each binomial(400, 1/4): mean 100, standard deviation 8.7
    assert abs(drawn - 100).max() < 40
    every = examples(days, last)
    assert [len(every), len(examples(days, last, 200))] == [200, 200]
    part = examples(days, last, 50, seed=3)
    assert [part.day.tolist(), part.end.tolist()] == [sorted(part.day.tolist()), (part.user + 1).tolist()]


def test_the_week_ahead_begins_the_day_after_and_ends_on_the_seventh() -> None:
    days = days_of([1, 2, 2, 8, 9])
    assert [events_ahead(days, at(days, day)).tolist() for day in (1, 2, 8, 9)] == [[3], [2], [1], [0]]


def test_summaries_are_logarithms_of_counts() -> None:
    days = days_of([10, 10, 30, 36], [40])
    result = np.expm1(summaries(days, at(days, 40)))
    # days since the last, since the first, events, active days, of the last 7 days (34 … 40) and 28 (13 … 40)
    assert result.round(3).tolist() == [[4, 30, 4, 3, 1, 2], [0, 0, 1, 1, 1, 1]]


def test_what_comes_later_is_not_known() -> None:
    early, late = days_of([10, 20], [12]), days_of([10, 20, 21, 30], [12, 25])
    for what in (summaries, segments, lambda days, some: steps(days, some, 4)):
        assert np.array_equal(what(early, at(early, 20)), what(late, at(late, 20)))


def test_steps_hold_gap_events_and_age_with_the_newest_last() -> None:
    days = days_of([10, 10, 13], [14])
    result = np.expm1(steps(days, at(days, 15), 3))
    assert result.round(3).tolist() == [
        [[0, 0, 0], [0, 2, 5], [3, 1, 2]],
        [[0, 0, 0], [0, 0, 0], [0, 1, 1]],
    ]
    # the day before the first that is read still tells the gap
    assert np.expm1(steps(days, at(days, 15), 1)).round(3).tolist() == [[[3, 1, 2]], [[0, 1, 1]]]


@pytest.mark.parametrize(
    ("history", "segment"),
    [
        ([100], "new"),
        ([87], "new"),  # the first of the last 14 days
        ([86], "cooling"),  # one event on the day before them, none since
        ([72], "gone"),  # 28 days ago
        ([73], "cooling"),
        (list(range(1, 101)), "steady"),
        ([*range(1, 80, 4), *range(87, 101)], "rising"),
        ([*range(1, 87), 90, 95], "cooling"),
    ],
)
def test_segments(history: list[int], segment: str) -> None:
    days = days_of(history)
    assert SEGMENTS[segments(days, at(days, 100))[0]] == segment


def test_without_times_there_are_no_days() -> None:
    with pytest.raises(ValueError, match="need the times of events"):
        active_days(histories_of([0], n_items=1))
