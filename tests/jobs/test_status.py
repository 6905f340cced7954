"""`encore status`: freshness."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.table import StaticTable

from jobs.cli import main
from jobs.settings import Settings
from jobs.status import Status, age_hours, statuses
from jobs.storage.upkeep import Upkeep
from tests.support.fakes import DS
from tests.support.nights import publish

Captured = pytest.CaptureFixture[str]
COUNTS = {
    "files": 1, "rejected": 1, "held": 1, "replaced": 1, "interactions": 8, "items": 5, "users": 4, "reviews": 1,
    "vocabulary": 9, "item_similarity": 5, "user_similarity": 4, "item_vectors": 5, "activity": 4,
    "recommendations": 12, "continuations": 12, "metrics": 2, "models": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "hours"), [("2026-11-21T00:00", 0.0), ("2026-11-21T02:00", 2.0), ("2026-11-22T12:30", 36.5)]
)
def test_age_counts_from_the_end_of_the_day(now: str, hours: float) -> None:
    assert age_hours(DS, datetime.fromisoformat(f"{now}+00:00")) == hours


def test_the_last_complete_night_of_each_domain(config: Settings) -> None:
    publish(config, 1, ds=DS, run="first")
    publish(config, 2, ds="2026-11-22", domain="music", run="m")
    tables = Upkeep(config)
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    movies, music, games = statuses(tables, ["movies", "music", "games"], (), now)
    assert (movies.ds, movies.run_id, movies.age_hours, movies.rows) == (DS, "first", 54.0, COUNTS)
    assert (music.ds, music.run_id, music.age_hours) == ("2026-11-22", "m", 6.0)
    assert games == Status("games")
    table = StaticTable.from_metadata(tables.metadata_location("runs"))
    times = [
        datetime.fromtimestamp(table.snapshot_by_id(s).timestamp_ms / 1000, UTC)
        for s in (
            tables.find_tagged("runs", f"movies.{DS}.first.1"),
            tables.find_tagged("runs", "music.2026-11-22.m.1"),
        )
    ]
    assert [movies.committed, music.committed] == times
    assert timedelta(0) < times[1] - times[0] < timedelta(minutes=5)


@pytest.mark.slow
def test_expiry_does_not_change_when_a_night_was_published(published: Settings) -> None:
    publish(published, 2, ds="2026-11-21", run="next")
    [before] = statuses(Upkeep(published), ["movies"], (), datetime(2026, 11, 23, tzinfo=UTC))
    assert main(["tables", "expire", "--keep-nights", "1"]) == 0
    assert statuses(Upkeep(published), ["movies"], (), datetime(2026, 11, 23, tzinfo=UTC)) == [before]


def test_a_night_that_is_too_old_is_a_problem() -> None:
    status = Status("movies", DS, "first", age_hours=36.5)
    assert status.problem(36.5) is None
    assert status.problem(36) == (
        "movies: the last complete night is 2026-11-20, 36.5 hours old, over the limit of 36 hours"
    )
    assert Status("music").problem(36) == "music: there is no complete night"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 0, ""),
        (["--max-age-days", "100000"], 0, ""),
        (["--max-age-hours", "36"], 1, "error: movies: the last complete night is 2026-11-20, "),
        (["--max-age-days", "100000", "--domain", "music"], 1, "error: music: there is no complete night"),
        (
            ["--max-age-days", "100000", "--domain", "music", "--domain", "games"],
            1,
            "error: music: there is no complete night; games: there is no complete night\n",
        ),
    ],
)
def test_exit_codes(
    shared: Settings, capsys: Captured, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
) -> None:
    monkeypatch.setattr("jobs.status.age_hours", lambda ds, now: 36.5)
    assert main(["status", *words]) == code
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert bool(shown.err) == bool(message)
    if "--domain" not in words:
        assert DS in shown.out
        assert "no complete night" in shown.out  # music, games


def test_json(shared: Settings, capsys: Captured) -> None:
    assert main(["status", "--format", "json", "--domain", "movies", "--domain", "games"]) == 0
    movies, games = json.loads(capsys.readouterr().out)
    assert (movies["domain"], movies["ds"], movies["rows"]) == ("movies", DS, COUNTS)
    assert games == {name: "games" if name == "domain" else None for name in movies}


def test_no_warehouse(config: Settings, capsys: Captured) -> None:
    assert main(["status"]) == 2
    assert "nothing published there yet" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["nan", "-1", "inf"])
@pytest.mark.parametrize("unit", ["hours", "days"])
def test_a_limit_that_is_none_is_wrong_usage(shared: Settings, capsys: Captured, unit: str, value: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["status", f"--max-age-{unit}={value}"])
    assert f"must be 0 {unit} or more, got {value}" in capsys.readouterr().err


def test_metrics_need_a_file_to_go_to(shared: Settings, tmp_path: Path, capsys: Captured) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for place in (tmp_path, loop / "metrics"):
        assert main(["status", "--format=prometheus", f"--to={place}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: --to {place}: cannot be written (")
