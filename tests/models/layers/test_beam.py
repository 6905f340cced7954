"""Beam search against all sequences, one by one."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax

from models.layers.beam import beam_search

N_ITEMS, HORIZON = 5, 3


def chain(seed: int) -> np.ndarray:
    """Logits of what follows what, [n_items, n_items]."""
    return np.random.default_rng(seed).normal(size=(N_ITEMS, N_ITEMS)).astype(np.float32)


def searched(logits: np.ndarray, last: list[int], allowed: np.ndarray, beams: int) -> tuple[np.ndarray, np.ndarray]:
    """The states are the number of the step, by which the logits are multiplied."""

    def step(items: Any, states: Any) -> tuple[Any, Any]:
        return ops.take(ops.convert_to_tensor(logits), items, axis=0) * states[:, :1], states + 1

    start = np.array(last, np.int32), np.ones((len(last), 2), np.float32)
    items, scores = beam_search(
        *map(ops.convert_to_tensor, start), step, ops.convert_to_tensor(allowed), beams, HORIZON
    )
    return ops.convert_to_numpy(items), ops.convert_to_numpy(scores)


def best(logits: np.ndarray, last: int, allowed: np.ndarray) -> tuple[list[int], list[float]]:
    chances = [log_softmax(logits * number, axis=-1) for number in range(1, HORIZON + 1)]

    def gains(sequence: tuple[int, ...]) -> list[float]:
        return [step[a, b] for step, a, b in zip(chances, (last, *sequence), sequence, strict=False)]

    result = max(permutations(np.flatnonzero(allowed).tolist(), HORIZON), key=lambda s: sum(gains(s)))
    return list(result), gains(result)


@pytest.mark.parametrize("seed", range(5))
def test_enough_beams_find_the_best_sequence(seed: int) -> None:
    allowed = np.ones((2, N_ITEMS), bool)
    allowed[0, 0] = allowed[1, [1, 3]] = False
    items, scores = searched(chain(seed), [0, 3], allowed, beams=60)
    for row, last in enumerate((0, 3)):
        expected, gains = best(chain(seed), last, allowed[row])
        assert items[row].tolist() == expected
        np.testing.assert_allclose(scores[row], gains, rtol=1e-5)


def test_one_beam_is_greedy() -> None:
    logits = np.zeros((N_ITEMS, N_ITEMS), np.float32)
    logits[0, 1], logits[1, 0], logits[1, 4] = 5.0, 9.0, 3.0
    items, _ = searched(logits, [0, 2], np.ones((2, N_ITEMS), bool), beams=1)
    # 1 follows 0, then 0 itself; of equal ones the first that has not been
    assert items.tolist() == [[1, 0, 2], [0, 1, 4]]


def test_a_sequence_ends_where_nothing_is_left() -> None:
    allowed = np.zeros((3, N_ITEMS), bool)
    allowed[0, [1, 2]] = allowed[2, :4] = True
    items, scores = searched(chain(0), [0, 1, 4], allowed, beams=3)
    assert sorted(items[0, :2].tolist()) == [1, 2]
    assert items[0, 2] == -1
    assert items[1].tolist() == [-1] * 3
    assert (np.isfinite(scores) == (items >= 0)).all()
    assert len(set(items[2].tolist())) == 3
