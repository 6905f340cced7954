"""The run's events in three parts, against the events as they were written."""

import numpy as np

from jobs.learning.arrays import all_events, ids, split
from jobs.settings import Settings
from models.data import HeldOut
from tests.support.tastes import ITEMS, USERS, events, night_of, parts

NIGHT = 3


def pairs(rows: np.ndarray) -> list[list[int]]:
    """Items of every user, in the order given."""
    return [rows[rows[:, 0] == user, 1].tolist() for user in range(USERS)]


def check(part: HeldOut, before: np.ndarray, after: np.ndarray) -> None:
    """All users have events after: their histories are those before, what is relevant the items after."""
    assert part.users.tolist() == list(range(USERS))
    histories = np.split(part.histories.items, part.histories.indptr[1:-1])
    assert [items.tolist() for items in histories] == pairs(before)
    wanted = np.zeros((USERS, ITEMS))
    wanted[after[:, 0], after[:, 1]] = 1
    np.testing.assert_array_equal(part.relevant.toarray(), wanted)


def test_models_learn_the_first_part_choose_on_the_second_and_are_judged_on_the_third(config: Settings) -> None:
    night = night_of(config, NIGHT)
    known = ids(night)
    every = events(NIGHT)
    named = np.array(parts(every, NIGHT))
    train, validation, test = (every[named == name] for name in ("train", "validation", "test"))
    result = split(night, known)
    assert [items.tolist() for items in np.split(result.train.items, result.train.indptr[1:-1])] == pairs(train)
    check(result.validation, train, validation)
    check(result.test, np.concatenate([train, validation]), test)
    assert len(all_events(night, known).items) == len(every)


def test_an_item_that_a_user_has_had_before_is_no_discovery(config: Settings) -> None:
    """Tonight user 0 takes the first item again, and nothing else: there is nothing to judge that user by."""
    first = events(0)[0]
    night = night_of(config, NIGHT, change=lambda rows: np.array([[0, first[1], NIGHT], *rows[rows[:, 0] > 0]]))
    result = split(night, ids(night))
    assert result.test.users.tolist() == list(range(1, USERS))
