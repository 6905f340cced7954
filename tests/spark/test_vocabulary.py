"""Row numbers over the nights, by hand."""

from pyspark.sql import DataFrame, SparkSession

from jobs.vocabulary import ids, number_new

Row = tuple[str, str, str, int]
KNOWN = "ds string, kind string, id string, row long"


def night(session: SparkSession, known: list[Row], ds: str, users: str, items: str) -> list[Row]:
    """The vocabulary that a night adds when it sees the users and items whose ids are the letters given."""
    pairs: DataFrame = session.createDataFrame(
        [("user", letter) for letter in users] + [("item", letter) for letter in items], "kind string, id string"
    )
    rows = number_new(pairs, session.createDataFrame(known, KNOWN), ds).collect()
    return sorted((row.ds, row.kind, row.id, row.row) for row in rows)


def test_rows_stay_over_three_nights_with_new_and_vanished_ids(session: SparkSession) -> None:
    first = night(session, [], "2020-01-01", users="ba", items="x")
    assert first == [("2020-01-01", "item", "x", 0), ("2020-01-01", "user", "a", 0), ("2020-01-01", "user", "b", 1)]

    # a vanished, c and A are new: A comes first, in the order of the bytes
    second = night(session, first, "2020-01-02", users="bcA", items="wx")
    assert second == [("2020-01-02", "item", "w", 1), ("2020-01-02", "user", "A", 2), ("2020-01-02", "user", "c", 3)]

    third = night(session, first + second, "2020-01-03", users="a", items="v")
    assert third == [("2020-01-03", "item", "v", 2)]


def test_a_rerun_gives_the_same_rows_and_appends_what_came_late(session: SparkSession) -> None:
    first = night(session, [], "2020-01-01", users="ab", items="x")
    second = night(session, first, "2020-01-02", users="c", items="y")
    known = first + second
    assert night(session, known, "2020-01-01", users="ab", items="x") == first
    # `c` keeps the row of the second night; `d`, found in a file that came late, goes behind everything
    again = night(session, known, "2020-01-01", users="abcd", items="x")
    assert again == sorted([*first, ("2020-01-01", "user", "d", 3)])


def test_ids_are_those_of_all_three_tables_once(session: SparkSession) -> None:
    interactions = session.createDataFrame([("u1", "i1"), ("u1", "i2"), ("ü ", "i1")], "user_id string, item_id string")
    items = session.createDataFrame([("i1",), ("i3",)], "item_id string")
    users = session.createDataFrame([("u2",)], "user_id string")
    result = {(row.kind, row.id) for row in ids(interactions, items, users).collect()}
    assert result == {("user", u) for u in ("u1", "u2", "ü ")} | {("item", i) for i in ("i1", "i2", "i3")}
