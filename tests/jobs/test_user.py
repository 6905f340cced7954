"""`encore user`: history, recommendations, similar users."""

import json
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.runs import Entry
from jobs.user import event_time
from schemas.names import TaskState
from tests.support.fakes import DS, USERS, fake_night, publish_words
from tests.support.nights import publish

Captured = pytest.CaptureFixture[str]
NEXT = "2026-11-21"


def user(capsys: Captured, *words: str) -> dict[str, list[dict[str, object]]]:
    capsys.readouterr()
    assert main(["user", *words, "--format", "json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_history_is_newest_first_and_everything_has_its_title(published: Settings, capsys: Captured) -> None:
    publish(published, 2, ds=NEXT, run="next")
    result = user(capsys, "ü'2", "--domain", "movies")
    assert {name: result[name] for name in ("domain", "ds", "run_id", "user_id")} == {
        "domain": "movies",
        "ds": NEXT,
        "run_id": "next",
        "user_id": "ü'2",
    }
    assert [(str(row["ts"])[:10], row["item_id"], row["title"], row["value"]) for row in result["history"]] == [
        (NEXT, "s'2", "Film s'2 #2", 2.0),
        (NEXT, "s1", "Film s1 #2", 2.0),
        (DS, "s'2", "Film s'2 #2", 1.0),
        (DS, "s1", "Film s1 #2", 1.0),
    ]
    assert result["recommendations"] == [
        {
            "rank": rank,
            "item_id": item,
            "title": f"Film {item} #2",
            "score": 2.0,
            "model": "item_knn",
            "because": "because you watched [bold]it",
        }
        for rank, item in enumerate(("n1", 'n"2', "n3"), 1)
    ]
    similar = result["similar_users"]
    assert [(row["method"], row["rank"], row["user_id"]) for row in similar] == [("cosine", 1, '日"3')]
    assert similar[0]["similarity"] == pytest.approx(0.02)
    earlier = user(capsys, "ü'2", "--domain", "movies", "--ds", DS)
    assert (earlier["ds"], len(earlier["history"]), earlier["recommendations"][0]["score"]) == (DS, 2, 1.0)


def test_terminal_shows_texts_as_they_are(shared: Settings, capsys: Captured) -> None:
    assert main(["user", "[u4]", "--domain", "movies", "--rows", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"user [u4], movies {DS} (run first)\n")
    assert "history: 2 of 2, newest first" in shown
    assert "recommendations: 2 of 3" in shown
    assert 'Film n"2 #1' in shown
    assert "because you watched [bold]it" in shown
    assert "Film n3 #1" not in shown
    assert "2026-11-20 12:00" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody", "--domain", "movies"], "error: movies 2026-11-20 knows no user 'nobody'"),
        (["n1", "--domain", "movies"], "knows no user 'n1'"),  # an item's id
        (["u1", "--domain", "music"], "error: no complete night of music; "),
        (["u1", "--domain", "movies", "--ds", NEXT], f"error: no complete night of movies {NEXT}; "),
    ],
)
def test_what_is_not_there_is_named(shared: Settings, capsys: Captured, words: list[str], message: str) -> None:
    assert main(["user", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_refused_night_has_no_lists_to_show(published: Settings, capsys: Captured) -> None:
    night = fake_night(published, 2, ds=NEXT, run="worse")
    night.run.record(Entry("gate", TaskState.REFUSED, "b", {"models": night.tonight("models")}, {"models": 2}))
    assert main(publish_words("worse", ds=NEXT)) == 0
    assert user(capsys, "u1", "--domain", "movies")["ds"] == DS
    assert main(["user", "u1", "--domain", "movies", "--ds", NEXT]) == 2


def test_an_event_without_a_time_has_its_place_in_the_order() -> None:
    assert event_time({"ts": None, "ordinal": 7}) == "#7"
    assert event_time({"ts": None, "ordinal": None}) == ""


def test_export_holds_every_row_of_the_user_and_nobody_else_reads_it(shared: Settings, tmp_path: Path) -> None:
    target = tmp_path / "export.json"
    assert main(["user", USERS[1], "--domain", "movies", "--export", str(target)]) == 0
    assert target.stat().st_mode & 0o777 == 0o600
    export = json.loads(target.read_text())
    counts = {name: len(table["rows"]) for name, table in export["tables"].items() if table["rows"]}
    assert counts == {
        "interactions": 2, "users": 1, "vocabulary": 1, "user_similarity": 2, "activity": 1, "recommendations": 3,
        "continuations": 3,
    }  # fmt: skip
    assert all(table["meaning"] for table in export["tables"].values())
    assert main(["user", USERS[1], "--domain", "movies", "--export", str(target)]) == 2  # not over another's
    assert main(["user", "nobody", "--domain", "movies", "--export", "-"]) == 2


@pytest.mark.parametrize("words", [["user"], ["user", "--export=-"], ["erase", "--yes"], ["pseudonyms", "show"]])
def test_an_id_that_is_not_utf_8_is_refused(
    shared: Settings, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([*words, "--domain=movies", "\udcff\udcfe"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"error: the id '\udcff\udcfe' is not UTF-8")
