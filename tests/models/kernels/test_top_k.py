"""The best products and the best scores of every user against a dense product, a mask and a stable sort."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from models.histories import Histories, from_events
from models.kernels import top_k
from models.kernels.products import GROUP_USERS, PANEL_ITEMS
from models.kernels.top_k import TopK, top_products, top_scores
from tests.support.contract import assert_lists, assert_same

Floats = npt.NDArray[np.float32]
How = Callable[[Floats, Floats, int, Histories | None, npt.NDArray[np.bool_] | None], TopK]


def by_vectors(
    users: Floats, items: Floats, k: int, seen: Histories | None, eligible: npt.NDArray[np.bool_] | None
) -> TopK:
    return top_products(users, items, k, histories=seen, eligible=eligible)


def by_rows(
    users: Floats, items: Floats, k: int, seen: Histories | None, eligible: npt.NDArray[np.bool_] | None
) -> TopK:
    return top_scores(users @ items.T, k, histories=seen, eligible=eligible)


def small_numbers(seed: int, n: int, d: int) -> Floats:
    """Whole numbers, whose products are exact and often equal."""
    return np.random.default_rng(seed).integers(-3, 4, (n, d)).astype(np.float32)


def random_histories(seed: int, n: int, n_items: int, each: int = 3) -> Histories:
    random = np.random.default_rng(seed)
    users, items = np.sort(random.integers(0, n, n * each)), random.integers(0, n_items, n * each)
    return from_events(users, items, np.ones(n * each, np.float32), None, n, n_items)


def expected(scores: Floats, k: int) -> TopK:
    """A stable sort of dense scores; what is not finite is no score."""
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, order, axis=1)
    gap = ((0, 0), (0, k - order.shape[1]))
    items = np.pad(np.where(values > -np.inf, order, -1), gap, constant_values=-1)
    return TopK(items, np.pad(values, gap, constant_values=-np.inf).astype(np.float32))


@pytest.mark.parametrize("method", [by_vectors, by_rows])
@pytest.mark.parametrize(
    ("n", "n_items", "d", "k"),
    [
        (1, 1, 1, 1),
        (GROUP_USERS + 1, PANEL_ITEMS + 1, 3, 5),
        (GROUP_USERS, PANEL_ITEMS, 1, PANEL_ITEMS),
        (50, 333, 5, 7),
        (top_k.TASK_USERS + 1, 1000, 8, 20),
        (7, 3, 64, 100),
        (3, 5000, 2, 70),
    ],
)
def test_lists_are_a_sort_of_the_scores_that_are_left(method: How, n: int, n_items: int, d: int, k: int) -> None:
    users, items, seen = small_numbers(1, n, d), small_numbers(2, n_items, d), random_histories(3, n, n_items)
    eligible = np.random.default_rng(4).random(n_items) < 0.8
    scores = users @ items.T
    assert_same(method(users, items, k, None, None), expected(scores, k))
    scores[:, ~eligible] = -np.inf
    scores[seen.users, seen.items] = -np.inf
    result = method(users, items, k, seen, eligible)
    assert_same(result, expected(scores, k))
    assert_lists(result, n, k)


@pytest.mark.parametrize("method", [by_vectors, by_rows])
def test_zero_and_minus_zero_are_equal(method: How) -> None:
    """Scores -0, 0, -0, 0: a tie, listed by row."""
    result = method(np.ones((1, 1), np.float32), np.array([[-0.0], [0.0], [-0.0], [0.0]], np.float32), 4, None, None)
    assert result.items.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("method", [by_vectors, by_rows])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_scores_that_are_not_finite_are_none(method: How) -> None:
    items = np.array([[np.nan], [np.inf], [1.0], [-np.inf]], np.float32)
    assert method(np.ones((2, 1), np.float32), items, 3, None, None).items.tolist() == [[2, -1, -1]] * 2
    nobody = np.full((1, 1), np.nan, np.float32)
    assert method(nobody, np.ones((3, 1), np.float32), 2, None, None).items.tolist() == [[-1, -1]]


def test_products_are_sums_of_products() -> None:
    random = np.random.default_rng(0)
    users, items = random.normal(size=(40, 100)).astype(np.float32), random.normal(size=(500, 100)).astype(np.float32)
    result = top_products(users, items, 10)
    exact = users.astype(np.float64) @ items.astype(np.float64).T
    np.testing.assert_allclose(result.scores, np.take_along_axis(exact, result.items, axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.scores, -np.sort(-exact, axis=1)[:, :10], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_threads_nor_company_change_a_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    users, items = random.normal(size=(100, 7)).astype(np.float32), random.normal(size=(300, 7)).astype(np.float32)
    whole = top_products(users, items, 9)
    monkeypatch.setattr(top_k, "TASK_USERS", 13)
    assert_same(top_products(users, items, 9, threads=threads), whole)
    for user in range(0, 100, 17):
        alone = top_products(users[[user]], items, 9)
        assert_same(alone, TopK(whole.items[[user]], whole.scores[[user]]))
    eligible = np.arange(300) % 2 == 0
    half = top_products(users, items[::2].copy(), 9)
    assert_same(top_products(users, items, 9, eligible=eligible), TopK(half.items * 2, half.scores))


def test_vectors_of_any_layout() -> None:
    users, items = small_numbers(1, 4, 6)[:, ::2], np.asfortranarray(small_numbers(2, 9, 3)).astype(np.float64)
    assert_same(top_products(users, items, 2), expected((users @ items.T).astype(np.float32), 2))  # type: ignore[arg-type]


def test_nobody_and_nothing() -> None:
    nobody, nothing = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)
    assert_lists(top_products(nobody, small_numbers(0, 4, 3), 2), 0, 2)
    assert top_products(small_numbers(0, 2, 3), nothing, 2).items.tolist() == [[-1, -1]] * 2
    assert top_scores(np.zeros((2, 0), np.float32), 1).items.tolist() == [[-1], [-1]]


def test_what_does_not_fit_together_is_refused() -> None:
    users, items = small_numbers(0, 4, 3), small_numbers(1, 5, 2)
    with pytest.raises(ValueError, match=r"expected vectors of users \[n, d\] and items .*, got \(4, 3\), \(5, 2\)"):
        top_products(users, items, 2)
    with pytest.raises(ValueError, match="k = 0: expected at least 1"):
        top_products(users, users, 0)
    with pytest.raises(ValueError, match="expected the histories of 4 users, got 3"):
        top_products(users, users, 1, histories=random_histories(0, 3, 4))
