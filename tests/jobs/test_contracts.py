"""Each rule, broken, stops a publication: table, rule and an example are named, and nothing is committed."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.frames import read, write
from jobs.storage.runs import Entry
from schemas.tables import TABLES
from tests.support.fakes import DS, USERS, arrow, both, expected, fake_night, publish_words

Rows = dict[str, list[dict[str, Any]]]
Breach = tuple[str, str, str, Callable[[Rows], None]]


def change(table: str, place: int, **values: Any) -> Callable[[Rows], None]:
    """Another value in one row."""
    return lambda rows: rows[table][place].update(values)


def append(table: str, **values: Any) -> Callable[[Rows], None]:
    """The first row once more, with other values."""
    return lambda rows: rows[table].append(rows[table][0] | values)


def drop(table: str, *places: int) -> Callable[[Rows], None]:
    """Without some rows."""
    return lambda rows: rows.update({table: [row for n, row in enumerate(rows[table]) if n not in places]})


# table, rule, a part of the example, what breaks it
BREACHES: list[Breach] = [
    ("interactions", "own_partition", "music", change("interactions", 0, domain="music")),
    ("recommendations", "own_partition", "2026-11-19", change("recommendations", 0, ds="2026-11-19")),
    ("items", "required", "s1", change("items", 0, available=None)),
    ("files", "key_unique", "2026-11-20.csv", append("files", rows=7)),
    ("items", "key_unique", "n3", append("items", item_id="n3")),
    ("interactions", "key_unique", "s1", append("interactions", value=3.0)),
    ("vocabulary", "row_unique", "user", append("vocabulary", id="u9")),
    ("vocabulary", "rows_dense", "user", append("vocabulary", id="u9", row=9)),
    ("item_similarity", "ranks_without_gap", "s1", change("item_similarity", 0, rank=2)),
    ("item_similarity", "not_itself", "s1", change("item_similarity", 0, similar_item_id="s1")),
    ("user_similarity", "similarity_descending", "u1", change("user_similarity", 0, similarity=float("nan"))),
    ("item_vectors", "finite", "nan", change("item_vectors", 0, vector=[float("nan"), 1.0])),
    ("item_vectors", "one_size", "two_tower", change("item_vectors", 0, vector=[1.0])),
    ("continuations", "positions_without_gap", "u1", drop("continuations", 1)),
    ("continuations", "log_probability", "0.5", change("continuations", 0, score=0.5)),
    ("recommendations", "ranks_without_gap", "u1", drop("recommendations", 1)),
    ("recommendations", "score_descending", "9.0", change("recommendations", 1, score=9.0)),
    ("recommendations", "score_descending", "inf", change("recommendations", 0, score=float("inf"))),
    ("recommendations", "item_once", "n1", change("recommendations", 1, item_id="n1")),
    ("recommendations", "unseen", "s'2", change("recommendations", 0, item_id="s'2", because_item_id=None)),
    ("recommendations", "eligible", 'n"2', change("items", 3, available=False)),
    ("recommendations", "suitable", "n1", change("items", 2, age_rating="R")),  # the users are two years old
    ("recommendations", "reason_given", "n1", change("recommendations", 0, because_item_id=None)),
    ("recommendations", "every_user_covered", "u1", drop("recommendations", 0, 1, 2)),
    ("recommendations", "reason_in_history", "n1", change("recommendations", 0, because_item_id="n1")),
    ("metrics", "in_range", "1.5", change("metrics", 0, value=1.5)),
    ("metrics", "in_range", "0.5", change("metrics", 0, low=0.5)),
    ("activity", "in_range", "1.5", change("activity", 0, probability=1.5)),
    ("activity", "known_segment", "asleep", change("activity", 0, segment="asleep")),
    ("activity", "users_with_events", "has no row", drop("activity", 0)),
    ("models", "one_champion", "movies", change("models", 0, status="champion")),
]


@pytest.mark.parametrize(
    ("table", "rule", "example", "breach"), BREACHES, ids=[f"{b[0]}-{b[1]}-{n}" for n, b in enumerate(BREACHES)]
)
def test_a_broken_rule_stops_the_publication(
    shared: Settings,
    capsys: pytest.CaptureFixture[str],
    table: str,
    rule: str,
    example: str,
    breach: Callable[[Rows], None],
) -> None:
    fake_night(shared, 2, broken=breach)
    before = Tables(shared).snapshots()
    assert main(publish_words("run")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"error: table {table} breaks the rule {rule}: ")
    assert example in message.partition("for example ")[2]
    assert message.endswith("Nothing was published")
    assert Tables(shared).snapshots() == before


def test_every_rule_of_the_schemas_is_broken_above() -> None:
    stated = {rule.name for table in TABLES.values() for rule in table.contracts}
    assert stated <= {rule for _, rule, _, _ in BREACHES}


def test_the_rule_that_most_rows_break_is_named_first_and_the_others_after_it(
    shared: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def breach(rows: Rows) -> None:
        append("items", item_id="n3")(rows)  # one key twice
        for row in rows["recommendations"]:
            row["score"] = float("nan")

    night = fake_night(shared, 2, broken=breach)
    assert main(publish_words("run")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    count = read(night.run.files("recommendations"), TABLES["recommendations"].schema).num_rows
    assert message.startswith("error: table recommendations breaks the rule score_descending: ")
    assert f". {count} rows do, for example " in message
    assert ". Broken too: items key_unique (1 rows)" in message


def test_an_event_of_an_earlier_night_may_not_come_again(
    published: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def again(rows: Rows) -> None:
        rows["interactions"][0]["ts"] = rows["interactions"][0]["ts"].replace(day=20)

    fake_night(published, 2, ds="2026-11-21", broken=again)
    assert main(publish_words("run", ds="2026-11-21")) == 2
    assert "table interactions breaks the rule key_unique" in capsys.readouterr().err
    assert both(published) == (expected(1), expected(1))


def test_an_item_seen_on_an_earlier_night_may_not_be_recommended(
    published: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def forget(rows: Rows) -> None:
        rows["interactions"].clear()
        rows["recommendations"][0] |= {"item_id": "s1"}

    fake_night(published, 2, ds="2026-11-21", broken=forget)
    assert main(publish_words("run", ds="2026-11-21")) == 2
    assert "table recommendations breaks the rule unseen" in capsys.readouterr().err


def test_a_run_that_was_overtaken_may_not_change_rows_of_the_vocabulary(
    config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both runs were pinned before either was published: each gives row 0 to a user of its own."""
    fake_night(config, 1, run="slow", users=("b", "c"))
    fake_night(config, 2, run="fast", users=("a", "b", "c"))
    assert main(publish_words("fast")) == 0
    capsys.readouterr()
    assert main(publish_words("slow")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("error: table vocabulary breaks the rule append_only: ")
    assert "('user', 'a', 0)" in message
    assert both(config) == (expected(2, users=3),) * 2


def test_what_is_told_of_a_published_night_is_not_lost(published: Settings) -> None:
    """A publication that its contracts stop leaves the earlier one as it was, in every table."""
    night = fake_night(published, 2, run="second", broken=drop("recommendations", 0))
    assert main(publish_words("second")) == 2
    assert both(published) == (expected(1), expected(1))
    rows = [row | {"domain": "movies", "ds": DS} for row in lists(2)]
    path = write(arrow({"recommendations": rows})["recommendations"], f"{night.run.new_attempt('mended')}/r")
    night.run.record(Entry("recommend", "done", "b", {"recommendations": [path]}, {"recommendations": len(rows)}))
    assert main(publish_words("second")) == 0
    assert both(published) == (expected(2), expected(2))


def lists(mark: int) -> list[dict[str, Any]]:
    return [
        {"user_id": user, "rank": rank, "item_id": item, "score": float(mark), "model": "popularity", "because": "new"}
        for user in USERS
        for rank, item in enumerate(("n1", 'n"2', "n3"), start=1)
    ]
