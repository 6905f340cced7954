"""Validation by ranks is validation by lists."""

import numpy as np
import pytest
import scipy.sparse as sp

from models.base import TrainingData
from models.data import HeldOut
from models.evaluation.validation import mean_ndcg
from models.neural import dot_product, ncf, ranks
from models.neural.ncf import NCF, NCFConfig
from models.neural.ranks import Ranks, ndcg, pair_blocks
from models.neural.sasrec import SASRec, SASRecConfig
from models.neural.seq2seq import Seq2Seq, Seq2SeqConfig
from tests.support.examples import N_ITEMS, N_USERS, SILENT, example, histories_of


def held_out() -> HeldOut:
    """Two or three items of every user, some of which they had, and some that nobody had; one user has no history."""
    wanted = np.random.default_rng(1).random((N_USERS, N_ITEMS)) < 0.2
    wanted[:, N_ITEMS - 1] |= np.arange(N_USERS) % 7 == 0
    wanted[~wanted.any(axis=1), 0] = True
    assert wanted[SILENT].any()
    return HeldOut(np.arange(N_USERS), example(), sp.csr_array(wanted.astype(np.float32)))


def test_a_rank_counts_the_items_above_with_equal_scores_by_row() -> None:
    histories = histories_of([1], [0, 2], [3], n_items=6)
    relevant = sp.csr_array(np.array([[0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]], np.float32))
    learned = np.array([True, True, True, True, True, False])
    pairs = pair_blocks(HeldOut(np.arange(3), histories, relevant), learned, 3)
    assert pairs.users.tolist() == [0, 0, 1, 2], "nobody is asked for item 5, which was not learned"
    items = np.array([[2], [9], [2], [1], [2], [9]], np.float32)
    users = np.array([[1], [1], [-1]], np.float32)
    rank = Ranks()
    result = [
        np.asarray(
            rank.predict_on_batch({"users": own, "items": items, "learned": learned, "targets": target, "seen": seen})
        )
        for own, target, seen in zip(pairs.blocks(users), pairs.targets, pairs.seen, strict=True)
    ]
    # user 0 had 1: 0, 2, 4 | 3. user 1 had 0 and 2: 1, 4, 3. user 2 had 3, the lowest first: 0, 2, 4, 1.
    assert np.concatenate(result)[:4].tolist() == [1, 2, 2, 0]
    gains = [1 / np.log2(3) + 1 / np.log2(4), 1 / np.log2(4), 1.0]
    ideal = [1 + 1 / np.log2(3), 1.0, 1 + 1 / np.log2(3)]
    assert ndcg(result, pairs) == pytest.approx(np.mean(np.array(gains) / ideal))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(SASRec(SASRecConfig(dim=4, blocks=1, length=6, batch_rows=8, epochs=1)), marks=pytest.mark.slow),
        NCF(NCFConfig(dim=4, units=4, length=6, epochs=1)),
        pytest.param(Seq2Seq(Seq2SeqConfig(dim=4, units=4, length=6, epochs=1)), marks=pytest.mark.slow),
    ],
    ids=lambda model: model.name,
)
def test_it_is_the_ndcg_of_the_lists(model: SASRec | NCF | Seq2Seq, monkeypatch: pytest.MonkeyPatch) -> None:
    model.fit(TrainingData(example()))
    expected = mean_ndcg(model, held_out())
    assert 0 < expected < 1
    for module in (dot_product, ncf):
        monkeypatch.setattr(module, "on_gpu", lambda: True)
        monkeypatch.setattr(module, "CELLS", 100)  # several blocks
    monkeypatch.setattr("models.evaluation.validation.mean_ndcg", None)
    assert model.validator(held_out())() == pytest.approx(expected, abs=1e-6)
    assert ranks.PLACES == 10
