"""The nearest item of the own history, against dense cosines."""

import numpy as np

from models.kernels.nearest import nearest_in_history
from tests.support.examples import example, histories_of


def test_by_eye() -> None:
    """Items 0 and 1 point right, 2 up, 3 between them, 4 left, 5 nowhere."""
    vectors = np.array([[1, 0], [2, 0], [0, 3], [1, 1], [-1, 0], [0, 0]], np.float32)
    histories = histories_of([0, 2], [0, 1, 0], [], [4, 5], n_items=6)
    items = np.array([[1, 2, 3], [3, -1, 4], [0, 1, 2], [0, 5, 2]])
    assert nearest_in_history(histories, items, vectors).tolist() == [
        [0, 2, 2],  # 3 is as near to 0 as to 2, which came later
        [0, -1, -1],  # 0 came last; nothing in the history points left
        [-1, -1, -1],
        [-1, -1, -1],
    ]


def test_against_dense_cosines() -> None:
    random, histories = np.random.default_rng(0), example()
    vectors = random.normal(size=(histories.n_items, 5)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    items = random.integers(-1, histories.n_items, (histories.n_users, 7))
    result = nearest_in_history(histories, items, vectors)
    for user in range(histories.n_users):
        own = histories.items[histories.indptr[user] : histories.indptr[user + 1]]
        for item, reason in zip(items[user], result[user], strict=True):
            if item < 0 or not len(own) or cosine[item, own].max() <= 0:
                assert reason == -1
            else:
                assert reason == own[cosine[item, own].argmax()]
