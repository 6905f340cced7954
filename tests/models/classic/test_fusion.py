"""Rank fusion's parts against their definitions, by eye."""

import numpy as np

from models.classic.fusion import align_lists, ascend


def test_lists_are_aligned_by_item() -> None:
    items, shares = align_lists([np.array([[3, 1], [-1, -1]]), np.array([[1, 5], [2, -1]])], constant=1.0)
    assert items.tolist() == [[1, 3, 5], [2, -1, -1]]
    np.testing.assert_allclose(shares[0], [[1 / 3, 1 / 2, 0], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(shares[1], [[1 / 2, 0, 1 / 3], [1 / 2, 0, 0]], rtol=1e-6)


def test_the_ascent_finds_the_best_steps() -> None:
    weights, value = ascend(3, lambda w: np.full(9, -float(np.abs(w - [0.5, 2.0, 0.0]).sum())))
    assert (weights.tolist(), value) == ([0.5, 2.0, 0.0], 0.0)


def test_a_gain_within_chance_adds_no_member() -> None:
    """The second member gives one user of ten 0.2 more and takes 0.1 from another: 0.01 ± 0.02 on average."""
    change = np.array([0.2, -0.1, *[0] * 8])
    assert ascend(2, lambda w: 0.5 * w[0] + change * (w[1] > 0))[0].tolist() == [4.0, 0.0]
