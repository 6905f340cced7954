"""New items in the last places: who gets which, and how often each is shown."""

import numpy as np

from models.kernels.top_k import TopK
from models.serving.exploration import explore, hash_users
from tests.support.contract import assert_lists

NONE = -np.inf


def lists(n: int, k: int = 5) -> TopK:
    return TopK(np.tile(np.arange(k), (n, 1)), np.tile(np.arange(k, 0, -1).astype(np.float32), (n, 1)))


def test_the_last_places_are_new_and_the_rest_stays() -> None:
    top, pool = lists(1000), np.arange(10, 30)
    chosen = explore(top, pool, 2, np.arange(1000), seed=7)
    assert_lists(top, 1000, 5)
    assert (chosen == (np.arange(5) >= 3)).all()
    assert (top.items[:, :3] == np.arange(3)).all()
    assert np.isin(top.items[:, 3:], pool).all()
    assert (top.scores[:, 3:] == 3).all()  # that of the item before them


def test_every_new_item_is_shown_about_equally_often_and_others_tomorrow() -> None:
    top, tomorrow, pool = lists(20_000), lists(20_000), np.arange(10, 30)
    explore(top, pool, 1, np.arange(20_000), seed=7)
    explore(tomorrow, pool, 1, np.arange(20_000), seed=8)
    shown = np.bincount(top.items[:, -1], minlength=30)[10:]
    assert abs(shown - 1000).max() < 5 * np.sqrt(1000)
    assert (top.items[:, -1] == tomorrow.items[:, -1]).mean() < 0.1


def test_an_item_of_the_list_is_not_added_again_and_short_lists_have_no_gap() -> None:
    items = np.array([[0, 1, 2, 3], [7, 8, 1, 0], [7, -1, -1, -1], [-1, -1, -1, -1]])
    top = TopK(items, np.where(items >= 0, 2.0, NONE).astype(np.float32))
    explore(top, np.array([7, 8]), 2, np.arange(4), seed=0)
    assert_lists(top, 4, 4)
    assert top.items[0, :2].tolist() == [0, 1]
    assert set(top.items[0, 2:].tolist()) == {7, 8}
    assert top.items[1].tolist() == [7, 8, -1, -1]
    assert top.items[2].tolist() == [7, 8, -1, -1]
    assert set(top.items[3].tolist()) == {7, 8, -1}


def test_without_new_items_nothing_changes() -> None:
    top = lists(3)
    assert not explore(top, np.zeros(0, np.int64), 2, np.arange(3), seed=0).any()
    assert top.items.tolist() == lists(3).items.tolist()


def test_hashes_are_their_own() -> None:
    result = hash_users(np.arange(100_000), 1)
    assert result.dtype == np.int64
    assert (result >= 0).all()
    assert len(set(result.tolist())) == 100_000
    assert hash_users(np.array([5, 6]), 1).tolist() == result[[5, 6]].tolist()
