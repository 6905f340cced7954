"""Sentiment of made-up reviews in which negation turns a word round, so that single words cannot tell."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models.base import TrainingData
from models.classic.item_knn import ItemKNN
from models.neural.review_sentiment import ReviewSentiment, ReviewSentimentConfig
from tests.support.examples import example

pytestmark = pytest.mark.slow

QUICK = ReviewSentimentConfig(
    words=100,
    pairs=500,
    dim=8,
    units=8,
    length=70,
    dropout=0.1,
    batch=32,
    averaged_epochs=0.5,
    epochs=8,
    learning_rate=2e-2,
)


def reviews(n: int, seed: int) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """`the plot is not dull` praises. Praise and blame hold good, dull and `not` equally often."""
    random = np.random.default_rng(seed)
    positive, negated = random.random(n) < 0.5, random.random(n) < 0.5
    words = np.where(positive != negated, "good", "dull")
    things = random.choice(["plot", "cast", "sound"], n)
    rows = zip(things.tolist(), negated.tolist(), words.tolist(), strict=True)
    return [f"The {thing} is {'not ' if no else ''}{word}." for thing, no, word in rows], positive


@pytest.fixture(scope="module")
def model() -> ReviewSentiment:
    return ReviewSentiment(QUICK).fit(*reviews(600, 0))


def test_negation_is_understood(model: ReviewSentiment) -> None:
    texts, positive = reviews(200, 1)
    result = model.predict(texts)
    assert result.dtype == np.float32
    assert ((result >= 0) & (result <= 1)).all()
    assert ((result > 0.5) == positive).mean() > 0.98
    assert model.quality["validation_accuracy"] > 0.95
    assert model.config.epochs <= QUICK.epochs


def test_a_prediction_hangs_on_its_text_alone(model: ReviewSentiment) -> None:
    texts = ["the plot is good", "dull", "", "?! ...", "not good " * 60, "x y z"]
    result = model.predict(texts)
    assert np.isnan(result).tolist() == [False, False, True, False, False, False]
    for text, value in zip(texts, result, strict=True):
        np.testing.assert_allclose(model.predict([text])[0], value, atol=1e-6)
    assert len(model.predict([])) == 0


def test_a_saved_model_predicts_the_same(model: ReviewSentiment, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = ReviewSentiment.load(tmp_path)
    assert loaded.config == model.config
    texts, _ = reviews(50, 2)
    np.testing.assert_allclose(loaded.predict(texts), model.predict(texts), atol=1e-6)


def test_the_same_seed_gives_the_same_weights() -> None:
    quick = dataclasses.replace(QUICK, epochs=1)
    texts, positive = reviews(100, 3)
    first, second = (ReviewSentiment(quick).fit(texts, positive, seed=5).predict(texts) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_both_kinds_are_needed() -> None:
    with pytest.raises(ValueError, match="positive and negative reviews, got 2 of one kind"):
        ReviewSentiment(QUICK).fit(["good", "fine"], np.array([True, True]))


def test_the_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    ItemKNN().fit(TrainingData(example())).save(tmp_path)
    with pytest.raises(ValueError, match="holds the model 'item_knn', not 'review_sentiment'"):
        ReviewSentiment.load(tmp_path)


@pytest.mark.parametrize("field", dataclasses.fields(ReviewSentimentConfig), ids=lambda field: field.name)
def test_settings_out_of_range_are_refused(field: "dataclasses.Field[float]") -> None:
    with pytest.raises(ValueError, match=rf"^review_sentiment\.{field.name} must be between .*, got -1$"):
        ReviewSentimentConfig(**{field.name: -1})
