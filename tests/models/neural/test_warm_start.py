"""Beginning with the weights of an earlier training: which rows go where, what new items begin with, what is kept."""

from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.base import TrainingData
from models.data import Catalogue
from models.neural.ncf import NCF, NCFConfig
from models.neural.sasrec import SASRec
from models.neural.warm_start import NEAREST, carry_rows, place_new_items, relatives
from models.training.steps import Steps
from tests.support.examples import N_ITEMS, example, histories_of, silent
from tests.support.networks import ANYBODY, CONFIG, assert_weights, set_validation


def catalogue(*titles: str) -> Catalogue:
    n = len(titles)
    return Catalogue(list(titles), [""] * n, [()] * n, [()] * n, [""] * n)


@cache
def trained() -> SASRec:
    return SASRec(CONFIG).fit(TrainingData(example()))


def first(epochs: int = CONFIG.epochs) -> SASRec:
    """A training that others begin with, by whose setting they take their epochs; they leave it as it is."""
    model = copy(trained())
    model.config = replace(CONFIG, epochs=epochs)
    return model


def test_rows_are_carried_to_their_places() -> None:
    fresh, before = np.zeros((4, 2), np.float32), np.array([[1, 2], [3, 4]], np.float32)
    result = carry_rows(fresh, before, np.array([1, -1, 0, -1]))
    assert result.tolist() == [[3, 4], [0, 0], [1, 2], [0, 0]]
    assert not fresh.any()


def test_relatives_share_words_and_are_known() -> None:
    items = catalogue("red car", "red", "blue", "red car", "green", "blue sky", "red car")
    known = np.array([True, True, True, False, True, True, True])
    near = relatives(items, np.array([3, 4]), known)
    assert near.shape == (2, NEAREST)
    assert near[0].tolist() == [0, 6, 1, *[-1] * (NEAREST - 3)]
    assert near[1].tolist() == [4, *[-1] * (NEAREST - 1)], "itself, if it is known"
    assert (relatives(items, np.array([3]), np.zeros(7, bool)) == -1).all()
    assert (relatives(catalogue(*[""] * 7), np.array([3]), known) == -1).all()


def test_new_items_are_placed_in_the_middle_of_their_relatives() -> None:
    weights = np.array([[1, 0], [3, 8], [5, 5], [9, 9]], np.float32)
    result = place_new_items(weights, np.array([2, 3]), np.array([[0, 1, -1], [-1, -1, -1]]))
    assert result.tolist() == [[1, 0], [3, 8], [2, 4], [9, 9]]


@pytest.mark.parametrize("model", [SASRec(CONFIG), NCF(NCFConfig(dim=4, units=4, length=6, epochs=2))])
def test_what_a_training_begins_with(model: SASRec | NCF) -> None:
    """Two items were unknown, and a third comes; of these the last two have events, and one of them a relative."""
    before = model.fit(TrainingData(example()))
    titles = catalogue(*(f"w{item}" for item in range(N_ITEMS)), "w0 w1")
    later = histories_of([N_ITEMS - 1], [N_ITEMS], n_items=N_ITEMS + 1)  # nothing to learn: what it begins with shows
    after = type(model)(model.config).fit(TrainingData(later, titles, start=before))
    assert after.trained.warm == 1
    for old, new in zip(before.network.weights, after.network.weights, strict=True):
        old_values, new_values = np.array(old), np.array(new)
        if len(new_values) == N_ITEMS + 1:
            np.testing.assert_allclose(new_values[N_ITEMS], old_values[:2].mean(axis=0), rtol=1e-6)
            new_values = new_values[:N_ITEMS]
        np.testing.assert_array_equal(new_values, old_values)


def test_it_learns_from_a_mixture_with_new_weights() -> None:
    still = replace(CONFIG, learning_rate=1e-7)
    result = SASRec(still).fit(TrainingData(example(), start=first()))
    keras.utils.set_random_seed(0)
    weights = (model.get_weights() for model in (result.network, first().network, SASRec(CONFIG).network_of(N_ITEMS)))
    for ours, earlier, fresh in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, 0.8 * earlier + 0.2 * fresh, atol=1e-5)


def test_the_learning_rate_begins_high_and_falls_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    learn = Steps.learn

    def watched(self: Steps, batches: Any, some: list[float], first: int) -> Any:
        rates.extend(some)
        return learn(self, batches, some, first)

    before = first(epochs=10)
    monkeypatch.setattr(Steps, "learn", watched)
    SASRec(before.config).fit(TrainingData(example(), start=before))
    seen = np.cumsum([n for _, n in SASRec(CONFIG).training_batches(example(), np.random.default_rng((0, 0)))])
    once = np.concatenate([[0], seen[:-1]]) / seen[-1]
    np.testing.assert_allclose(rates[: len(once)], 4 * CONFIG.learning_rate * (1 - once / 2), rtol=1e-5)
    assert rates[len(once)] == pytest.approx(2 * CONFIG.learning_rate)
    assert 0 < rates[-1] < 0.4 * CONFIG.learning_rate


@pytest.mark.slow
def test_it_is_shorter_and_the_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = first(epochs=10)
    seen = set_validation(monkeypatch, [0.1, 0.3, 0.2])
    result = SASRec(before.config).fit(TrainingData(example(), validation=ANYBODY, start=before))
    assert len(seen) == 3, "what it begins with, and two epochs"
    assert_weights(seen[0], before.network.get_weights())
    assert_weights(result.network.get_weights(), seen[1])
    assert result.config == before.config
    assert (result.trained.epochs, result.trained.ndcg, result.trained.warm) == (1, 0.3, 1)
    third = SASRec(before.config).fit(TrainingData(example(), start=result))
    assert (third.trained.epochs, third.trained.warm) == (2, 2)


@pytest.mark.parametrize(("epochs", "warm"), [(1, 1), (2, 2), (5, 2), (20, 3)])
def test_it_takes_a_share_of_the_epochs_and_two_at_least(
    epochs: int, warm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(SASRec, "_learn", lambda self, data, epochs, *rest: asked.append(epochs))
    SASRec(CONFIG).fit(TrainingData(example(), start=first(epochs)))
    assert asked == [warm]


def test_weights_that_do_not_get_better_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    before = first(epochs=10)
    set_validation(monkeypatch, [0.3, 0.3, 0.2])
    result = SASRec(before.config).fit(TrainingData(example(), validation=ANYBODY, start=before))
    assert_weights(result.network.get_weights(), before.network.get_weights())
    assert (result.trained.epochs, result.trained.ndcg) == (0, 0.3)


@pytest.mark.slow
def test_an_interruption_does_not_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = first(epochs=20)
    data = TrainingData(example(), validation=ANYBODY, start=before)
    set_validation(monkeypatch, [0.3, 0.1, 0.4, 0.2])
    whole = SASRec(before.config).fit(data)
    set_validation(monkeypatch, [0.3, 0.1, KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        SASRec(before.config).fit(replace(data, workspace=tmp_path))
    seen = set_validation(monkeypatch, [0.4, 0.2])
    again = SASRec(before.config).fit(replace(data, workspace=tmp_path))
    assert len(seen) == 2
    assert_weights(again.network.get_weights(), whole.network.get_weights())
    assert again.trained == whole.trained


@pytest.mark.slow
def test_another_network_is_not_begun_with(caplog: pytest.LogCaptureFixture) -> None:
    other = SASRec(replace(CONFIG, dim=8)).fit(TrainingData(silent(2, N_ITEMS)))
    for start, message in ((other, "sasrec trains from scratch"), (NCF(), "")):
        caplog.clear()
        result = SASRec(CONFIG).fit(TrainingData(example(), start=start))
        assert result.trained.warm == 0
        assert message in caplog.text
        assert_weights(result.network.get_weights(), first().network.get_weights())


@pytest.mark.slow
def test_going_on_places_new_items_too() -> None:
    model = SASRec(CONFIG).fit(TrainingData(example()))
    before = np.array(model.network.table)
    titles = catalogue(*(f"w{item}" for item in range(N_ITEMS)), "w0 w1")
    model.refit(TrainingData(histories_of([N_ITEMS], n_items=N_ITEMS + 1), titles))
    np.testing.assert_allclose(np.array(model.network.table)[N_ITEMS], before[:2].mean(axis=0), rtol=1e-6)
