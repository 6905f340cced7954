"""Facts merged over nights, and reviews matched to items."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.cleaning import catalogue
from schemas.inputs import ITEMS, USERS
from tests.support.deliveries.ledger import Ledger

ONE, TWO = "2000-01-01", "2000-01-02"


def facts(schema: pa.Schema, rows: list[dict[str, Any]], mode: str = "append", number: int = 1) -> pa.Table:
    """Facts in their order of arrival."""
    fields = [field for field in schema if field.name not in ("domain", "ds")]
    place = {"number": number, "batch": number, "mode": mode}
    full = [{"line": line, **place, **row} for line, row in enumerate(rows)]
    return pa.Table.from_pylist(full, pa.schema([*fields, *(pa.field(*column) for column in catalogue.PLACE)]))


def notes(rows: list[dict[str, Any]]) -> pa.Table:
    """Annotations."""
    return facts(ITEMS.schema, rows).select(["item_id", "tags", "links", *(name for name, _ in catalogue.PLACE)])


def before(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    """What the last night knew."""
    return pa.Table.from_pylist(rows, schema)


def test_the_newest_value_of_each_column_holds_and_tags_add_up() -> None:
    old = {"item_id": "1", "title": "Old", "genres": ["Drama"], "tags": ["a"], "links": [], "available": False}
    news = facts(
        ITEMS.schema, [{"item_id": "1", "title": "Newer"}, {"item_id": "1", "title": "Newest"}, {"item_id": "2"}]
    )
    added = notes([{"item_id": "1", "tags": ["b"], "links": ["imdb:7"]}, {"item_id": "404", "tags": ["c"]}])
    result = {row["item_id"]: row for row in catalogue.items(news, added, before(ITEMS.schema, [old])).to_pylist()}
    assert result.keys() == {"1", "2"}
    one, two = result["1"], result["2"]
    assert (one["title"], one["genres"], one["available"]) == ("Newest", ["Drama"], False)
    assert (one["tags"], one["links"]) == (["a", "b"], ["imdb:7"])
    assert (two["title"], two["tags"], two["available"]) == (None, [], True)


def test_a_snapshot_states_its_items_anew_and_keeps_the_others_unavailable() -> None:
    old = [{"item_id": item, "title": "Old", "genres": ["Drama"], "available": True} for item in "12"]
    news = facts(ITEMS.schema, [{"item_id": "1", "title": "New"}], "snapshot")
    rows = catalogue.items(news, notes([]), before(ITEMS.schema, old)).to_pylist()
    assert {row["item_id"]: (row["title"], row["genres"], row["available"]) for row in rows} == {
        "1": ("New", None, True), "2": ("Old", ["Drama"], False),
    }  # fmt: skip


def test_what_is_known_of_a_user_stays_until_it_changes() -> None:
    earlier = before(USERS.schema, [{"user_id": "u", "segment": "gold", "country": "FR", "age": 30}])
    result = catalogue.users(facts(USERS.schema, [{"user_id": "u", "age": 31}]), earlier).to_pylist()
    assert result == [{"user_id": "u", "segment": "gold", "country": "FR", "age": 31}]


def test_users_that_a_snapshot_lacks_are_unknown() -> None:
    earlier = before(USERS.schema, [{"user_id": user, "age": 30} for user in "uv"])
    result = catalogue.users(facts(USERS.schema, [{"user_id": "u"}], "snapshot"), earlier).to_pylist()
    assert [(row["user_id"], row["age"]) for row in result] == [("u", None)]


def test_facts_are_new_known_or_corrected() -> None:
    earlier = before(ITEMS.schema, [{"item_id": "1", "title": "A", "tags": ["x", "y"], "available": True}])
    stated = [
        {"item_id": "1", "title": "A", "tags": ["x"]}, {"item_id": "1", "title": "B"}, {"item_id": "2", "title": "C"},
        {"item_id": "2", "title": "C"},
    ]  # fmt: skip
    result = catalogue.outcomes(facts(ITEMS.schema, stated), earlier, "item_id")
    assert sorted(result) == [(1, "accepted", 1), (1, "corrected", 1), (1, "known", 2)]


def test_the_newest_word_on_a_release_holds_also_where_nobody_can_read_it() -> None:
    earlier = before(ITEMS.schema, [{"item_id": "1", "released": date(2024, 1, 1), "tags": [], "available": True}])
    postponed = facts(ITEMS.schema, [{"item_id": "1", "release_unknown": True}])
    settled = facts(ITEMS.schema, [{"item_id": "1", "released": date(2024, 1, 1), "release_unknown": False}], number=2)
    silent = facts(ITEMS.schema, [{"item_id": "1", "title": "A"}], number=3)
    hidden = catalogue.items(postponed, notes([]), earlier)
    assert hidden["release_unknown"].to_pylist() == [True]
    for news in (settled, pa.concat_tables([settled, silent])):
        assert catalogue.items(news, notes([]), hidden)["release_unknown"].to_pylist() == [False]
    assert catalogue.items(silent, notes([]), hidden)["release_unknown"].to_pylist() == [True]
    assert catalogue.outcomes(postponed, earlier, "item_id") == [(1, "corrected", 1)]
    assert catalogue.outcomes(settled, earlier, "item_id") == [(2, "known", 1)]  # also where nobody kept the flag yet
    assert catalogue.outcomes(settled, hidden, "item_id") == [(2, "corrected", 1)]


def test_reviews_find_their_item_by_id_or_by_link_and_stay_without(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    linked = {"1": ["imdb:0114709"], "2": ["imdb:9", "tmdb:9"], "3": ["imdb:9"]}
    films = [{"item_id": item, "links": links, "available": True} for item, links in linked.items()]
    ledger.deliver(ONE, "items", films, path="items.csv")
    wanted = {
        "by link": {"item_link": "imdb:0114709"}, "by id": {"item_id": "2"}, "unknown link": {"item_link": "imdb:404"},
        "unknown id": {"item_id": "404"}, "link of two": {"item_link": "imdb:9"}, "neither": {},
    }  # fmt: skip
    ledger.deliver(ONE, "reviews", [{"review_id": name, "text": "t", **more} for name, more in wanted.items()])
    ledger.run(ONE)
    assert {row["review_id"]: row["item_id"] for row in ledger.rows("reviews")} == {
        "by link": "1", "by id": "2", "unknown link": None, "unknown id": None, "link of two": "2", "neither": None,
    }  # fmt: skip


def test_a_review_that_comes_before_its_item_gets_it_with_the_item(tmp_path: Path) -> None:
    """In its own night's partition, with its sentiment, and not as a correction; the night that runs again keeps it."""
    ledger = Ledger(tmp_path)
    ledger.deliver(ONE, "items", [{"item_id": "9", "available": True}])
    early = {"review_id": "r", "text": "t", "item_id": "1", "sentiment": 0.5}
    ledger.deliver(ONE, "reviews", [early, {"review_id": "s", "text": "t", "item_link": "imdb:7"}])
    ledger.run(ONE)
    assert [row["item_id"] for row in ledger.rows("reviews")] == [None, None]
    ledger.deliver(TWO, "items", [{"item_id": "1", "links": ["imdb:7"], "available": True}])
    for ds in (TWO, ONE):
        ledger.run(ds)
        assert [(row["ds"], row["item_id"], row["sentiment"]) for row in ledger.rows("reviews")] == [
            (ONE, "1", 0.5), (ONE, "1", None),
        ]  # fmt: skip
        assert ledger.rows("replaced") == []
