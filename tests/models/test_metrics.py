"""Ranking metrics against their definitions, user by user, and the bootstrap interval."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from models.metrics import METRICS, hits, interval

N_ITEMS = 9
lists_of_items = st.permutations(range(N_ITEMS)).flatmap(
    lambda items: st.integers(0, 6).map(lambda n: [*items[:n], *[-1] * (6 - n)])
)
wanted = st.sets(st.integers(0, N_ITEMS - 1), min_size=1)


def ndcg(items: list[int], relevant: set[int], k: int) -> float:
    gain = sum(1 / math.log2(place + 1) for place, item in enumerate(items[:k], 1) if item in relevant)
    return gain / sum(1 / math.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))


def hit_rate(items: list[int], relevant: set[int], k: int) -> float:
    return float(bool(set(items[:k]) & relevant))


def recall(items: list[int], relevant: set[int], k: int) -> float:
    return len(set(items[:k]) & relevant) / len(relevant)


DEFINITIONS = {"ndcg": ndcg, "hr": hit_rate, "recall": recall}


def relevant_matrix(sets: list[set[int]]) -> sp.csr_array:
    dense = np.zeros((len(sets), N_ITEMS), np.float32)
    for row, items in enumerate(sets):
        dense[row, list(items)] = 1
    return sp.csr_array(dense)


def test_every_metric_has_a_definition() -> None:
    assert METRICS.keys() == DEFINITIONS.keys()


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(lists_of_items, wanted), min_size=1, max_size=6), st.sampled_from([1, 3, 6, 20]))
def test_metrics_are_their_definitions(users: list[tuple[list[int], set[int]]], k: int) -> None:
    matrix = relevant_matrix([relevant for _, relevant in users])
    found = hits(np.array([items for items, _ in users]), matrix)
    for name, metric in METRICS.items():
        expected = [DEFINITIONS[name](items, relevant, k) for items, relevant in users]
        values = metric(found, np.diff(matrix.indptr), k)
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_places_without_item_are_no_hits_even_where_item_0_is_relevant() -> None:
    found = hits(np.array([[0, -1, -1], [-1, -1, -1]]), relevant_matrix([{0}, {0, 8}]))
    assert found.tolist() == [[True, False, False], [False, False, False]]


def test_lists_by_eye() -> None:
    """Two relevant items, found at places 1 and 3 of a list of four."""
    found, relevant = np.array([[True, False, True, False]]), np.array([2])
    assert METRICS["hr"](found, relevant, 1) == [1]
    assert METRICS["recall"](found, relevant, 1) == [0.5]
    assert METRICS["recall"](found, relevant, 4) == [1]
    assert METRICS["ndcg"](found, relevant, 1) == [1]  # one place, and it is a hit
    np.testing.assert_allclose(METRICS["ndcg"](found, relevant, 4), [(1 + 1 / 2) / (1 + 1 / math.log2(3))])


def test_nobody_to_judge() -> None:
    found = hits(np.zeros((0, 4), np.int64), relevant_matrix([]))
    assert found.shape == (0, 4)
    assert METRICS["ndcg"](found, np.zeros(0, np.int64), 4).shape == (0,)


@pytest.mark.parametrize("values", [[0.3], [0.0, 1.0], [1 / 3] * 7, [0.0] * 50 + [1.0]])
def test_the_interval_contains_the_mean(values: list[float]) -> None:
    sample = np.array(values)
    for seed in range(5):
        low, high = interval(sample, seed)
        assert min(values) <= low <= sample.mean() <= high <= max(values) + 1e-15


def test_the_interval_follows_from_the_seed() -> None:
    sample = np.random.default_rng(0).random(40)
    assert interval(sample, 1) == interval(sample, 1)
    assert interval(sample, 1) != interval(sample, 2)


def test_the_interval_is_that_of_the_normal_distribution_for_many_users() -> None:
    """1.96 standard errors each side; so four times the users halve it."""
    for users in (1000, 4000):
        sample = np.random.default_rng(0).random(users)
        low, high = interval(sample, 0, resamples=2000)
        error = 1.96 * sample.std() / math.sqrt(users)
        np.testing.assert_allclose([low, high], [sample.mean() - error, sample.mean() + error], atol=0.1 * error)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    sample = np.random.default_rng(0).random(200)
    (low, high), (inner_low, inner_high) = interval(sample, 0), interval(sample, 0, level=0.5)
    assert low < inner_low < inner_high < high
