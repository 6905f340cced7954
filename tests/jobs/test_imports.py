"""The command: what it says, what it leaves, and that the same import again changes nothing."""

import gzip
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from jobs import cli
from jobs.settings import ROOT
from jobs.storage import landing
from jobs.storage.deliveries import Delivery, deliveries
from schemas.landing import LANDING
from tests.support.disk import fill, read_only

RATINGS = "userId,movieId,rating,timestamp\n1,31,4.5,964982703\n1,32,x,964982704\n"
MOVIES = "movieId,title,genres\n31,Toy Story (1995),Comedy\n"
DAY = "2018-09-24"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    place = tmp_path / "ml"
    place.mkdir()
    (place / "ratings.csv").write_text(RATINGS)
    (place / "movies.csv").write_text(MOVIES)
    return place


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `encore import …`; gives the exit code, stdout and stderr."""
    monkeypatch.setenv("ENCORE_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("ENCORE_STATE", str(tmp_path / "state"))

    def call(*words: object) -> tuple[int, str, str]:
        code = cli.main(["import", *map(str, words)])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


@pytest.fixture
def landed(tmp_path: Path) -> Callable[..., list[Delivery]]:
    """Deliveries that stand."""

    def result(domain: str = "movies") -> list[Delivery]:
        every = deliveries((tmp_path / "landing").as_uri(), domain, DAY)
        return [one for one in every if not one.withdrawn]

    return result


def test_an_import_lands_in_the_landing_format(files: Path, run: Any, landed: Any) -> None:
    code, output, errors = run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert (code, errors) == (0, "")
    ratings, movies = landed()
    assert (ratings.path, ratings.table, ratings.rows) == ("ratings.csv", "interactions", 2)
    assert (movies.path, movies.table, movies.rows) == ("movies.csv", "items", 1)
    for file in (ratings, movies):
        (address,) = file.data
        rows = pq.read_table(address.removeprefix("file://"))
        assert rows.schema.equals(LANDING[file.table].schema, check_metadata=False)
    assert "ratings.csv                         2 rows → interactions (delivery 1)" in output
    assert re.search(
        r"imported 2 files, 3 rows, [\d,]+ rows/s, to file://\S+/movies/2018-09-24/00000001-[0-9a-f]{16}\n", output
    )
    assert output.endswith(f"next: encore nightly --domain movies --ds {DAY}\n")


def test_names_of_files_are_shown_in_one_line(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    (place / "a\nb.csv").write_text("item_id,title\ni,I\n")
    (place / "c\nd.txt").write_text("x")
    request = ("csv", place, "--domain", "movies", "--ds", DAY, "--table", "items")
    outputs = [run(*request)[1], run(*request, "--replace")[1]]
    for arguments in (["ls"], ["withdraw", "2"]):
        assert cli.main(["deliveries", *arguments, "--domain", "movies"]) == 0
        outputs.append(capsys.readouterr().out)
    assert all(r"a\nb.csv" in output and "a\nb" not in output for output in outputs)
    assert all(r"c\nd.txt " in output and "c\nd" not in output for output in outputs[:2])


def test_every_file_is_accounted_for_and_what_was_found_is_said(run: Any, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    (place / "posters").mkdir(parents=True)
    (place / "interactions.csv").write_text("user_id,item_id,value,ts\nu,i,4,20240430\n\\N,i,4,20240430\n")
    (place / "items.csv").write_text("item_id,released\ni,Q4 2024\n")
    (place / "README.txt").write_text("x")
    (place / "._items.csv").write_text("x")
    code, output, errors = run("csv", place, "--domain", "movies", "--ds", DAY, "--kind", "rating")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[:5] == [
        "interactions.csv                    2 rows → interactions (delivery 1)",
        "    ts: digits of year, month and day, and of hour, minute and second where given (20240430 is 2024-04-30)",
        r"    user_id: texts that stand for a missing value: 1, first in line 3: '\\N'",
        "items.csv                           1 rows → items (delivery 2)",
        "    released: values that are not days, left out: 1, first in line 2: 'Q4 2024'",
    ]
    rest = "\n".join(lines[5:])
    assert re.search(r"README\.txt +not imported: it is no file of the format csv named after a table", rest)
    assert re.search(r"\._items\.csv +not imported: left there by an operating system", rest)
    assert re.search(r"posters/ +not imported: a folder", rest)


def test_a_time_that_is_not_clear_stops_the_import(run: Any, landed: Any, tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_text("user_id,item_id,value,ts\nu,i,4,01/02/2024\n")
    command = ("csv", path, "--domain", "music", "--ds", DAY, "--table", "interactions", "--kind", "play")
    code, _, error = run(*command)
    assert code == 2
    assert "plays.csv: the column 'ts' can be read in two ways: '01/02/2024' as" in error
    assert landed("music") == []
    code, output, _ = run(*command, "--time-format", "day-month-year")
    assert code == 0
    assert "ts: day, month, year (01/02/2024 is 2024-02-01)" in output
    path.write_text("user_id,item_id,value,ts\nu,i,4,0\n")
    code, _, error = run(*command)
    assert code == 2
    assert "are no time from 1990-01-01 on, as '0' (as seconds since 1970: 1970-01-01)" in error


def test_the_same_again_changes_nothing(files: Path, run: Any, landed: Any, tmp_path: Path) -> None:
    run("movielens", files, "--domain", "movies", "--ds", DAY)
    before = landed()
    times = [path.stat().st_mtime_ns for path in (tmp_path / "landing").rglob("*")]
    code, output, _ = run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert code == 0
    assert output.startswith("nothing to do: these 2 files were imported before")
    assert landed() == before
    assert [path.stat().st_mtime_ns for path in (tmp_path / "landing").rglob("*")] == times


def test_the_same_in_another_way_must_be_said(files: Path, run: Any, landed: Any) -> None:
    path = files / "ratings.csv"
    command = ("csv", path, "--domain", "movies", "--ds", DAY, "--table", "interactions", "--kind", "rating")
    assert run(*command, "--map", "user_id=movieId", "--map", "item_id=userId")[0] == 0
    right = (*command, "--map", "user_id=userId", "--map", "item_id=movieId")
    code, _, error = run(*right)
    assert code == 2
    assert "ratings.csv: these bytes arrived before as interactions, in another way (delivery 1, --mode append" in error
    code, output, _ = run(*right, "--replace")
    assert code == 0
    assert output.startswith(f"withdrawn: delivery 1, ratings.csv → interactions, for {DAY}\n")
    (file,) = landed()
    assert pq.read_table(file.data[0].removeprefix("file://"))["user_id"].to_pylist() == ["1", "1"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [((), "are no time from 1990-01-01 on"), (("--mode", "snapshot"), "a snapshot of items without rows")],
)
def test_a_refused_import_withdraws_nothing(
    run: Any, landed: Any, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    """--replace with a file beside the same one whose times are none, and with a snapshot of a header line."""
    (tmp_path / "items.csv").write_text("item_id,title\n" + ("" if words else "h1,A\n"))
    command = ("csv", tmp_path, "--domain", "music", "--ds", DAY)
    assert run(*command)[0] == 0
    before = landed("music")
    assert [one.withdrawn for one in before] == [False]
    if not words:
        (tmp_path / "interactions.csv").write_text("user_id,item_id,kind,value,ts\nu,h1,play,1,0\n")
    code, output, error = run(*command, *words, "--replace")
    assert code == 2
    assert reason in error
    assert "withdrawn" not in output
    assert landed("music") == before


def test_the_same_bytes_as_two_tables_are_two_deliveries(run: Any, landed: Any, tmp_path: Path) -> None:
    """Ratings as interactions, and their copy as users: both arrive, and neither advises to delete the other."""
    (tmp_path / "ratings.csv").write_text("user_id,item_id,value\nu,1,4.0\n")
    (tmp_path / "copy.csv").write_text("user_id,item_id,value\nu,1,4.0\n")
    words = ("--domain", "movies", "--ds", DAY)
    assert run("csv", tmp_path / "ratings.csv", *words, "--table", "interactions", "--kind", "rating")[0] == 0
    code, output, _ = run("csv", tmp_path / "copy.csv", *words, "--table", "users")
    assert code == 0
    assert "1 rows → users (delivery 2)" in output
    assert [(one.number, one.table) for one in landed()] == [(1, "interactions"), (2, "users")]
    assert len({one.identity for one in landed()}) == 2


def test_of_a_folder_only_new_files_are_delivered(files: Path, run: Any, landed: Any) -> None:
    run("movielens", files, "--domain", "movies", "--ds", DAY)
    (files / "ratings.csv").write_text(RATINGS + "2,31,4.0,964982705\n")
    code, output, _ = run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert code == 0
    assert "movies.csv               was imported before" in output
    assert [(one.number, one.path) for one in landed()] == [(1, "ratings.csv"), (2, "movies.csv"), (3, "ratings.csv")]


def test_a_snapshot_is_delivered_whole(files: Path, run: Any, landed: Any) -> None:
    words = ("movielens", files, "--domain", "movies", "--ds", DAY, "--mode", "snapshot")
    run(*words)
    assert run(*words)[1].startswith("nothing to do")
    (files / "ratings.csv").write_text(RATINGS + "2,31,4.0,964982705\n")
    run(*words)
    assert [(one.number, one.batch, one.mode) for one in landed()] == [
        (1, 1, "snapshot"), (2, 1, "snapshot"), (3, 3, "snapshot"), (4, 3, "snapshot"),
    ]  # fmt: skip


@pytest.mark.parametrize(("mode", "code"), [("snapshot", 2), ("append", 0), ("correction", 0)])
def test_a_snapshot_without_rows_is_refused(files: Path, run: Any, landed: Any, mode: str, code: int) -> None:
    """A failed export leaves a header line alone; as a snapshot it would hide the whole catalogue."""
    (files / "movies.csv").write_text(MOVIES.splitlines()[0] + "\n")
    result, _, errors = run("movielens", files, "--domain", "movies", "--ds", DAY, "--mode", mode)
    assert result == code
    assert ("movies.csv: a snapshot of items without rows" in errors) == (mode == "snapshot")
    assert len(landed()) == (0 if code else 2)


def test_deliveries_are_listed_and_withdrawn(
    files: Path, run: Any, landed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert cli.main(["deliveries", "withdraw", "--domain", "movies", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"withdrawn: delivery 1, ratings.csv → interactions, 2 rows, for {DAY}\n")
    assert cli.main(["deliveries", "ls", "--domain", "movies", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(one["number"], one["withdrawn"]) for one in shown] == [(1, True), (2, False)]
    assert cli.main(["deliveries", "ls", "--domain", "movies"]) == 0
    assert "withdrawn" in capsys.readouterr().out
    assert cli.main(["deliveries", "withdraw", "--domain", "movies", "9"]) == 2
    code, output, _ = run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert code == 0
    assert "2 rows → interactions (delivery 3)" in output


def test_one_bad_file_spoils_the_whole_import(files: Path, run: Any, landed: Any, tmp_path: Path) -> None:
    (files / "movies.csv").write_text("movieId,name\n")
    code, output, error = run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert (code, output) == (2, "")
    assert "movies.csv: there is no column 'title'" in error
    assert landed() == []
    assert [path for path in (tmp_path / "landing").rglob("*") if path.is_file()] == []


def test_a_file_that_changes_meanwhile(files: Path, run: Any, landed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add = landing.Batch.add

    def change(*args: Any) -> Any:
        (files / "movies.csv").write_text(MOVIES + "32,Other,Drama\n")
        return add(*args)

    monkeypatch.setattr(landing.Batch, "add", change)
    code, _, error = run("movielens", files, "--domain", "movies", "--ds", DAY)
    assert code == 2
    assert "movies.csv: changed while it was read" in error
    assert landed() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["movielens", "PATH", "--domain", "music"], "kind 'rating', the domain music knows: play"),
        (["movielens", "PATH", "--domain", "movies", "--kind", "rating"], "--kind is not for the format movielens"),
        (["jsonl", "PATH", "--domain", "movies", "--delimiter", ";"], "--delimiter is not for the format jsonl"),
        (["csv", "PATH", "--domain", "movies", "--map", "item_id=a"], "--map needs --table"),
        (["movielens", "--domain", "movies"], "PATH is missing"),
        (["csv", "no\nfile", "--domain", "movies"], r"no\nfile: there is no such file or folder"),
        (
            ["csv", "PATH", "--domain=movies", "--table=interactions", "--map=user_id=a", "--map=user_id=b"],
            "--map user_id=…: the column is mapped twice",
        ),
    ],
)
def test_wrong_usage(files: Path, run: Any, words: list[str], message: str) -> None:
    code, _, error = run(*[files if word == "PATH" else word for word in words], "--ds", DAY)
    assert code == 2
    assert message in error


@pytest.mark.parametrize("path", ["", "s3://bucket/plays.csv"])
def test_a_path_is_a_local_one(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["import", "csv", path, "--domain", "movies", "--ds", DAY])
    assert f"PATH: must be a local file or folder, got {path!r}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")])
def test_a_file_of_no_text_is_empty(run: Any, landed: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "interactions.csv").write_bytes(content)
    code, _, error = run("csv", tmp_path / "interactions.csv", "--domain", "movies", "--ds", DAY)
    assert code == 2
    assert "interactions.csv: the file is empty; " in error
    assert landed() == []


def test_a_landing_folder_that_is_full_or_read_only(
    files: Path, run: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCORE_LANDING", str(small_disk / "landing"))
    words = ("movielens", files, "--domain", "movies", "--ds", DAY)
    for leave in (0, 4096, 8192):
        ballast = fill(small_disk, leave)
        code, _, error = run(*words)
        assert (code, error.splitlines()[-1]) == (
            1, f"error: import: OSError: no space left in file://{small_disk}/landing; free some and run it again"
        )  # fmt: skip
        assert deliveries(f"file://{small_disk}/landing", "movies", DAY) == []
        ballast.unlink()
    with read_only(small_disk):
        code, _, error = run(*words)
    assert code == 2
    assert f"error: file://{small_disk}/landing cannot be written: " in error
    assert run(*words)[0] == 0
    assert [one.number for one in deliveries(f"file://{small_disk}/landing", "movies", DAY)] == [1, 2]


def test_a_day_that_has_not_begun_is_refused(files: Path, run: Any, landed: Any) -> None:
    code, _, error = run("movielens", files, "--domain", "movies", "--ds", "2126-01-01")
    assert code == 2
    assert "error: --ds 2126-01-01 has not begun (tomorrow is " in error
    assert landed() == []
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()  # it is there already in the east
    assert run("movielens", files, "--domain", "movies", "--ds", tomorrow)[0] == 0


@pytest.mark.parametrize("words", [(), ("--table", "interactions", "--map", "kind=what")])
def test_a_kind_for_all_rows_and_a_column_of_kinds_are_refused(
    run: Any, tmp_path: Path, words: tuple[str, ...]
) -> None:
    column = "what" if words else "kind"
    (tmp_path / "interactions.csv").write_text(
        f"user_id,item_id,{column},value,ts\nu,i,rating,4,2024-05-01T10:00:00Z\n"
    )
    command = ("csv", tmp_path / "interactions.csv", "--domain", "movies", "--ds", DAY, *words)
    code, _, errors = run(*command, "--kind", "rating")
    assert code == 2
    assert "--kind rating: interactions.csv has a column that says the kind of each row; leave --kind out" in errors
    assert run(*command)[0] == 0


def test_a_folder_of_several_tables_has_one_kind_of_interactions(run: Any, landed: Any, tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id,value,ts\nu,i,3,2018-09-23\n")
    (tmp_path / "items.csv").write_text("item_id,title\ni,A\n")
    assert run("csv", tmp_path, "--domain", "movies", "--ds", DAY, "--kind", "rating")[0] == 0
    assert [one.table for one in landed()] == ["interactions", "items"]


def test_a_file_that_may_not_be_read_is_named(files: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = files / "ratings.csv"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != secret)  # root may read all
    for path, form in ((files, "movielens"), (secret, "csv")):
        code, _, error = run(form, path, "--domain", "movies", "--ds", DAY)
        assert (code, error) == (
            2, f"error: {secret}: this user may not read it; give it the right (chmod +r), or import a copy\n"
        )  # fmt: skip


def test_null_markers_are_named_on_the_command_line(run: Any, landed: Any, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("user_id,segment\nNULL,-\n-,?\nu,s\n")
    code, output, error = run("csv", file, "--domain", "movies", "--ds", DAY, "--null", "-", "--null", "?")
    assert (code, error) == (0, "")
    assert "segment: texts that stand for a missing value: 2" in output
    (address,) = landed()[0].data
    rows = pq.read_table(address.removeprefix("file://"))
    assert rows["user_id"].to_pylist() == ["NULL", None, "u"]


@pytest.mark.parametrize(
    "option", [["--map", "item_id"], ["--delimiter", '"'], ["--ds", "24.9.2018"], ["--domain", "books"]]
)
def test_options_that_do_not_parse(files: Path, run: Any, option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("csv", files, "--domain", "movies", "--ds", DAY, *option)


def test_the_demo_is_made_and_imported(run: Any, landed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(folder: Path, domain: Any, ds: str, **options: Any) -> None:
        folder.mkdir(parents=True)
        (folder / "items.jsonl").write_text(json.dumps({"item_id": f"{domain.name} {ds} {options}"}))

    monkeypatch.setattr("jobs.sources.demo.generate", generate)
    assert run("demo", "--domain", "games", "--ds", DAY, "--seed", "7")[0] == 0
    assert (tmp_path / "state" / "demo" / "games" / "items.jsonl").is_file()
    (file,) = landed("games")
    rows = pq.read_table(file.data[0].removeprefix("file://"))
    assert rows["item_id"].to_pylist() == [f"games {DAY} {{'since': None, 'seed': 7}}"]


def test_the_demo_brings_only_the_days_since_its_last_import(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def generate(folder: Path, domain: Any, ds: str, since: str | None) -> None:
        asked.append(since)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "items.jsonl").write_text(json.dumps({"item_id": ds}))

    monkeypatch.setattr("jobs.sources.demo.generate", generate)
    for ds in ("2024-05-01", "2024-05-04", "2024-05-02", "2024-05-04"):
        assert run("demo", "--domain", "games", "--ds", ds)[0] == 0
    assert asked == [None, "2024-05-01", "2024-05-01", "2024-05-02"]


def test_the_demo_is_imported_day_by_day(run: Any) -> None:
    """Many of these days have no new item."""
    for day in range(1, 7):
        assert run("demo", "--size", "tiny", "--domain", "movies", "--ds", f"2026-03-0{day}")[0] == 0


def command(files: Path, tmp_path: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "jobs", "import", "movielens", str(files), "--domain", "movies", "--ds", DAY]
    return {
        "args": words,
        "cwd": ROOT,
        "env": os.environ | {"ENCORE_LANDING": str(tmp_path / "landing"), "TERM": "xterm"},
    }


def test_progress_is_shown_on_a_terminal(files: Path, tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    subprocess.run(**command(files, tmp_path), stderr=terminal, stdout=subprocess.PIPE, check=True)
    os.close(terminal)
    shown = os.read(main, 1 << 16).decode()
    os.close(main)
    assert "rows" in shown
    assert "/s" in shown


MEASURED = """
import re, sys
from pathlib import Path
from jobs import cli
print(cli.main(sys.argv[1:]), re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_line_of_1_gb_is_refused_in_little_memory(tmp_path: Path) -> None:
    files = tmp_path / "ml"
    files.mkdir()
    with (files / "ratings.csv").open("wb") as file:
        file.truncate(1 << 30)
    call = command(files, tmp_path)
    call["args"] = [sys.executable, "-c", MEASURED, *call["args"][3:]]
    done = subprocess.run(**call, capture_output=True, text=True, check=False)
    code, peak_kib = done.stdout.split()
    assert code == "2"
    assert "ratings.csv, line 1: longer than 16,777,216 bytes" in done.stderr
    assert int(peak_kib) < 1 << 19  # most of it libraries
