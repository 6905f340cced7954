"""Two towers keep the contract, and find new items by what is known of them."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from models.base import TrainingData
from models.data import Catalogue
from models.features.posters import HEIGHT, WIDTH, pictures
from models.features.text import FIRST
from models.layers.towers import NO_ITEM, Towers
from models.neural.two_tower import TwoTower, TwoTowerConfig, descriptions_of, draw_positions, facts_of, items_before
from models.training import loop
from tests.support.contract import RecommenderContract
from tests.support.examples import histories_of

pytestmark = pytest.mark.slow

COLOURS = ((200, 20, 20), (20, 20, 200))
N_ITEMS, OF_A_KIND = 24, 12  # items 0 … 11 are of the first kind; the last two of each have no events
NEW = np.array([10, 11, 22, 23])


class TestTwoTower(RecommenderContract):
    model = TwoTower
    settings: ClassVar[dict[str, Any]] = {"dim": 4, "length": 6, "text": 4, "targets": 4, "batch": 16, "epochs": 1}
    tolerance = 1e-5
    out_of_range: ClassVar[tuple[tuple[str, Any], ...]] = (
        ("dim", 0),
        ("length", 0),
        ("words", -1),
        ("facts", 0),
        ("text", 0),
        ("id_dropout", 1.1),
        ("content_dropout", 1.0),
        ("dropout", -0.1),
        ("targets", 0),
        ("batch", 0),
        ("epochs", 0),
        ("patience", 0),
        ("learning_rate", float("nan")),
    )


def kinds() -> np.ndarray:
    return np.arange(N_ITEMS) // OF_A_KIND


def catalogue(folder: Path, *, texts: bool, posters: bool) -> Catalogue:
    """Words, or the colour of the poster, tell the kind of an item."""
    addresses = []
    for row, kind in enumerate(kinds()):
        file = folder / f"{row}.png"
        if posters:
            Image.new("RGB", (64, 96), COLOURS[kind]).save(file)
        addresses.append(str(file) if posters else "")
    words = [("calm", "rain") if kind else ("loud", "fire") for kind in kinds()]
    return Catalogue(
        [f"{word[row % 2]} {row}" if texts else "" for row, word in enumerate(words)],
        [word[1] if texts else "" for word in words],
        [()] * N_ITEMS,
        [()] * N_ITEMS,
        addresses,
    )


@pytest.mark.parametrize("column", ["texts", "posters"])
def test_content_alone_places_a_new_item(column: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    warm = np.setdiff1d(np.arange(N_ITEMS), NEW).reshape(2, -1)
    histories = histories_of(*(random.permutation(warm[user % 2]).tolist() for user in range(60)), n_items=N_ITEMS)
    config = TwoTowerConfig(dim=8, length=10, text=8, targets=10, batch=64, epochs=12, learning_rate=2e-2, dropout=0.0)
    items = catalogue(tmp_path, texts=column == "texts", posters=column == "posters")
    model = TwoTower(config).fit(TrainingData(histories, items))
    asked = histories.take(np.array([0, 1]))
    top = model.recommend(asked, 2, eligible=np.isin(np.arange(N_ITEMS), NEW))
    assert np.sort(top.items, axis=1).tolist() == [[10, 11], [22, 23]]
    assert np.isfinite(model.item_vectors()).all()
    model.save(tmp_path / "saved")
    np.testing.assert_array_equal(
        TwoTower.load(tmp_path / "saved").recommend(asked, 4).items, model.recommend(asked, 4).items
    )


def test_an_item_of_which_nothing_is_known_is_not_scored(tmp_path: Path) -> None:
    histories = histories_of([0, 1], [1, 0], n_items=4)
    items = Catalogue(["", "", "told", ""], [""] * 4, [()] * 4, [()] * 4, [""] * 4)
    model = TwoTower(TwoTowerConfig(dim=4, epochs=1)).fit(TrainingData(histories, items))
    assert np.isnan(model.item_vectors()).all(axis=1).tolist() == [False, False, True, True]  # a word that occurs once
    items = Catalogue(["", "", "told told", ""], [""] * 4, [()] * 4, [()] * 4, [""] * 4)
    model = TwoTower(TwoTowerConfig(dim=4, epochs=1)).fit(TrainingData(histories, items))
    assert np.isnan(model.item_vectors()).all(axis=1).tolist() == [False, False, False, True]


def test_posters_that_cannot_be_read_count_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.new("L", (10, 30), 90).save(tmp_path / "grey.jpg")
    Image.new("RGBA", (10, 30), (9, 90, 200, 255)).save(tmp_path / "clear.png")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "grey.jpg").read_bytes()[:200])
    (tmp_path / "text.jpg").write_text("no picture")
    names = ("grey.jpg", "clear.png", "broken.jpg", "text.jpg", "missing.jpg")
    result, there = pictures(["", *(str(tmp_path / name) for name in names), f"file://{tmp_path}/clear.png"])
    assert result.shape == (7, HEIGHT, WIDTH, 3)
    assert there.tolist() == [False, True, True, False, False, False, True]
    assert (result[~there] == 0).all()
    np.testing.assert_allclose(result[1], 90, atol=2)
    assert (result[2] == (9, 90, 200)).all()
    np.testing.assert_array_equal(result[2], result[6])
    assert "3 of 7 posters cannot be read" in caplog.text


def test_items_without_text_or_poster_and_with_a_corrupt_one_are_learned(tmp_path: Path) -> None:
    """A corrupt poster is as none; the others are seen."""
    Image.new("RGB", (40, 60), COLOURS[0]).save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    histories = histories_of([0, 1, 2], [2, 1, 0], n_items=4)
    vectors = []
    for poster in (str(tmp_path / "broken.png"), ""):
        posters = [str(tmp_path / "good.png"), poster, "", ""]
        items = Catalogue(["", "told told", "", ""], [""] * 4, [()] * 4, [()] * 4, posters)
        vectors.append(TwoTower(TwoTowerConfig(dim=4, epochs=1)).fit(TrainingData(histories, items)).item_vectors())
    np.testing.assert_array_equal(*vectors)
    assert np.isnan(vectors[0]).all(axis=1).tolist() == [False, False, False, True]


def test_words_keep_what_was_learned_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of last night have other numbers tonight."""
    monkeypatch.setattr(loop, "KEPT", 1.0)
    histories = histories_of([0, 1], [1, 0], n_items=2)

    def described(*titles: str) -> TrainingData:
        return TrainingData(histories, Catalogue(list(titles), [""] * 2, [()] * 2, [()] * 2, [""] * 2))

    model = TwoTower(TwoTowerConfig(dim=4, epochs=1, learning_rate=1e-7, dropout=0.0))
    first = model.fit(described("rain rain rain fire fire", "rain"))
    then = dict(zip(first.tokeniser.words, np.array(first.network.words)[FIRST:], strict=True))
    second = TwoTower(model.config).fit(replace(described("snow snow fire fire fire", "fire rain rain"), start=first))
    now = dict(zip(second.tokeniser.words, np.array(second.network.words)[FIRST:], strict=True))
    assert (first.tokeniser.words, second.tokeniser.words) == (("t:rain", "t:fire"), ("t:fire", "t:rain", "t:snow"))
    assert second.trained.warm == 1
    for word in then:
        np.testing.assert_allclose(now[word], then[word], atol=1e-5)


def towers(**settings: Any) -> Towers:
    """Untrained, of 5 items and 10 words."""
    network = Towers(5, 10, False, asdict(TwoTowerConfig(dim=3, length=4, dropout=0.0, **settings)))
    network.build((None, 4))
    return network


def test_before_training_a_history_counts_by_hyperbolic_weights() -> None:
    network = towers()
    network.user_outer.kernel.assign(np.zeros((6, 3)))  # q = x
    taken = np.array(network.taken)
    weights = np.array([1, 2 / 3, 1 / 2])  # 1 / (1 + t / 2)
    expected = weights @ taken[[4, 0, 2]] / weights.sum()
    np.testing.assert_allclose(np.array(network(np.array([[4, 0, 2, NO_ITEM]])))[0], [*expected, 1], rtol=1e-5)


def test_in_training_a_description_is_left_out_whole_and_facts_are_kept() -> None:
    network = towers(content_dropout=0.5)
    n, ids, pictures = 200, np.full(200, NO_ITEM), np.zeros((200, 48, 32, 3), np.uint8)
    facts, words = np.tile([2, 3, 0], (n, 1)), np.tile([4, 5, 6, 0], (n, 1))
    result = np.unique(np.array(network.items(ids, facts, words, pictures, training=True)), axis=0)
    untold = np.array(network.items(ids, facts, np.zeros_like(words), pictures))[0]
    assert len(result) == 2  # with the description, and without
    assert np.isclose(result, untold, atol=1e-6).all(axis=1).sum() == 1


def test_a_description_is_read_apart_from_the_other_words() -> None:
    items = Catalogue(["Calm Rain"], ["Calm rain falls."], [("Drama",)], [("quiet",)], [""])
    assert facts_of(items) == [["t:calm", "t:rain", "g:drama", "#:quiet"]]
    assert descriptions_of(items) == [["d:calm", "d:rain", "d:falls"]]


def test_a_target_is_predicted_from_what_came_before() -> None:
    histories = histories_of([5, 6, 7, 8], [], [4], n_items=9)
    assert items_before(histories, np.array([0, 0, 0]), np.array([1, 3, 4]), 3).tolist() == [
        [5, -1, -1],
        [7, 6, 5],
        [8, 7, 6],
    ]
    assert items_before(histories, np.array([1, 2]), np.array([4, 5]), 2).tolist() == [[-1, -1], [4, -1]]
    random = np.random.default_rng(0)
    assert draw_positions(histories, 9, random).tolist() == [1, 2, 3]
    some = [tuple(draw_positions(histories, 2, random)) for _ in range(200)]
    assert set(some) == {(1, 2), (1, 3), (2, 3)}
