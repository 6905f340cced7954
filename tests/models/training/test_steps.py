"""Many training steps in one call: the same weights as one by one, and batches that a thread prepares."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from models.base import TrainingData
from models.neural.sasrec import SASRec
from models.training import loop, steps
from models.training.steps import GROUP_BYTES, Ahead, Group, Grouping, Pace, Steps
from tests.support.examples import example
from tests.support.networks import CONFIG, assert_weights


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_any_number_of_steps_in_a_call_gives_the_same_weights(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiled:
        monkeypatch.setattr(loop, "COMPILED_EXAMPLES", 0)
    learn, weights, calls = Steps.learn, [], []

    def counted(self: Steps, batches: Any, rates: list[float], first: int) -> Any:
        calls.append(len(rates))
        return learn(self, batches, rates, first)

    monkeypatch.setattr(Steps, "learn", counted)
    for seconds in (0.0, 1e9):
        calls.clear()
        monkeypatch.setattr(steps, "CALL_SECONDS", seconds)
        weights.append(SASRec(CONFIG).fit(TrainingData(example(), seed=3)).network.get_weights())
        assert (max(calls) == 1) == (seconds == 0.0)
    assert_weights(*weights)


def batches(n: int) -> Iterator[tuple[Any, int]]:
    for number in range(n):
        yield {"rows": np.full((2, 3), number, np.int32), "rate": np.array(number, np.float32)}, 2


def test_batches_lie_together_in_groups_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(Grouping(10).groups(batches(5)))
    assert [(group.first, group.examples) for group in whole] == [(1, [2] * 5)]
    assert whole[0].batches["rows"][:, 0, 0].tolist() == [0, 1, 2, 3, 4, 0, 0], "as many again as chance may add"
    monkeypatch.setattr(steps, "GROUP_BYTES", 2 * 28)
    some = list(Grouping(10).groups(batches(5), skipped=2))
    assert [(group.first, group.examples) for group in some] == [(3, [2, 2]), (5, [2])]
    assert [group.batches["rate"].tolist() for group in some] == [[2, 3], [4, 0]]
    alone = list(Grouping(6, stacked=False).groups(batches(3)))
    assert [batch["rate"].tolist() for group in alone for batch in group.batches] == [0, 1, 2]
    assert GROUP_BYTES >= 1 << 26
    assert list(Grouping(4).groups(batches(2), skipped=2)) == []


def test_all_epochs_have_groups_of_one_shape() -> None:
    grouping = Grouping(10)
    epochs = [[(batch, examples) for batch, _ in batches(n)] for n, examples in ((5, 2), (3, 4), (9, 1))]
    shapes = [group.batches["rows"].shape for epoch in epochs for group in grouping.groups(epoch)]
    assert shapes == [(7, 2, 3)] * 4, "the fourth is what the third has left"


def test_groups_are_made_in_another_thread_and_its_errors_come_back() -> None:
    threads = []

    def groups_of(epoch: int) -> Iterator[Group]:
        threads.append(threading.current_thread())
        if epoch == 2:
            raise MemoryError("no more")
        yield Group(1, [1], [epoch])

    ahead = Ahead(groups_of, range(5))
    assert [[group.batches for group in ahead.epoch(epoch)] for epoch in (0, 1)] == [[[0]], [[1]]]
    with pytest.raises(MemoryError, match="no more"):
        list(ahead.epoch(2))
    ahead.close()
    assert threading.current_thread() not in threads
    assert not threads[0].is_alive()


def test_a_training_that_stops_early_leaves_no_thread() -> None:
    ahead = Ahead(lambda epoch: iter([Group(1, [1], [epoch])] * 100), range(100))
    assert next(ahead.epoch(0)).batches == [0]
    ahead.close()
    assert not ahead.thread.is_alive()


def test_a_call_takes_as_many_steps_as_a_second_holds() -> None:
    pace, counts = Pace(), []
    for seconds_of_a_step in (30.0, 0.01, 0.01, 0.01, 0.01, 0.4, 3.0, 3.0):
        counts.append(pace.steps)
        pace.record_time(pace.steps, pace.steps * seconds_of_a_step)
    assert counts == [1, 1, 8, 64, 100, 100, 2, 1], "the first call is compiled, and one grows eightfold at most"
