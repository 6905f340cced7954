"""Ranking metrics against their definitions and an independent implementation; ties against all orders of the items."""

import math
from collections.abc import Sequence
from itertools import permutations, product

import ir_measures
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, ScoredDoc, Success, nDCG

from models.evaluation.metrics import METRICS
from models.evaluation.ties import ServedLists, find_hits, groups_without_ties, tie_groups

N_ITEMS = 9
LENGTHS = (1, 2, 3, 5)
lists_of_items = st.permutations(range(N_ITEMS)).flatmap(
    lambda items: st.integers(0, 6).map(lambda n: [*items[:n], *[-1] * (6 - n)])
)
wanted = st.sets(st.integers(0, N_ITEMS - 1), min_size=1)


def ndcg(items: Sequence[int], relevant: set[int], k: int) -> float:
    gain = sum(1 / math.log2(place + 1) for place, item in enumerate(items[:k], 1) if item in relevant)
    return gain / sum(1 / math.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))


def hit_rate(items: Sequence[int], relevant: set[int], k: int) -> float:
    return float(bool(set(items[:k]) & relevant))


def recall(items: Sequence[int], relevant: set[int], k: int) -> float:
    return len(set(items[:k]) & relevant) / len(relevant)


def precision(items: Sequence[int], relevant: set[int], k: int) -> float:
    return len(set(items[:k]) & relevant) / k


def average_precision(items: Sequence[int], relevant: set[int], k: int) -> float:
    hits = [place for place, item in enumerate(items[:k], 1) if item in relevant]
    return sum(n / place for n, place in enumerate(hits, 1)) / len(relevant)


def reciprocal_rank(items: Sequence[int], relevant: set[int], k: int) -> float:
    return next((1 / place for place, item in enumerate(items[:k], 1) if item in relevant), 0.0)


DEFINITIONS = {
    "ndcg": ndcg,
    "hr": hit_rate,
    "recall": recall,
    "precision": precision,
    "map": average_precision,
    "mrr": reciprocal_rank,
}


def relevant_matrix(sets: Sequence[set[int]], n_items: int = N_ITEMS) -> sp.csr_array:
    dense = np.zeros((len(sets), n_items), np.float32)
    for row, items in enumerate(sets):
        dense[row, list(items)] = 1
    return sp.csr_array(dense)


def test_every_metric_has_a_definition() -> None:
    assert METRICS.keys() == DEFINITIONS.keys()


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(lists_of_items, wanted), min_size=1, max_size=6), st.sampled_from([1, 3, 6]))
def test_metrics_are_their_definitions(users: list[tuple[list[int], set[int]]], k: int) -> None:
    result = groups_without_ties(
        np.array([items for items, _ in users]), relevant_matrix([relevant for _, relevant in users])
    )
    for name, metric in METRICS.items():
        expected = [DEFINITIONS[name]([i for i in items if i >= 0], relevant, k) for items, relevant in users]
        values = metric(result, k)
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)


def served(groups: Sequence[Sequence[int]], relevant: set[int], k: int) -> ServedLists:
    """A user's list of k items of which those of a group tie, in the order written, and what ties behind it."""
    order = [item for group in groups for item in group]
    new = [place == 0 for group in groups for place in range(len(group))]
    last = next((group for group in groups if group and order.index(group[0]) < k <= order.index(group[-1]) + 1), [])
    behind = [item for item in last if order.index(item) >= k]
    kept = relevant & {*order[:k], *behind}
    beyond, nothing = np.array([len(behind)]), [-1] * max(k - len(order), 0)
    return ServedLists(
        np.array([[*order[:k], *nothing]]),
        np.array([[*new[:k], *[True] * len(nothing)]]),
        beyond,
        relevant_matrix([kept]),
    )


@pytest.mark.parametrize(
    "groups",
    [
        [[0, 1, 2, 3, 4]],
        [[0], [1, 2, 3], [4, 5]],
        [[0, 1], [2], [3, 4, 5]],
        [[5, 4], [3, 2], [1, 0]],
        [[0, 1, 2, 3], [4]],
        [[0], [1], [2]],
        [[3, 1, 2]],
    ],
)
def test_tied_items_count_as_the_mean_over_all_their_orders(groups: list[list[int]]) -> None:
    """Every relevant set, every length, every order of the tied items, written out."""
    orders = [
        [item for group in order for item in group] for order in product(*(list(permutations(g)) for g in groups))
    ]
    for mask, k in product(range(1, 64), LENGTHS):
        relevant = {item for item in range(6) if mask >> item & 1}
        result = tie_groups(served(groups, relevant, k), np.array([len(relevant)]))
        for name, metric in METRICS.items():
            mean = np.mean([DEFINITIONS[name](order, relevant, k) for order in orders])
            np.testing.assert_allclose(
                metric(result, k), [mean], rtol=1e-12, atol=1e-12, err_msg=f"{name}@{k} {relevant}"
            )


def test_a_shorter_length_may_cut_a_group_that_the_list_holds_whole() -> None:
    """Of five places of a list, the first two, three or five are judged; items 1 to 3 tie."""
    groups, relevant = [[0], [1, 2, 3], [4]], {2, 4}
    result = tie_groups(served(groups, relevant, 5), np.array([2]))
    for name, k in product(METRICS, (2, 3, 5)):
        mean = np.mean([DEFINITIONS[name]([0, *order, 4], relevant, k) for order in permutations([1, 2, 3])])
        np.testing.assert_allclose(METRICS[name](result, k), [mean], rtol=1e-12)


def test_only_some_items_may_count() -> None:
    """Items 1 and 2 tie over the end of the list; of the relevant 0, 2 and 4, only those from 1 to 3 are judged."""
    only = np.array([1 <= item <= 3 for item in range(N_ITEMS)])
    result = tie_groups(served([[0], [1, 2]], {0, 2, 4}, 2), np.array([1]), only)
    np.testing.assert_allclose(METRICS["hr"](result, 2), [0.5])
    np.testing.assert_allclose(METRICS["mrr"](result, 2), [0.25])


def test_agreement_with_an_independent_implementation() -> None:
    """trec_eval, through ir-measures: 200 users, 50 items, all scores different."""
    rng = np.random.default_rng(0)
    users, items, k = 200, 50, 20
    scores = rng.permuted(np.tile(np.arange(items), (users, 1)), axis=1)
    relevant = rng.random((users, items)) < rng.uniform(0.02, 0.5, (users, 1))
    relevant[np.arange(users), rng.integers(0, items, users)] = True
    lists = np.argsort(-scores, axis=1)[:, :k]
    result = groups_without_ties(lists, sp.csr_array(relevant.astype(np.float32)))
    judged = {str(u): {str(i): 1 for i in np.flatnonzero(relevant[u])} for u in range(users)}
    names = {"ndcg": nDCG, "hr": Success, "recall": R, "precision": P, "map": AP, "mrr": RR}
    for at in (5, 10, 20):
        run = [ScoredDoc(str(u), str(i), float(scores[u, i])) for u in range(users) for i in lists[u, :at]]
        wanted = {name: measure if name == "mrr" else measure @ at for name, measure in names.items()}
        theirs = {(m.measure, int(m.query_id)): m.value for m in ir_measures.iter_calc(wanted.values(), judged, run)}
        for name, measure in wanted.items():
            expected = [theirs[measure, user] for user in range(users)]
            np.testing.assert_allclose(METRICS[name](result, at), expected, rtol=0, atol=1e-9, err_msg=f"{name}@{at}")


def test_places_without_item_are_no_hits_even_where_item_0_is_relevant() -> None:
    result = find_hits(np.array([[0, -1, -1], [-1, -1, -1]]), relevant_matrix([{0}, {0, 8}]))
    assert result.tolist() == [[True, False, False], [False, False, False]]


def test_lists_by_eye() -> None:
    """Two relevant items, found at places 1 and 3 of a list of four."""
    result = groups_without_ties(np.array([[5, 6, 7, 8]]), relevant_matrix([{5, 7}]))
    values = {(name, k): metric(result, k)[0] for name, metric in METRICS.items() for k in (1, 4)}
    assert (values["hr", 1], values["recall", 1], values["recall", 4], values["precision", 4]) == (1, 0.5, 1, 0.5)
    assert (values["ndcg", 1], values["mrr", 4]) == (1, 1)  # one place, and it is a hit
    np.testing.assert_allclose(values["ndcg", 4], (1 + 1 / 2) / (1 + 1 / math.log2(3)))
    np.testing.assert_allclose(values["map", 4], (1 + 2 / 3) / 2)


@pytest.mark.parametrize("name", METRICS)
def test_rounding_leaves_every_metric_within_its_bounds(name: str) -> None:
    """Full lists of relevant items, and ties of every size with the one relevant item: publication takes no 1 + ε."""
    for size in range(1, 101):
        items = np.arange(size)[None]
        everything = groups_without_ties(items, relevant_matrix([{*range(size)}], size))
        new = np.arange(size)[None] == 0
        lists = ServedLists(items, new, np.array([0]), relevant_matrix([{0}], size))
        for result in (everything, tie_groups(lists, np.array([1]))):
            for k in {1, size // 2 + 1, size}:
                (value,) = METRICS[name](result, k)
                assert 0 <= value <= 1, (size, k, value)


def test_nobody_to_judge() -> None:
    result = groups_without_ties(np.zeros((0, 4), np.int64), relevant_matrix([]))
    for metric in METRICS.values():
        assert metric(result, 4).shape == (0,)
