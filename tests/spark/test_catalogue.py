"""Facts merged over nights, and reviews matched to items."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import catalogue
from jobs.spark.session import read
from schemas.inputs import ITEMS, USERS
from schemas.landing import LANDING


def facts(session: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows in the landing format, in their order of arrival."""
    origin = {"file": "f", "raw": "", "unparsable": []}
    names = LANDING[table].schema.names
    full = [[({**origin, "line": line, **row}).get(name) for name in names] for line, row in enumerate(rows)]
    schema = read(session, [], LANDING[table].schema).schema
    return session.createDataFrame([tuple(row) for row in full], schema).withColumn("position", F.lit(0))


def test_the_newest_value_of_each_column_holds_and_tags_add_up(session: SparkSession) -> None:
    old = {"item_id": "1", "title": "Old", "genres": ["Drama"], "tags": ["a"], "links": [], "available": False}
    earlier = session.createDataFrame(
        [tuple(old.get(name) for name in ITEMS.schema.names)], read(session, [], ITEMS.schema).schema
    )
    news = [{"item_id": "1", "title": "Newer"}, {"item_id": "1", "title": "Newest"}, {"item_id": "2"}]
    tonight = facts(session, "items", news)
    notes = facts(session, "annotations", [{"item_id": "1", "tags": ["b"], "links": ["imdb:7"]}])
    found = {row.item_id: row for row in catalogue.items(tonight, notes, earlier).collect()}
    one, two = found["1"], found["2"]
    assert (one.title, one.genres, one.available) == ("Newest", ["Drama"], False)
    assert (one.tags, one.links) == (["a", "b"], ["imdb:7"])
    assert (two.title, two.tags, two.available) == (None, [], True)


def test_what_is_known_of_a_user_stays_until_it_changes(session: SparkSession) -> None:
    earlier = session.createDataFrame(
        [("movies", "2020-01-01", "u", "gold", "FR", 30)],
        read(session, [], USERS.schema).schema,
    )
    found = catalogue.users(facts(session, "users", [{"user_id": "u", "age": 31}]), earlier).collect()
    assert [(row.user_id, row.segment, row.country, row.age) for row in found] == [("u", "gold", "FR", 31)]


def test_reviews_find_their_item_by_id_or_by_link_and_stay_without(session: SparkSession) -> None:
    linked = [("1", ["imdb:0114709"]), ("2", ["imdb:9", "tmdb:9"]), ("3", ["imdb:9"])]
    items = session.createDataFrame(linked, "item_id string, links array<string>")
    reviews = [
        {"review_id": "by link", "text": "t", "item_link": "imdb:0114709"},
        {"review_id": "by id", "text": "t", "item_id": "2"},
        {"review_id": "unknown link", "text": "t", "item_link": "imdb:404"},
        {"review_id": "unknown id", "text": "t", "item_id": "404"},
        {"review_id": "link of two", "text": "t", "item_link": "imdb:9"},
        {"review_id": "neither", "text": "t"},
    ]
    found = catalogue.matched(facts(session, "reviews", reviews), items).collect()
    assert {row.review_id: row.item_id for row in found} == {
        "by link": "1", "by id": "2", "unknown link": None, "unknown id": None, "link of two": "2", "neither": None,
    }  # fmt: skip
    assert len(found) == len(reviews)
