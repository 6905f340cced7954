"""What every job of a night leaves behind: an entry in the manifest, one line of JSON, an exit code, a last line."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from jobs import cli, commands, job
from jobs.errors import InputError, RefusedError
from jobs.night import Attempt, Night
from jobs.settings import Settings
from jobs.storage.frames import write
from jobs.storage.runs import Entry, Run, run_name
from tests.support.disk import fill, read_only
from tests.support.fakes import DS, both, expected, fake_night, publish_words

CLEAN = next(job for job in commands.JOBS if job.name == "clean")
Captured = pytest.CaptureFixture[str]
ROWS = pa.table({"user_id": ["a", "b"]})


def call(error: BaseException | None = None, written: bool = True) -> argparse.Namespace:
    """Arguments of a job that writes two rows of `users` and none of `items`, then ends with `error`."""

    def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
        if written:
            write(ROWS, attempt.folder("users"))
            write(ROWS.slice(0, 0), attempt.folder("items"))
        attempt.facts["told"] = "é"
        if error:
            raise error

    args = job.parser(CLEAN, None).parse_args(["--domain", "movies", "--ds", DS, "--run", "manual__1+00:00"])
    return argparse.Namespace(**vars(args), compute=compute)


def entry(config: Settings) -> Entry:
    result = Run(config.warehouse, "movies", DS, run_name("manual__1+00:00")).find("clean")
    assert result is not None
    return result


def test_a_job_that_is_done(config: Settings, capsys: Captured) -> None:
    args = call()
    assert job.run("clean", args.compute, args) == 0
    message = json.loads(capsys.readouterr().out)
    assert (message["task"], message["rows"]) == ("clean", {"users": 2, "items": 0})
    result = entry(config)
    assert (result.state, result.exit_code, result.error) == ("done", 0, None)
    assert (result.rows, result.facts) == ({"users": 2, "items": 0}, {"told": "é"})
    assert [path.rsplit("/", 2)[1:] for path in result.files["users"]] == [["users", "part-0.parquet"]]
    assert result.files["items"] == [], "files without rows are left out"
    assert result.peak_mib > 10
    assert message["seconds"] == result.seconds >= 0


def test_the_last_line_tells_what_a_job_read_and_wrote_where_it_is_asked_to(
    config: Settings, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
        night.tonight("interactions")
        night.read.add("sequences")  # files of a run that are no table
        assert night.history("reviews") == []
        write(ROWS, attempt.folder("users"))
        attempt.committed = {"items": 5}

    fake_night(config, 1, run="manual__1_00_00")
    args = argparse.Namespace(**{**vars(call()), "run": "manual__1_00_00"})
    assert job.run("sentiment", compute, args) == 0
    assert "lineage" not in json.loads(capsys.readouterr().out)
    monkeypatch.setenv("ENCORE_LINEAGE", "1")
    assert job.run("sentiment", compute, args) == 0
    reported = json.loads(capsys.readouterr().out)["lineage"]
    assert [table["table"] for table in reported["inputs"]] == ["interactions"]
    assert [(table["table"], table["rows"]) for table in reported["outputs"]] == [("items", 5), ("users", 2)]
    columns = {name: (kind, meaning) for name, kind, meaning in reported["inputs"][0]["columns"]}
    assert columns["value"][0] == "double"
    assert columns["ts"][0] == "timestamp[us, tz=UTC]"
    assert all(meaning for _, meaning in columns.values())


@pytest.mark.parametrize(
    ("error", "state", "code", "last"),
    [
        (InputError("file x: rule y"), "failed", 2, "error: file x: rule y"),
        (RefusedError("ndcg fell"), "refused", 3, "error: ndcg fell"),
        (ValueError("broken"), "failed", 1, "error: clean: ValueError: broken"),
    ],
)
def test_a_job_that_ends_badly(
    config: Settings,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    state: str,
    code: int,
    last: str,
) -> None:
    module = argparse.Namespace(compute=call(error).compute)
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)
    assert cli.main(["clean", "--domain", "movies", "--ds", DS, "--run", "manual__1+00:00"]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-1] == last
    result = entry(config)
    assert (result.state, result.exit_code, result.error) == (state, code, str(error))
    assert result.rows == ({"users": 2, "items": 0} if state == "refused" else {}), "a refusal keeps what was measured"


def test_the_newest_attempt_counts(config: Settings) -> None:
    failing = call(ValueError("first"))
    with pytest.raises(ValueError, match="first"):
        job.run("clean", failing.compute, failing)
    first = entry(config)
    args = call()
    assert job.run("clean", args.compute, args) == 0
    assert (first.state, entry(config).state) == ("failed", "done")
    assert first.attempt != entry(config).attempt


@pytest.mark.parametrize("word", ["--domain=films", "--ds=2026-11-31", "--ds=20261120", "--ds=", "--run="])
def test_wrong_words_are_refused(config: Settings, capsys: Captured, word: str) -> None:
    words = ["--domain", "movies", "--ds", DS, "--run", "r", word]
    try:
        code: object = cli.main(["publish", *words])
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert word.partition("=")[0] in capsys.readouterr().err


@pytest.fixture
def small_warehouse(small_disk: Path, config: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A published night on it."""
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(small_disk / "warehouse"))
    from jobs.settings import load

    config = load()
    fake_night(config, 1, run="first")
    assert cli.main(publish_words("first")) == 0
    return config


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(0, id="at once", marks=pytest.mark.slow),
        pytest.param(16 * 1024, id="soon", marks=pytest.mark.slow),
        pytest.param(160 * 1024, id="after some commits"),
    ],
)
def test_a_full_disk_stops_a_publication_cleanly(
    small_warehouse: Settings, small_disk: Path, capsys: Captured, leave: int
) -> None:
    fake_night(small_warehouse, 2, run="second")
    ballast = fill(small_disk, leave)
    assert cli.main(publish_words("second")) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert (
        message == f"error: publish: OSError: no space left in {small_warehouse.warehouse}; free some and run it again"
    )
    now, latest = both(small_warehouse)
    assert latest == expected(1)
    assert all(now[name] in (expected(1)[name], expected(2)[name]) for name in now)
    ballast.unlink()
    assert cli.main(publish_words("second")) == 0
    assert both(small_warehouse) == (expected(2), expected(2))


def test_a_full_disk_is_told_although_the_failure_cannot_be_recorded(
    small_warehouse: Settings, small_disk: Path, capsys: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(small_warehouse.warehouse, "movies", DS, run_name("manual__1+00:00"))
    run.record(Entry("clean", "done", "before"))
    ballast = fill(small_disk)
    args = call()
    with pytest.raises(OSError, match="no space left in file://"):
        job.run("clean", args.compute, args)
    assert "the failure could not be recorded in" in caplog.text
    assert run.entry("clean").attempt == "before", "the manifest is whole"
    ballast.unlink()
    assert job.run("clean", args.compute, args) == 0
    assert run.entry("clean").rows == {"users": 2, "items": 0}
    assert list((small_disk / "warehouse").rglob("*.tmp")) == []


@pytest.mark.slow
def test_a_read_only_warehouse_is_named_and_stays(
    small_warehouse: Settings, small_disk: Path, capsys: Captured
) -> None:
    fake_night(small_warehouse, 2, run="second")
    with read_only(small_disk / "warehouse"):
        assert cli.main(publish_words("second")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"error: {small_warehouse.warehouse} cannot be written: ")
    assert both(small_warehouse) == (expected(1), expected(1))
    assert cli.main(publish_words("second")) == 0
    assert both(small_warehouse) == (expected(2), expected(2))


def test_a_disk_that_is_full_from_the_start_is_told(
    small_disk: Path, config: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(small_disk / "warehouse"))
    ballast = fill(small_disk)
    words = ["pin", "--domain", "movies", "--ds", DS, "--run", "r"]
    assert cli.main(words) == 1
    assert "no space left in file://" in capsys.readouterr().err.splitlines()[-1]
    ballast.unlink()
    assert cli.main(words) == 3  # there is room now, and nothing was ever imported


def test_a_job_in_a_process_of_its_own(config: Settings) -> None:
    """What Airflow sees: standard output is one line of JSON, the last line of the error tells why."""
    fake_night(config, 1)
    words = [sys.executable, "-m", "jobs", *publish_words("run")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["task"]) == (0, "publish")
    failed = subprocess.run([*words[:-1], "none"], capture_output=True, text=True)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.splitlines()[-1].startswith("error: run none of movies")
    assert both(config) == (expected(1), expected(1))
