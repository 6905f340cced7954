"""Maximal marginal relevance against its definition, written out."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from models.kernels.top_k import TopK, top_scores
from models.serving.diversity import mmr
from tests.support.contract import assert_lists, assert_same


def defined(items: list[int], scores: list[float], cosine: npt.NDArray[np.float64], k: int, lam: float) -> list[int]:
    """Greedy, as Carbonell and Goldstein wrote it."""
    span = scores[0] - scores[-1] or 1.0
    quality = {item: (score - scores[-1]) / span for item, score in zip(items, scores, strict=True)}
    chosen: list[int] = []
    while len(chosen) < min(k, len(items)):
        left = [item for item in items if item not in chosen]
        worth = [lam * quality[i] - (1 - lam) * max((cosine[i, j] for j in chosen), default=0.0) for i in left]
        chosen.append(left[int(np.argmax(np.round(worth, 9)))])
    return chosen


def random_case(seed: int) -> tuple[TopK, sp.csr_array]:
    random = np.random.default_rng(seed)
    scores = random.normal(size=(30, 40)).astype(np.float32)
    scores[random.random((30, 40)) < random.random((30, 1))] = -np.inf
    features = random.random((40, 6)) * (random.random((40, 6)) < 0.4)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    return top_scores(scores, 20), sp.csr_array(features.astype(np.float32))


@pytest.mark.parametrize("lam", [0.2, 0.5, 0.9, 1.0])
def test_lists_are_those_of_the_definition(lam: float) -> None:
    candidates, features = random_case(1)
    top, places = mmr(candidates, features, 8, lam)
    assert_lists(top, 30, 8)
    cosine = (features @ features.T).toarray().astype(np.float64)
    for user in range(30):
        there = candidates.items[user] >= 0
        items, scores = candidates.items[user][there].tolist(), candidates.scores[user][there].tolist()
        wanted = defined(items, scores, cosine, 8, lam) if items else []
        assert top.items[user][top.items[user] >= 0].tolist() == wanted
        assert [candidates.items[user, place] for place in places[user] if place >= 0] == wanted


def test_lambda_1_leaves_the_candidates_as_they_are() -> None:
    candidates, features = random_case(2)
    top, places = mmr(candidates, features, 8, 1.0)
    assert_same(top, TopK(candidates.items[:, :8], candidates.scores[:, :8]))
    assert (places == np.where(top.items >= 0, np.arange(8), -1)).all()


def test_scores_never_rise_and_are_less_what_is_repeated() -> None:
    """Two of one kind and one of another, scores 4, 3, 2: half of the span 2 times cosine 1 is taken from the twin."""
    candidates = TopK(np.array([[0, 1, 2]]), np.array([[4, 3, 2]], np.float32))
    kinds = sp.csr_array(np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    top, _ = mmr(candidates, kinds, 3, 0.5)
    assert top.items.tolist() == [[0, 2, 1]]
    assert top.scores.tolist() == [[4, 2, 1]]


def test_nothing_to_choose_from_and_one() -> None:
    candidates = TopK(np.array([[-1, -1], [1, -1]]), np.array([[-np.inf, -np.inf], [3, -np.inf]], np.float32))
    top, places = mmr(candidates, sp.csr_array((2, 3), dtype=np.float32), 1, 0.0)
    assert top.items.tolist() == [[-1], [1]]
    assert places.tolist() == [[-1], [0]]
