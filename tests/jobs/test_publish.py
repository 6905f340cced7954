"""Publication into real Iceberg tables: what readers see before, between and behind its steps."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import contracts
from jobs.cli import main
from jobs.night import Night
from jobs.settings import ROOT, Settings
from jobs.storage.catalog import Tables
from jobs.storage.runs import Entry
from jobs.storage.sql import open_tables
from schemas.names import TABLES, TaskState
from schemas.table import Column
from schemas.tables import TABLES as TABLES_BY_NAME
from tests.support.fakes import DS, USERS, both, expected, fake_night, marks, publish_words, together
from tests.support.killable import Command, killable


@pytest.fixture
def command(published: Settings) -> Iterator[Command]:
    """Runs words on `published` in a process of its own, which `die` kills at that step; returns the exit code."""
    with killable() as run:
        yield run


def test_first_publication_is_there_for_two_independent_readers(shared: Settings) -> None:
    assert both(shared) == (expected(1), expected(1))
    tables = Tables(shared)
    with open_tables(tables) as db:
        for name in TABLES:
            through_duckdb = db.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
            through_polars = pl.scan_iceberg(tables.metadata_location(name)).select(pl.len()).collect().item()
            assert through_duckdb == through_polars > 0, name


def test_values_are_those_of_the_files(shared: Settings) -> None:
    with open_tables(Tables(shared)) as db:
        mine = db.execute("FROM latest.recommendations ORDER BY user_id, rank").to_arrow_table().to_pylist()
    location = Tables(shared).metadata_location("recommendations")
    theirs = pl.scan_iceberg(location).collect().sort("user_id", "rank").to_dicts()
    assert mine == theirs
    assert mine[0] == {
        "domain": "movies",
        "ds": DS,
        "user_id": "[u4]",
        "rank": 1,
        "item_id": "n1",
        "score": 1.0,
        "model": "item_knn",
        "because_item_id": "s1",
        "because": "because you watched [bold]it",
    }
    assert {row["user_id"] for row in mine} == set(USERS)


def test_a_publication_tells_others_what_it_is(config: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    night = fake_night(config, 1)
    night.run.record(replace(night.run.entry("gate"), facts={"champion": "item_knn"}))
    assert main(publish_words("run")) == 0
    message = json.loads(capsys.readouterr().out.splitlines()[-1])["publication"]
    snapshot = str(night.tables.find_tagged("recommendations", night.run.tag(1)))
    assert message == {
        "domain": "movies", "ds": DS, "run": "run", "state": "complete", "champion": "item_knn",
        "metrics": {"ndcg": 0.01}, "snapshot": snapshot,
    }  # fmt: skip


def test_a_second_run_replaces_the_night(published: Settings) -> None:
    fake_night(published, 2, run="second", users=(*USERS, "u5"))
    assert main(publish_words("second")) == 0
    assert both(published) == (expected(2, users=5), expected(2, users=5))


def test_publishing_a_run_again_changes_nothing(published: Settings) -> None:
    assert main(publish_words("first")) == 0
    assert both(published) == (expected(1), expected(1))
    with open_tables(Tables(published)) as db:
        assert db.execute("SELECT run_id, sequence FROM runs").fetchall() == [("first", 2)]


def test_other_domains_and_nights_stay(published: Settings) -> None:
    fake_night(published, 2, domain="music", run="first")
    assert main(publish_words("first", domain="music")) == 0
    fake_night(published, 3, ds="2026-11-21", run="next")
    assert main(publish_words("next", ds="2026-11-21")) == 0
    fake_night(published, 4, run="again")
    assert main(publish_words("again")) == 0
    music, movies = expected(2, domain="music"), expected(3, ds="2026-11-21")
    now, latest = both(published)
    assert now == together(music, movies, expected(4))
    # all nights up to the last, as the last night's run left them
    growing = {"interactions", "files", "held", "reviews"}
    assert latest == {
        name: together(music, movies, expected(1))[name] if name in growing else together(music, movies)[name]
        for name in now
    }


def test_a_night_without_new_events_is_published(published: Settings) -> None:
    def nothing_new(rows: dict[str, list[dict[str, object]]]) -> None:
        for name in ("files", "rejected", "interactions", "reviews", "metrics"):
            rows[name].clear()

    fake_night(published, 2, ds="2026-11-21", run="quiet", broken=nothing_new)
    assert main(publish_words("quiet", ds="2026-11-21")) == 0
    _, latest = both(published)
    assert (latest["rejected"], latest["metrics"]) == ((), ())
    assert (latest["interactions"], latest["files"]) == (expected(1)["interactions"], expected(1)["files"])
    assert latest["recommendations"] == expected(2, ds="2026-11-21")["recommendations"]


def test_a_first_night_with_nothing_in_it_is_published(config: Settings) -> None:
    def empty(rows: dict[str, list[dict[str, object]]]) -> None:
        for some in rows.values():
            some.clear()

    fake_night(config, 1, run="empty", broken=empty)
    assert main(publish_words("empty")) == 0
    assert both(config) == (dict.fromkeys(expected(1), ()),) * 2
    with open_tables(Tables(config)) as db:
        assert db.execute("SELECT domain, ds, run_id FROM latest").fetchall() == [("movies", DS, "empty")]


def test_a_refused_night_keeps_the_last_complete_one(published: Settings) -> None:
    night = fake_night(published, 2, run="worse")
    night.run.record(Entry("gate", TaskState.REFUSED, "b", {"models": night.tonight("models")}, {"models": 2}))
    assert main(publish_words("worse")) == 0
    now, latest = both(published)
    assert latest == expected(1)
    assert now == expected(2) | {name: expected(1)[name] for name in ("recommendations", "continuations")}
    with open_tables(Tables(published)) as db:
        assert db.execute("SELECT run_id, state FROM runs ORDER BY sequence").fetchall() == [
            ("first", "complete"),
            ("worse", "refused"),
        ]


def test_tasks_that_have_not_run_or_failed_stop_publication(
    config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    night = fake_night(config, 1)
    night.run.record(Entry("clean", "failed", "b", error="full"))
    assert main(publish_words("run")) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: run run of movies {DS}: task clean has failed; run it again. Nothing was published"
    )
    assert main(publish_words("other")) == 2
    assert "task pin has not run" in capsys.readouterr().err
    assert both(config) == (dict.fromkeys(expected(1), ()),) * 2


def test_a_column_that_a_newer_encore_adds_is_null_in_old_nights(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = TABLES_BY_NAME["users"]
    wider = replace(users, columns=(*users.columns, Column("language", pa.string(), "spoken")))
    monkeypatch.setitem(TABLES_BY_NAME, "users", wider)  # type: ignore[attr-defined]
    fake_night(published, 2, ds="2026-11-21", run="newer")
    with open_tables(Tables(published)) as db:
        assert db.execute("SELECT DISTINCT language, age FROM latest.users").fetchall() == [(None, 1)]
    assert main(publish_words("newer", ds="2026-11-21")) == 0
    with open_tables(Tables(published)) as db:
        assert db.execute("SELECT DISTINCT language, age FROM users ORDER BY age").fetchall() == [(None, 1), (None, 2)]


def test_the_files_of_a_table_are_its_rows_for_a_reader_of_the_file_list(shared: Settings) -> None:
    [(night, path)] = Tables(shared).current_files("users", "movies")
    rows = pq.read_table(path.removeprefix("file://"))
    assert (night, rows["user_id"].to_pylist()) == (DS, list(USERS))
    assert duckdb.sql("SELECT count(*) FROM rows").fetchall() == [(4,)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_between_any_two_steps_readers_see_whole_tables_and_a_complete_night(
    published: Settings, command: Command
) -> None:
    """Each publication dies one step later than the last, and so begins where that one stopped."""
    users = (*USERS, "u5")
    fake_night(published, 2, run="second", users=users)
    old, new = expected(1), expected(2, users=5)
    replaced, step, code = 0, 0, -9
    while code == -9:
        step += 1
        code = command(publish_words("second"), die=step)
        with open_tables(Tables(published)) as db:
            now, latest = marks(db, "main"), marks(db, "latest")
            complete = db.execute("SELECT count(*) FROM runs WHERE run_id = 'second'").fetchall() == [(1,)]
        assert all(now[name] in (old[name], new[name]) for name in now), f"a mix after step {step}"
        committed = sum(now[name] == new[name] for name in now)
        assert committed >= replaced, f"a table went back after step {step}"
        replaced = committed
        assert latest == (new if complete else old), f"after step {step}"
        if complete:
            assert replaced == len(new)
    assert code == 0
    assert step == len(TABLES) + 2, "a kill in the commit of each table, one before the manifest, and one that lives"
    assert (now, latest, complete) == (new, new, True)


def test_a_changed_run_that_is_killed_does_not_show_in_latest(published: Settings, command: Command) -> None:
    """The same run with other content: a task was run again after the publication."""
    fake_night(published, 7, run="first")
    assert command(publish_words("first"), die=9) == -9
    now, latest = both(published)
    assert (now["files"], now["recommendations"]) == (expected(7)["files"], expected(1)["recommendations"])
    assert latest == expected(1)
    assert command(publish_words("first")) == 0
    assert both(published) == (expected(7), expected(7))


@pytest.mark.slow
def test_two_nights_of_a_domain_publish_one_after_the_other(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits, and judges by what the first has left: nothing is made of both."""
    for mark in (2, 3):
        fake_night(published, mark, run=f"run{mark}")
    check, order, second_is_there = contracts.check, [], threading.Event()

    def watched(night: Night, *more: object) -> None:
        order.append(night.run.run_id)
        if len(order) == 1:
            second.start()
            second_is_there.wait(3)
        else:
            second_is_there.set()
        order.append(night.run.run_id)
        check(night, *more)

    codes = []
    second = threading.Thread(target=lambda: codes.append(main(publish_words("run3"))))
    monkeypatch.setattr(contracts, "check", watched)
    assert main(publish_words("run2")) == 0
    second.join()
    assert (codes, order) == ([0], ["run2", "run2", "run3", "run3"])
    assert both(published) == (expected(3), expected(3))
    with open_tables(Tables(published)) as db:
        assert db.execute("SELECT run_id, sequence FROM runs ORDER BY sequence").fetchall() == [
            ("first", 1), ("run2", 2), ("run3", 3)]  # fmt: skip


def test_a_night_that_changes_one_that_was_published_anew_meanwhile_is_refused(
    published: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    late = fake_night(published, 2, ds="2026-11-21", run="late")
    clean = late.run.entry("clean")
    amended = {"interactions": {DS: clean.files["interactions"]}}
    late.run.record(replace(clean, facts={**clean.facts, "amended": amended}))
    fake_night(published, 3, run="again")
    assert main(publish_words("again")) == 0
    before = both(published)
    capsys.readouterr()
    assert main(publish_words("late", ds="2026-11-21")) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: table interactions: the night {DS} of movies was published anew since this run was pinned, and this "
        "run changes it too; start a new run. Nothing was published"
    )
    assert both(published) == before


AT_ONCE = """
import sys
from jobs.cli import main
from jobs.settings import load
from jobs.storage.catalog import Tables
from tests.support.fakes import fake_night, publish_words
domain = sys.argv[1]
print("ready", flush=True)
for mark in map(int, sys.stdin):
    Tables(load()).create()
    fake_night(load(), mark, domain=domain, run=f"run{mark}")
    print(main(publish_words(f"run{mark}", domain=domain)), flush=True)
"""


@pytest.mark.slow
def test_two_domains_publish_at_once(config: Settings) -> None:
    """Three times, the first into a warehouse that is not there yet: both go when both are ready."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    words = [sys.executable, "-c", AT_ONCE]
    with subprocess.Popen([*words, "movies"], **pipes) as movies, subprocess.Popen([*words, "music"], **pipes) as music:
        assert (movies.stdout.readline(), music.stdout.readline()) == ("ready\n", "ready\n")
        for mark in (10, 20, 30):
            for process in (movies, music):
                process.stdin.write(f"{mark if process is movies else mark + 1}\n")
                process.stdin.flush()
            for process in (movies, music):
                assert process.stdout.readline().startswith('{"task": "publish"')
                assert process.stdout.readline() == "0\n"
            assert both(config) == (together(expected(mark), expected(mark + 1, domain="music")),) * 2
