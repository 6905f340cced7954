"""Features of candidates: each by eye, and in the order that `count_features` counts."""

import numpy as np
import pytest

from models.base import TrainingData
from models.classic.candidates import (
    CANDIDATES,
    LAST_EVENTS,
    SIMILAR,
    Candidates,
    ItemTimes,
    count_features,
    describe_users,
    last_events,
    look_up,
)
from models.classic.item_knn import ItemKNN
from models.histories import DAY_MICROSECONDS as DAY
from models.kernels.top_k import TopK, top_scores
from tests.support.examples import N_ITEMS, N_USERS, example, histories_of

NEVER = np.float32(np.nan)


def test_recent_events_are_counted_by_window() -> None:
    """Item 0 had events 0, 5 and 40 days before the newest, item 1 one 10 days before, item 2 none."""
    histories = histories_of([0, 1, 0], [0], n_items=3, times=[60 * DAY, 90 * DAY, 100 * DAY, 95 * DAY])
    times = ItemTimes.of(histories)
    np.testing.assert_allclose(np.expm1(times.recent), [[1, 2, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]], atol=1e-6)
    np.testing.assert_array_equal(times.age, np.array([40, 10, np.nan], np.float32))
    assert times.newest == 100 * DAY


def test_without_times_all_events_count_alike() -> None:
    times = ItemTimes.of(histories_of([0, 1, 0], n_items=3))
    np.testing.assert_allclose(np.expm1(times.recent), [[2] * 4, [1] * 4, [0] * 4], atol=1e-6)
    np.testing.assert_array_equal(times.age, np.array([0, 0, np.nan], np.float32))
    assert times.newest == 0


def test_times_of_other_items_are_refused() -> None:
    times = ItemTimes.of(histories_of([0, 1], n_items=3))
    times.require_items(3)
    with pytest.raises(ValueError, match=r"times of 4 items have the shapes \(3, 4\) and \(3,\)"):
        times.require_items(4)


def test_users_by_events_and_the_last_day() -> None:
    """The second user's events are later than what was learned."""
    histories = histories_of([0, 1], [2], [], n_items=3, times=[DAY, 3 * DAY, 9 * DAY])
    events, days = describe_users(histories, 7 * DAY)
    np.testing.assert_allclose(np.expm1(events), [2, 1, 0], rtol=1e-6)
    np.testing.assert_array_equal(days, np.array([4, 0, np.nan], np.float32))
    assert np.isnan(describe_users(histories_of([0], n_items=3), 0)[1]).all()


def test_the_last_events_of_every_history() -> None:
    histories = histories_of([0, 1, 2], [], [3], n_items=5, times=[1, 2, 3, 4])
    last = last_events(histories, 2)
    assert last.indptr.tolist() == [0, 2, 2, 3]
    assert last.items.tolist() == [1, 2, 3]
    assert last.times is not None
    assert last.times.tolist() == [2, 3, 4]


def test_places_and_scores_in_a_members_lists() -> None:
    top = TopK(np.array([[4, 2, -1], [-1, -1, -1]]), np.array([[-8, -10, -np.inf], [-np.inf] * 3], np.float32))
    place, score = look_up(np.array([[2, 0, 4, -1], [4, 2, 0, -1]]), top, 5)
    np.testing.assert_array_equal(place, np.array([[1, NEVER, 0, NEVER], [NEVER] * 4]))
    np.testing.assert_array_equal(score, np.array([[-1.25, NEVER, -1, NEVER], [NEVER] * 4]))


@pytest.mark.parametrize("members", [["popularity", SIMILAR], ["popularity"]])
def test_candidates_are_the_first_items_and_their_features_in_order(members: list[str]) -> None:
    histories = example()
    random = np.random.default_rng(0)
    scores = {name: random.random((N_USERS, N_ITEMS)).astype(np.float32) for name in members}
    fused = sum(scores.values(), np.zeros(1, np.float32))
    lists = {name: top_scores(values, 5, histories=histories) for name, values in scores.items()}
    knn = ItemKNN().fit(TrainingData(histories)) if SIMILAR in members else None
    times = ItemTimes.of(histories)
    candidates = Candidates.of(histories, fused, lists, knn, times)
    assert candidates.items.shape == (N_USERS, CANDIDATES)
    assert candidates.features.shape == (N_USERS, CANDIDATES, count_features(members))
    assert candidates.features.dtype == np.float32
    had = histories.matrix().toarray() > 0
    for user in range(N_USERS):
        new = [item for item in np.argsort(-fused[user], kind="stable") if not had[user, item]]
        assert candidates.items[user].tolist() == new + [-1] * (CANDIDATES - len(new))
        for place, item in enumerate(new):
            expected = [fused[user, item]]
            for top in lists.values():
                listed = top.items[user].tolist()
                at = listed.index(item) if item in listed else None
                expected += [NEVER] * 2 if at is None else [at, top.scores[user, at] / top.scores[user, 0]]
            expected += [*times.recent[item], times.age[item], *describe_users(histories, int(times.newest))[:, user]]
            for n in LAST_EVENTS if knn else ():
                own = histories.take(np.array([user]))
                last = histories_of(own.items[-n:].tolist() if len(own.items) else [], n_items=N_ITEMS)
                value = knn.score(last)[0, item] if knn else 0
                expected.append(value if np.isfinite(value) else NEVER)
            np.testing.assert_allclose(candidates.features[user, place], np.array(expected, np.float32), rtol=1e-6)


def test_blocks_of_users_join_and_users_are_taken() -> None:
    parts = [Candidates(np.full((n, 2), n), np.full((n, 2, 3), n, np.float32)) for n in (1, 2)]
    joined = Candidates.join(parts)
    assert joined.items.tolist() == [[1, 1], [2, 2], [2, 2]]
    some = joined.take(np.array([2, 0]))
    assert some.items.tolist() == [[2, 2], [1, 1]]
    assert some.features[:, 0, 0].tolist() == [2, 1]
