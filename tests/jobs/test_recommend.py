"""The table of lists: reasons in words, who chose what, and who may be recommended what, all visible by eye."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from jobs import recommend
from jobs.learning.arrays import Ids, ids
from jobs.learning.serving import Audience, audience, serving
from jobs.night import Night
from jobs.settings import Settings
from models.base import TrainingData
from models.classic.item_knn import ItemKNN
from models.classic.popularity import Popularity
from models.data import Catalogue
from models.histories import Histories, from_events
from tests.support.fakes import OFFERED, SEEN, fake_night

# Users 0 and 1 like a and b together, user 1 also c; user 2 has no events. d has none either, e may not be recommended.
USERS, ITEMS = ["anna", "bert", "cold"], ["a", "b", "c", "d", "e"]
KNOWN = Ids(pa.array(USERS), pa.array(ITEMS), np.arange(3))
ALLOWED = np.array([[True, True, True, True, False]])
TITLES = ["Film A", "Film B", "Film C", "Film D", ""]
GENRES: list[tuple[str, ...]] = [("x",), ("y",), ("x",), ("z",), ("z",)]
NOTHING = [""] * 5
CATALOGUE = Catalogue(NOTHING, NOTHING, GENRES, [()] * 5, NOTHING)
EVERYBODY = Audience(np.zeros(3, np.int64), np.zeros(3, np.int64), ALLOWED, [""])
Rows = list[dict[str, Any]]


@pytest.fixture
def histories() -> Histories:
    users, items = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])
    return from_events(users, items, np.ones(5, np.float32), None, n_users=3, n_items=5)


@pytest.fixture
def night(config: Settings) -> Night:
    return fake_night(config, 1)


def lists(night: Night, histories: Histories, champion: type, audience: Audience, **settings: Any) -> list[Rows]:
    """The rows of every user, with other settings of the domain."""
    night.__dict__["domain"] = replace(night.domain, **({"diversity_lambda": 1.0} | settings))
    serving_of = serving(night, audience, histories, CATALOGUE)
    names = recommend.Names(KNOWN, TITLES, audience.labels)
    model = champion().fit(TrainingData(histories, CATALOGUE))
    work = recommend.Work(model, serving_of, histories, names, [np.arange(3)])
    rows = recommend.lists(night, work, 0).to_pylist()
    return [[row for row in rows if row["user_id"] == user] for user in USERS]


def test_the_champion_comes_first_then_like_content_then_popular_items(night: Night, histories: Histories) -> None:
    anna, bert, cold = lists(night, histories, ItemKNN, EVERYBODY)
    # c is known to item-kNN; d is like nothing that anna has
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


def test_reasons_are_items_of_the_history_in_words(night: Night, histories: Histories) -> None:
    anna, _, cold = lists(night, histories, ItemKNN, EVERYBODY)
    # c is as near to a as to b; b is the newer one
    assert (anna[0]["because_item_id"], anna[0]["because"]) == ("b", "because you watched Film B")
    assert [(row["because_item_id"], row["because"]) for row in cold] == [(None, "popular now")] * 3 + [(None, "new")]
    assert (anna[1]["because_item_id"], anna[1]["because"]) == (None, "new")


def test_what_the_champion_cannot_tell_is_told_by_content(night: Night) -> None:
    """anna alone has a, so that item-kNN knows nothing like it; c is of its genre."""
    alone = from_events(np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), None, 3, 5)
    anna, bert, _ = lists(night, alone, ItemKNN, EVERYBODY)
    assert [(row["item_id"], row["model"], row["because_item_id"]) for row in anna] == [
        ("c", "content_knn", "a"),
        ("b", "popularity", None),
        ("d", "popularity", None),
    ]
    assert anna[0]["because"] == "because you watched Film A"
    assert [row["model"] for row in bert] == ["popularity"] * 3


def test_a_cold_user_gets_what_is_popular_among_the_like(night: Night) -> None:
    """Students have c, all others a: 200 events each way, against the prior of 100."""
    items = np.repeat([0, 2], 200)
    many = from_events(np.repeat([0, 1], 200), items, np.ones(400, np.float32), None, 3, 5)
    members = Audience(np.zeros(3, np.int64), np.array([0, 1, 1]), ALLOWED, ["", "students"])
    _, bert, cold = lists(night, many, Popularity, members)
    assert [row["item_id"] for row in cold] == ["c", "a", "b", "d"]
    assert [row["because"] for row in cold] == ["popular with students", "popular with students", "new", "new"]
    assert [row["because"] for row in bert] == ["popular now", "new", "new"]


def test_new_items_take_the_last_places(night: Night, histories: Histories) -> None:
    """Nobody has d; anna and bert are short of others, and get it all the same."""
    anna, bert, cold = lists(night, histories, ItemKNN, EVERYBODY, top_k=3, exploration_slots=1)
    assert [(row["item_id"], row["model"], row["because"]) for row in cold] == [
        ("a", "popularity", "popular now"),
        ("b", "popularity", "popular now"),
        ("d", "exploration", "new"),
    ]
    for user in (anna, bert):
        assert (user[-1]["item_id"], user[-1]["model"], user[-1]["because"]) == ("d", "popularity", "new")
    assert {row["because_item_id"] for row in [anna[-1], *bert, *cold]} == {None}


def test_lists_vary_where_the_domain_says_so(night: Night) -> None:
    """a and c are of one genre and the most popular, b is of another."""
    events = np.repeat([0, 2, 1], [9, 8, 7])
    taken = from_events(np.zeros(24, np.int64), events, np.ones(24, np.float32), None, 3, 5)
    assert [row["item_id"] for row in lists(night, taken, Popularity, EVERYBODY, top_k=3)[2]] == ["a", "c", "b"]
    varied = lists(night, taken, Popularity, EVERYBODY, top_k=3, diversity_lambda=0.3)[2]
    assert [row["item_id"] for row in varied] == ["a", "b", "d"]
    scores = [row["score"] for row in varied]
    assert scores == sorted(scores, reverse=True)


def test_users_are_offered_what_they_may_see(config: Settings) -> None:
    def spoil(rows: dict[str, Rows]) -> None:
        first, second, third, fourth, fifth = rows["items"]
        first["released"] = date(2026, 11, 20)  # the night's own day
        second["released"] = date(2026, 11, 21)
        third["available"] = False
        fourth["age_rating"] = "PG-13"
        fifth["regions"] = ["FR"]
        for user, (age, country) in zip(rows["users"], [(12, "FR"), (13, "DE"), (None, None), (13, "DE")], strict=True):
            user |= {"age": age, "country": country}

    night = fake_night(config, 1, ds="2026-11-20", broken=spoil)
    known = ids(night)
    members = audience(night, known)
    assert members.allowed.shape == (3, 5)  # users 2 and 4 may see the same
    users, items = known.users.to_pylist(), known.items.to_pylist()
    eligible = {
        user: {items[i] for i in np.flatnonzero(members.allowed[members.group[n]])} for n, user in enumerate(users)
    }
    first, fourth, fifth = SEEN[0], OFFERED[1], OFFERED[2]
    assert eligible == {
        "u1": {first, fifth},
        "ü'2": {first, fourth},
        '日"3': {first},  # of unknown age and country
        "[u4]": {first, fourth},
    }


def test_users_alike_are_a_segment_where_they_are_enough(config: Settings) -> None:
    users = [f"user{n:03}" for n in range(120)]

    def spoil(rows: dict[str, Rows]) -> None:
        for n, user in enumerate(rows["users"]):
            user |= {"age": None}
            if n < 60:
                user |= {"segment": "students", "age": 20 + n % 10}
            elif n < 109:  # one too few
                user |= {"country": "FR"}

    night = fake_night(config, 1, users=users, broken=spoil)
    members = audience(night, known := ids(night))
    assert members.labels == ["", "students, ages 20 to 29"]
    result = dict(zip(known.users.to_pylist(), members.segment.tolist(), strict=True))
    assert [result[user] for user in users] == [1] * 60 + [0] * 60


def test_files_are_in_the_order_of_the_ids() -> None:
    known = Ids(pa.array(["b", "ä", "a", "late", "c"]), pa.array(["x"]), np.array([0, 1, 2, 4]))
    assert [users.tolist() for users in recommend.files(known, 3)] == [[2, 0, 4], [1]]


def test_a_reason_is_an_item_or_says_popular_or_new(night: Night, histories: Histories) -> None:
    rows = [row for user in lists(night, histories, ItemKNN, EVERYBODY, exploration_slots=2) for row in user]
    assert {row["because"] for row in rows if row["because_item_id"] is None} <= {"popular now", "new"}
    own = {USERS[u]: {ITEMS[i] for i in sp.csr_array(histories.matrix())[[u]].indices} for u in range(3)}
    for row in rows:
        assert row["because_item_id"] is None or row["because_item_id"] in own[row["user_id"]]
