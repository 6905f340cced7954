"""SASRec keeps the contract, as it is and with all that can be added to it."""

from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from keras import ops

from models.base import TrainingData
from models.data import Catalogue
from models.histories import Histories
from models.neural.sasrec import SASRec, SASRecConfig
from tests.support.contract import RecommenderContract
from tests.support.examples import N_ITEMS, example, histories_of, silent

QUICK: dict[str, Any] = {"dim": 8, "blocks": 1, "length": 6, "batch_rows": 4, "epochs": 1}


class TestSASRec(RecommenderContract):
    model = SASRec
    settings: ClassVar[dict[str, Any]] = QUICK
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("dim", 0),
        ("blocks", 0),
        ("heads", 0),
        ("heads", 3),
        ("length", 0),
        ("block", "other"),
        ("relative_bias", 2),
        ("categories", -1),
        ("dropout", 1.0),
        ("batch_rows", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("full_softmax_items", -1),
        ("negatives", 0),
    )


def with_genres(histories: Histories, genres: list[tuple[str, ...]]) -> TrainingData:
    n, names = histories.n_items, [""] * histories.n_items
    assert len(genres) == n
    return TrainingData(histories, Catalogue(names, names, genres, [()] * n, names))


@pytest.mark.slow
class TestSASRecWithAllOptions(TestSASRec):
    settings: ClassVar[dict[str, Any]] = {
        **QUICK,
        "block": "ligr",
        "heads": 2,
        "relative_bias": True,
        "categories": 100,
        "full_softmax_items": 0,
        "negatives": 7,
    }

    @classmethod
    def data(cls, histories: Histories) -> TrainingData:
        return with_genres(
            histories, [("even", "all") if row % 2 == 0 else ("all",) for row in range(histories.n_items)]
        )


def test_an_item_has_the_mean_of_its_categories() -> None:
    genres = [("x",), ("y", "x"), (), *[("y",)] * (N_ITEMS - 3)]
    model = SASRec(SASRecConfig(**QUICK, categories=1000)).fit(with_genres(example(), genres))
    own, table = (ops.convert_to_numpy(part) for part in (model.network.own, model.network.table))
    added = table - own
    x, y = added[0], added[3]
    assert np.abs(x).min() > 1e-5  # they are learned, from 0
    np.testing.assert_allclose(added[1], (x + y) / 2, atol=1e-6)
    np.testing.assert_array_equal(added[2], 0)
    np.testing.assert_allclose(model.item_vectors()[:10], table[:10], atol=1e-6)


def test_a_new_item_begins_with_its_categories() -> None:
    genres: list[tuple[str, ...]] = [("x",), *[("y",)] * (N_ITEMS - 1)]
    model = SASRec(SASRecConfig(**QUICK, categories=1000)).fit(with_genres(example(), genres))
    before = ops.convert_to_numpy(model.network.table) - ops.convert_to_numpy(model.network.own)
    later = with_genres(silent(3, N_ITEMS + 2), [*genres, ("x", "y"), ("z",)])  # nothing to learn
    network = model.refit(later).network
    after = ops.convert_to_numpy(network.table) - ops.convert_to_numpy(network.own)
    np.testing.assert_allclose(after[:N_ITEMS], before, atol=1e-6)
    np.testing.assert_allclose(after[N_ITEMS], (before[0] + before[1]) / 2, atol=1e-6)
    np.testing.assert_array_equal(after[N_ITEMS + 1], 0)


@pytest.mark.parametrize("timed", [True, False])
def test_differences_in_time_are_learned_from_where_there_are_times(timed: bool) -> None:
    """The distances of every event to those before it, but the last, which is only a target."""
    seconds = [0, 5, 5000, 5001, 9_000_000]
    times = [second * 1_000_000 for second in seconds] if timed else None
    histories = histories_of([1, 2, 3, 4, 5], n_items=6, times=times)
    config = SASRecConfig(**{**QUICK, "relative_bias": True, "dropout": 0.0})
    (bias,) = SASRec(config).fit(TrainingData(histories)).network.biases
    moved = np.flatnonzero(ops.convert_to_numpy(bias.by_time)[:, 0])
    apart = {(late - early).bit_length() for late in seconds[:4] for early in seconds[:4] if early <= late}
    if timed:
        assert set(moved.tolist()) == apart
    assert np.flatnonzero(ops.convert_to_numpy(bias.by_place)[:, 0]).tolist() == [0, 1, 2, 3]


def test_the_network_of_a_large_catalogue_is_learned_in_rows() -> None:
    keras.utils.set_random_seed(0)
    small = SASRec(SASRecConfig(**QUICK, full_softmax_items=N_ITEMS))
    large = SASRec(SASRecConfig(**QUICK, full_softmax_items=N_ITEMS - 1))
    (rows, places), (batch, same) = (
        next(model.training_batches(example(), np.random.default_rng(0))) for model in (small, large)
    )
    assert places == same
    np.testing.assert_array_equal(batch["items"][batch["rows"][:, 0]][rows[:, 1] > 0], rows[:, 0][rows[:, 1] > 0])
