"""Packing: every event once, and nothing of another's history in sight."""

import numpy as np
import pytest

from models.layers.packing import ITEM, POSITION, SEGMENT, TARGET, TIME, batches, best_fit, newest, pack
from tests.support.examples import example, histories_of

LENGTH = 6


def test_pieces_go_where_they_fit_best() -> None:
    row, offset = best_fit(np.array([5, 4, 2, 1, 1]), 6)  # longest first
    assert row.tolist() == [0, 1, 1, 0, 2]  # 4 + 2 is full, 5 + 1 is full, the last 1 finds no room
    assert offset.tolist() == [0, 0, 4, 5, 0]


def test_rows_by_eye() -> None:
    histories = histories_of([7, 8, 9], [], [1, 2, 3, 4, 5, 6], [3], n_items=10)
    pieces = newest(histories, 4, before=1)
    assert pieces.lengths.tolist() == [2, 4]  # the third user's oldest event is too far back, the last has no next one
    (batch,) = batches(histories, pack(pieces, 4), 4, 3, targets=True)
    assert batch[0].tolist() == [[2, 3, 4, 5], [1, 1, 1, 1], [3, 2, 1, 0], [3, 4, 5, 6]]
    assert batch[1].tolist() == [[7, 8, 0, 0], [2, 2, 0, 0], [1, 0, 0, 0], [8, 9, 0, 0]]
    assert not batch[2].any()


def test_times_are_seconds_since_the_oldest_event_that_is_there() -> None:
    times = [0, 3_000_000, 7_500_000, 5_000_000, 5_900_000, 2**62]
    histories = histories_of([1, 2, 3], [4, 5, 6], n_items=10, times=times)
    (batch,) = batches(histories, pack(newest(histories, 2), 2), 2, 2, targets=False, timed=True)
    assert batch[:, ITEM].tolist() == [[2, 3], [5, 6]]
    assert batch[:, TIME].tolist() == [[0, 4], [0, 2**31 - 1]]
    timeless = histories_of([1, 2, 3], n_items=10)
    (batch,) = batches(timeless, pack(newest(timeless, 2), 2), 2, 1, targets=False, timed=True)
    assert batch[:, TIME].tolist() == [[0, 0]]


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_every_event_that_has_a_next_one_stands_once(rows: int, seed: int | None) -> None:
    histories = example()
    random = None if seed is None else np.random.default_rng(seed)
    arranged = pack(newest(histories, LENGTH, before=1), LENGTH, random)
    result = []
    for batch in batches(histories, arranged, LENGTH, rows, targets=True):
        assert batch.shape == (rows, 4, LENGTH)
        for row in batch:
            for segment in set(row[SEGMENT].tolist()) - {0}:
                own = row[:, row[SEGMENT] == segment]
                assert own[POSITION].tolist() == list(range(own.shape[1]))[::-1]
                assert own[ITEM, 1:].tolist() == own[TARGET, :-1].tolist()
                result.append((*own[ITEM].tolist(), int(own[TARGET, -1])))
    lists = [
        histories.items[low:high].tolist() for low, high in zip(histories.indptr, histories.indptr[1:], strict=False)
    ]
    assert sorted(result) == sorted(tuple(items[-LENGTH - 1 :]) for items in lists if len(items) > 1)


def test_hardly_any_place_is_empty() -> None:
    lengths = np.sort(np.random.default_rng(0).geometric(0.02, 2000).clip(1, 200))[::-1]
    row, offset = best_fit(lengths, 200)
    assert (offset + lengths <= 200).all()
    places = row[np.repeat(np.arange(2000), lengths)] * 200 + np.concatenate(
        [np.arange(o, o + n) for o, n in zip(offset, lengths, strict=True)]
    )
    assert len(np.unique(places)) == lengths.sum()  # none twice
    assert lengths.sum() > 0.99 * 200 * (row.max() + 1)
