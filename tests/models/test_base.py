"""Choosing the best scores of a row, filling lists from other lists, and saving."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import TopK
from models.kernels.top_k import top_scores
from models.serving.lists import fill_gaps
from tests.support.contract import Stranger, assert_lists, ranked

NONE = -np.inf
few_scores = st.sampled_from([-2.0, -0.5, 0.0, 0.5, 3.0, np.nan, np.inf, -np.inf])
rows = st.integers(1, 7).flatmap(
    lambda width: st.lists(st.lists(few_scores, min_size=width, max_size=width), min_size=1, max_size=5)
)


class Unsaveable(Stranger):
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"anything": np.array([{}], object)}


def lists(*rows: list[tuple[int, float]], k: int) -> TopK:
    """Lists of (item, score), padded."""
    padded = np.array([row + [(-1, NONE)] * (k - len(row)) for row in rows])
    return TopK(padded[:, :, 0].astype(np.int64), padded[:, :, 1].astype(np.float32))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(rows, st.integers(1, 9))
def test_top_scores_are_a_sort_by_score_and_column(values: list[list[float]], k: int) -> None:
    scores = np.array(values, np.float32)
    top = top_scores(scores, k)
    assert_lists(top, len(scores), k)
    for row, items, chosen in zip(scores, top.items, top.scores, strict=True):
        assert items.tolist() == ranked(row, np.ones(len(row), bool), k)
        np.testing.assert_array_equal(chosen[items >= 0], row[items[items >= 0]])


def test_top_scores_settle_ties_at_the_border() -> None:
    top = top_scores(np.array([[1, 2, 1, 1, 2, 1]], np.float32), 4)
    assert top.items.tolist() == [[1, 4, 0, 2]]


def test_top_scores_leave_their_argument_alone() -> None:
    scores = np.array([[np.nan, np.inf, 1.0]], np.float32)
    top_scores(scores, 1)
    np.testing.assert_array_equal(scores, np.array([[np.nan, np.inf, 1.0]], np.float32))


def test_top_scores_of_no_rows_and_of_no_columns() -> None:
    assert_lists(top_scores(np.zeros((0, 3), np.float32), 2), 0, 2)
    assert top_scores(np.zeros((2, 0), np.float32), 2).items.tolist() == [[-1, -1], [-1, -1]]


def test_gaps_are_filled_with_items_that_the_list_does_not_have() -> None:
    first = lists([(5, 4.0)], [(1, 2.0), (2, 2.0), (3, 1.0)], k=3)
    second = lists([(5, 0.8), (6, 0.4), (7, 0.2)], [(7, 0.5), (8, 0.5), (9, 0.5)], k=3)
    top, filler = fill_gaps(first, second)
    assert top.items.tolist() == [[5, 6, 7], [1, 2, 3]]
    np.testing.assert_allclose(top.scores, [[4, 2, 1], [2, 2, 1]], rtol=1e-6)
    assert filler.tolist() == [[False, True, True], [False, False, False]]


def test_an_empty_list_is_filled_from_one_downwards() -> None:
    top, filler = fill_gaps(lists([], k=2), lists([(3, 0.2), (0, 0.1)], k=2))
    assert top.items.tolist() == [[3, 0]]
    np.testing.assert_allclose(top.scores, [[1, 0.5]], rtol=1e-6)
    assert filler.all()


def test_the_same_item_in_the_lists_of_two_users_is_no_repetition() -> None:
    top, _ = fill_gaps(lists([(1, 1.0)], [(0, 1.0)], k=2), lists([(0, 0.9), (2, 0.1)], [(1, 0.9), (2, 0.1)], k=2))
    assert top.items.tolist() == [[1, 0], [0, 1]]


def test_scores_fall_where_the_own_ones_are_negative() -> None:
    top, _ = fill_gaps(lists([(1, -1.0), (2, -2.0)], k=4), lists([(3, 0.8), (4, 0.4), (1, 0.2)], k=4))
    np.testing.assert_allclose(top.scores, [[-1, -2, -2, -3]], rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_two_empty_lists_make_an_empty_list() -> None:
    top, filler = fill_gaps(lists([], [(1, 0.0)], k=2), lists([], [], k=2))
    assert top.items.tolist() == [[-1, -1], [1, -1]]
    assert top.scores.tolist() == [[NONE, NONE], [0.0, NONE]]
    assert not filler.any()


def test_no_lists_make_no_lists() -> None:
    none = TopK(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32))
    assert_lists(fill_gaps(none, none)[0], 0, 3)


@pytest.mark.parametrize("seed", range(20))
def test_filled_lists_are_lists(seed: int) -> None:
    random = np.random.default_rng(seed)
    own, popular = random.normal(size=(30, 15)).astype(np.float32), random.random((30, 15)).astype(np.float32)
    own[random.random((30, 15)) < random.random((30, 1))] = NONE
    first, second = top_scores(own, 6), top_scores(popular, 6)
    top, filler = fill_gaps(first, second)
    assert_lists(top, 30, 6)
    assert (top.items >= 0).all()  # 15 items are enough for everyone
    np.testing.assert_array_equal(top.items[~filler], first.items[first.items >= 0])
    for row in range(30):
        listed = first.items[row][first.items[row] >= 0].tolist()
        fillers = [item for item in second.items[row].tolist() if item not in listed]
        assert top.items[row].tolist() == (listed + fillers)[:6]
        assert filler[row].tolist() == [False] * len(listed) + [True] * (6 - len(listed))


def test_objects_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        Unsaveable().save(tmp_path)
