"""What commands print: no control code reaches a terminal, and a reader that goes away ends them quietly."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs import output
from jobs.cli import main
from jobs.settings import Settings
from tests.support.nights import publish

Captured = pytest.CaptureFixture[str]
BELL = "\x1b]0;owned\x07Film\x9b2J\x7f\r\u202e"  # a window's title, an erased screen, text from right to left
SHOWN = "\\x1b]0;owned\\x07Film\\x9b2J\\x7f\\r\\u202e"


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["tables", "--help"],
        ["config", "show"],
        ["tables", "ls"],
        ["tables", "sql", "FROM range(10000)", "--format", "csv"],
        ["deliveries", "ls", "--domain", "movies", "--format", "json"],
    ],
    ids=" ".join,
)
def test_a_command_ends_quietly_where_nobody_reads(shared: Settings, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([sys.executable, "-m", "jobs", *words], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    quiet = [128 + signal.SIGPIPE, *([0] if words[-1] == "--help" else [])]  # argparse passes over what it cannot print
    assert (ended.returncode in quiet, ended.stderr) == (True, b"")


def test_an_error_of_a_socket_is_told_as_any_other(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def gone(*_: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("jobs.cli.run", gone)
    assert main(["config", "check"]) == 1
    assert capsys.readouterr().err.endswith("error: config: BrokenPipeError: [Errno 32] Broken pipe\n")


def test_untrusted_text_is_shown_without_control_codes(published: Settings, capsys: Captured) -> None:
    def disguise(rows: dict[str, list[dict[str, Any]]]) -> None:
        for row in rows["items"]:
            row["title"] = BELL
        for row in rows["recommendations"]:
            row["because"] = BELL

    publish(published, 2, ds="2026-11-21", broken=disguise)
    capsys.readouterr()
    titles = "SELECT title FROM latest.items"
    for words in (
        ["user", "u1", "--domain", "movies"],
        ["user", "u1", "--domain", "movies", "--format", "json"],
        ["report", "--domain", "movies"],
        ["tables", "sql", titles],
        ["tables", "sql", titles, "--format", "json"],
        ["tables", "sql", f"SELECT error('{BELL}')"],
        ["user", BELL, "--domain", "movies"],
    ):
        main(words)
        streams = capsys.readouterr()
        assert output.CONTROL.findall(streams.out + streams.err) == [], words
        if "json" in words:
            assert BELL in str(json.loads(streams.out)).encode().decode("unicode_escape", "ignore") or BELL in [
                row.get("title") for row in [*_rows(json.loads(streams.out))]
            ]
        elif words[0] != "user" or words[1] == "u1":
            assert SHOWN in streams.out + streams.err, words
    main(["tables", "sql", titles, "--format", "csv"])
    assert BELL in capsys.readouterr().out  # a file gets all as it is


def _rows(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [row for rows in value.values() if isinstance(rows, list) for row in rows]
    return list(value)


def test_csv_for_a_terminal_has_no_control_codes(
    published: Settings, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["tables", "sql", "SELECT chr(27) || 'x' AS x", "--format", "csv"]) == 0
    assert "\\x1bx" in capsys.readouterr().out


def test_what_an_import_says_of_files_has_no_control_codes(config: Settings, tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "in\x1b[2J"
    folder.mkdir()
    (folder / "interactions\x1b[31m.csv").write_text("x\n1\n")
    (folder / "interactions.csv").write_text(f"user_id,item_id,kind,ts,age\nu,{BELL!s},rating,2024-05-01,1\n")
    main(["import", "csv", str(folder), "--domain", "movies", "--ds", "2024-05-01"])
    streams = capsys.readouterr()
    assert output.CONTROL.findall(streams.out + streams.err) == []
    assert "interactions\\x1b[31m.csv" in streams.out + streams.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_encoding_of_the_output_lacks_is_shown_as_escapes(encoding: str) -> None:
    program = "from jobs import output; output.prepare(); output.say('3 rows → items\\udcff')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment)
    assert (ended.returncode, ended.stdout) == (0, b"3 rows \\u2192 items\\udcff\n")


def test_output_that_is_closed_is_no_fault() -> None:
    ended = subprocess.run(f"{sys.executable} -m jobs --help >&-", shell=True, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
