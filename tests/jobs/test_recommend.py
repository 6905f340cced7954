"""Lists, reasons and what is judged, on three users whose answer is visible by eye."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from jobs import evaluate, gate, recommend
from jobs.held_out import Ids, Split, ids
from jobs.settings import Settings
from jobs.storage.frames import read
from models.histories import Histories, from_events
from models.item_knn import ItemKNN
from models.popularity import Popularity
from schemas.tables import TABLES
from tests.jobs.fakes import fake_night

# Users 0 and 1 like a and b together, user 1 also c; user 2 has no events. d has none either, e may not be recommended.
USERS, ITEMS = ["anna", "bert", "cold"], ["a", "b", "c", "d", "e"]
KNOWN = Ids(pa.array(USERS), pa.array(ITEMS), np.arange(3))
MAY = np.array([True, True, True, True, False])
TITLES = np.array(["Film A", "Film B", "Film C", "Film D", "Film E"], object)


@pytest.fixture
def histories() -> Histories:
    users, items = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])
    return from_events(users, items, np.ones(5, np.float32), None, n_users=3, n_items=5)


def lists(config: Settings, histories: Histories) -> dict[str, list[dict[str, object]]]:
    night = fake_night(config, 1)
    models = ItemKNN().fit(histories), Popularity().fit(histories)
    table = recommend.lists(night, *models, histories, KNOWN.people, KNOWN, MAY, TITLES)
    found: dict[str, list[dict[str, object]]] = {user: [] for user in USERS}
    for row in table.to_pylist():
        found[row["user_id"]].append(row)
    return found


def test_the_own_model_comes_first_and_popular_items_fill_the_list(config: Settings, histories: Histories) -> None:
    anna, bert, cold = lists(config, histories).values()
    assert [(row["rank"], row["item_id"], row["model"]) for row in anna] == [
        (1, "c", "item_knn"),
        (2, "d", "popularity"),
    ]
    assert [(row["item_id"], row["model"]) for row in bert] == [("d", "popularity")]
    # a and b were taken twice, c once, d never
    assert [(row["item_id"], row["model"]) for row in cold] == [(item, "popularity") for item in "abcd"]
    for user in (anna, bert, cold):
        scores = [row["score"] for row in user]
        assert scores == sorted(scores, reverse=True)


def test_reasons_are_items_of_the_history_in_words(config: Settings, histories: Histories) -> None:
    anna, _, cold = lists(config, histories).values()
    # c is as near to a as to b; b is the newer one
    assert (anna[0]["because_item_id"], anna[0]["because"]) == ("b", "because you watched Film B")
    assert {(row["because_item_id"], row["because"]) for row in [anna[1], *cold]} == {(None, "popular now")}


def test_what_is_judged_is_what_is_served(config: Settings, histories: Histories) -> None:
    relevant = from_events(np.array([0, 2]), np.array([3, 0]), np.ones(2, np.float32), None, 3, 5).matrix()
    users = np.array([0, 2])
    parts = Split(histories, users, relevant[users])
    top = evaluate.served(ItemKNN().fit(histories), Popularity().fit(histories), parts, 2)
    assert top.items.tolist() == [[2, 3], [0, 1]]


@pytest.mark.parametrize(
    ("values", "champion"),
    [
        ({"popularity": 0.1, "item_knn": 0.2}, "item_knn"),
        ({"popularity": 0.2, "item_knn": 0.2}, "popularity"),
        ({"item_knn": 0.0}, "item_knn"),
        ({}, "popularity"),
    ],
)
def test_the_best_is_champion_and_of_equals_the_first(values: dict[str, float], champion: str) -> None:
    assert gate.choose(["popularity", "item_knn"], values) == champion


def test_only_available_and_released_items_are_offered(config: Settings) -> None:
    def spoil(rows: dict[str, list[dict[str, object]]]) -> None:
        first, second, third = rows["items"][:3]
        first["released"] = date(2026, 11, 20)  # the night's own day
        second["released"] = date(2026, 11, 21)
        third["available"] = False

    night = fake_night(config, 1, ds="2026-11-20", broken=spoil)
    known = ids(night)
    may, _ = recommend.offered(known, night)
    offered = dict(zip(known.items.to_pylist(), may.tolist(), strict=True))
    items = [row["item_id"] for row in read(night.tonight("items"), TABLES["items"].schema).to_pylist()]
    assert [offered[item] for item in items[:3]] == [True, False, False]
