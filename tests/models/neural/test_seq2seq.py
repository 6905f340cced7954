"""The encoder–decoder keeps the contract, and continues a made-up sequence."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from models.base import TrainingData
from models.layers.devices import on_gpu, on_jax
from models.neural.seq2seq import Seq2Seq, Seq2SeqConfig, windows
from models.training import loop
from tests.support.contract import RecommenderContract, assert_lists
from tests.support.examples import N_ITEMS, N_USERS, SILENT, example, histories_of

ROUND = 12


class TestSeq2Seq(RecommenderContract):
    model = Seq2Seq
    settings: ClassVar[dict[str, Any]] = {
        "dim": 4, "units": 8, "length": 6, "horizon": 3, "windows": 2, "batch": 8, "epochs": 1,
    }  # fmt: skip
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("dim", 0),
        ("units", 0),
        ("length", 0),
        ("horizon", 0),
        ("beams", 0),
        ("dropout", -0.1),
        ("windows", 0),
        ("batch", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", float("nan")),
    )

    @pytest.mark.skipif(on_jax() or on_gpu(), reason="XLA compiles everything there")
    def test_a_long_training_on_a_cpu_goes_without_xla(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(loop, "COMPILED_EXAMPLES", 0)
        caplog.set_level("INFO")
        Seq2Seq(Seq2SeqConfig(**self.settings)).fit(TrainingData(example(), seed=0))
        assert "without XLA" in caplog.text

    def test_continuations_keep_to_what_is_allowed(self) -> None:
        histories, eligible = example(), np.ones((2, N_ITEMS), bool)
        eligible[0, 3] = eligible[1, 5:] = False
        groups = np.arange(N_USERS) % 2
        model = self.fitted
        assert isinstance(model, Seq2Seq)
        result = model.continue_histories(histories, eligible, groups)
        assert result.items.shape == result.scores.shape == (N_USERS, 3)
        assert (result.items[SILENT] == -1).all()
        for user, items in enumerate(result.items):
            own = histories.items[histories.indptr[user] : histories.indptr[user + 1]]
            real = items[items >= 0].tolist()
            assert len(set(real)) == len(real)
            assert not set(real) & set(own.tolist())
            assert eligible[groups[user], real].all()
        assert (np.isfinite(result.scores) == (result.items >= 0)).all()
        assert (result.scores <= 0).all()
        alone = model.continue_histories(histories.take(np.array([5])), eligible[1])
        np.testing.assert_array_equal(alone.items[0], result.items[5])

    def test_a_saved_model_continues_the_same(self, tmp_path: Path) -> None:
        model = self.fitted
        assert isinstance(model, Seq2Seq)
        model.save(tmp_path)
        result, expected = Seq2Seq.load(tmp_path).continue_histories(example()), model.continue_histories(example())
        np.testing.assert_array_equal(result.items, expected.items)
        np.testing.assert_allclose(result.scores, expected.scores, atol=1e-5)


@pytest.mark.slow
def test_it_continues_a_round() -> None:
    """Everyone goes round the items in order, from a place of their own."""
    random = np.random.default_rng(0)
    starts = random.integers(0, ROUND, 200)
    histories = histories_of(*(((start + np.arange(9)) % ROUND).tolist() for start in starts), n_items=ROUND)
    config = Seq2SeqConfig(
        dim=16, units=32, length=5, horizon=4, windows=4, batch=32, epochs=10, learning_rate=1e-2, dropout=0.0
    )
    model = Seq2Seq(config).fit(TrainingData(histories))
    asked = histories_of([3, 4], [7, 8, 9], [0], n_items=ROUND)
    result = model.continue_histories(asked)
    assert result.items.tolist() == [[5, 6, 7, 8], [10, 11, 0, 1], [1, 2, 3, 4]]
    assert (result.scores[:2] > np.log(0.5)).all()
    assert_lists(model.recommend(asked, 1), 3, 1)
    assert model.recommend(asked, 1).items.ravel().tolist() == [5, 10, 1]


def test_windows_are_cut_where_asked() -> None:
    histories = histories_of([5, 6, 7, 8], [], [4], n_items=9)
    users, cuts = np.array([0, 0, 1, 2]), np.array([1, 4, 4, 5])
    assert windows(histories, users, cuts, 3, 2).tolist() == [
        [-1, -1, 5, 6, 7],
        [6, 7, 8, -1, -1],
        [-1, -1, -1, -1, -1],
        [-1, -1, 4, -1, -1],
    ]
