"""NCF keeps the contract, is its equation, and finds who belongs together."""

from typing import Any, ClassVar

import numpy as np
from keras import ops

from models.base import TrainingData
from models.neural.ncf import NCF, NCFConfig, NCFLoss
from tests.support.contract import RecommenderContract
from tests.support.examples import example, histories_of


class TestNCF(RecommenderContract):
    model = NCF
    settings: ClassVar[dict[str, Any]] = {"dim": 4, "units": 8, "length": 6, "batch_users": 8, "epochs": 1}
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("dim", 0),
        ("units", 1),
        ("length", 1),
        ("positives", 0),
        ("negatives", 0),
        ("batch_users", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", 2.0),
    )


def test_scores_and_loss_are_the_equations() -> None:
    config = NCFConfig(dim=3, units=4, length=5, positives=2, negatives=2, batch_users=3)
    model = NCF(config).fit(TrainingData(example()))
    network = model.network
    weights = {
        layer: getattr(network, layer).get_weights() for layer in ("of_user", "of_item", "second", "last", "product")
    }
    items, taken = np.array(network.table), np.array(network.taken)

    def logit(history: list[int], item: int) -> float:
        p = taken[history].sum(axis=0) / max(len(history), 1) ** 0.5
        (a,), (b, bias), (c, c_bias), (v, v_bias), (w,) = weights.values()
        first = np.maximum(p @ a + items[item] @ b + bias, 0)
        return float(np.maximum(first @ c + c_bias, 0) @ v[:, 0] + v_bias[0] + (p * items[item]) @ w[:, 0])

    histories = example(seed=1)
    scores = model.score(histories)
    for user in (0, 1, 2):
        own = histories.items[histories.indptr[user] : histories.indptr[user + 1]].tolist()[-5:]
        for item in (0, 5, 9):
            np.testing.assert_allclose(scores[user, item], logit(own, item), atol=1e-5)

    batch = np.array([[4, 7, 1, -1, -1, 7, 2, 3, 4, 0, 0]], np.int32)  # history 4, 7, 1; positives 7 and 4
    pairs = [([4, 1], 7, 1), ([4, 1], 2, 0), ([4, 1], 3, 0), ([7, 1], 4, 1), ([7, 1], 0, 0), ([7, 1], 0, 0)]
    chances = [(1 / (1 + np.exp(-logit(history, item))), label) for history, item, label in pairs]
    expected = -np.mean([np.log(chance if label else 1 - chance) for chance, label in chances])
    np.testing.assert_allclose(ops.convert_to_numpy(NCFLoss(network)(batch)), expected, rtol=1e-5)


def test_two_tastes_are_told_apart() -> None:
    random = np.random.default_rng(0)
    lists = [(random.permutation(6)[:4] + 6 * (user % 2)).tolist() for user in range(60)]
    model = NCF(NCFConfig(dim=8, units=16, length=6, batch_users=8, epochs=20)).fit(
        TrainingData(histories_of(*lists, n_items=12))
    )
    top = model.recommend(histories_of([0, 1], [6, 7], n_items=12), 4)
    assert {*top.items[0].tolist()} == {2, 3, 4, 5}
    assert {*top.items[1].tolist()} == {8, 9, 10, 11}
