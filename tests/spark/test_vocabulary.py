"""Row numbers over the nights, by hand: on Spark, and in the job itself."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.storage import frames
from jobs.vocabulary import NAMING, ids, number_new, number_new_here
from schemas.tables import TABLES

Row = tuple[str, str, str, int]
KNOWN = "ds string, kind string, id string, row long"


Night = Callable[..., list[Row]]


def on_spark(session: SparkSession, known: list[Row], ds: str, users: str, items: str) -> list[Row]:
    pairs: DataFrame = session.createDataFrame(
        [("user", letter) for letter in users] + [("item", letter) for letter in items], "kind string, id string"
    )
    rows = number_new(pairs, session.createDataFrame(known, KNOWN), ds).collect()
    return sorted((row.ds, row.kind, row.id, row.row) for row in rows)


def in_the_job(folder: Path, known: list[Row], ds: str, users: str, items: str) -> list[Row]:
    rows = {"interactions": [{"user_id": users[0], "item_id": items[0]}] * 2}  # which the others have too
    rows |= {"users": [{"user_id": letter} for letter in users], "items": [{"item_id": letter} for letter in items]}
    tables = {name: pa.Table.from_pylist(rows[name], TABLES[name].schema) for name in NAMING}
    files = {name: [frames.write(table, f"{folder.as_uri()}/{name}")] for name, table in tables.items()}
    schema = TABLES["vocabulary"].schema
    before = [dict(zip(("ds", "kind", "id", "row"), row, strict=True)) | {"domain": "movies"} for row in known]
    made = number_new_here(files, pa.Table.from_pylist(before, schema), "movies", ds).to_pylist()
    assert [(row["kind"], row["id"]) for row in made] == sorted((row["kind"], row["id"]) for row in made)
    assert {row["domain"] for row in made} == {"movies"}
    return sorted((row["ds"], row["kind"], row["id"], row["row"]) for row in made)


@pytest.fixture(params=["on Spark", "in the job"])
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Night:
    """night(known, ds, users=…, items=…): what a night adds that sees the users and items whose ids are the letters."""
    if request.param == "in the job":
        return partial(in_the_job, tmp_path)
    return partial(on_spark, request.getfixturevalue("session"))


def test_rows_stay_over_three_nights_with_new_and_vanished_ids(night: Night) -> None:
    first = night([], "2020-01-01", users="ba", items="x")
    assert first == [("2020-01-01", "item", "x", 0), ("2020-01-01", "user", "a", 0), ("2020-01-01", "user", "b", 1)]

    # a vanished, c and A are new: A comes first, in the order of the bytes
    second = night(first, "2020-01-02", users="bcA", items="wx")
    assert second == [("2020-01-02", "item", "w", 1), ("2020-01-02", "user", "A", 2), ("2020-01-02", "user", "c", 3)]

    third = night(first + second, "2020-01-03", users="a", items="v")
    assert third == [("2020-01-03", "item", "v", 2)]


def test_a_rerun_gives_the_same_rows_and_appends_what_came_late(night: Night) -> None:
    first = night([], "2020-01-01", users="ab", items="x")
    second = night(first, "2020-01-02", users="c", items="y")
    known = first + second
    assert night(known, "2020-01-01", users="ab", items="x") == first
    # `c` keeps the row of the second night; `d`, found in a file that came late, goes behind everything
    again = night(known, "2020-01-01", users="abcd", items="x")
    assert again == sorted([*first, ("2020-01-01", "user", "d", 3)])


def test_ids_are_those_of_all_three_tables_once(session: SparkSession) -> None:
    interactions = session.createDataFrame([("u1", "i1"), ("u1", "i2"), ("ü ", "i1")], "user_id string, item_id string")
    items = session.createDataFrame([("i1",), ("i3",)], "item_id string")
    users = session.createDataFrame([("u2",)], "user_id string")
    result = {(row.kind, row.id) for row in ids(interactions, items, users).collect()}
    assert result == {("user", u) for u in ("u1", "u2", "ü ")} | {("item", i) for i in ("i1", "i2", "i3")}
