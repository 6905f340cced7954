"""A warehouse, a landing folder and files whose names mean something elsewhere: in URIs, patterns, SQL and shells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from tests.support.fakes import DS, both, expected, fake_night, publish_words
from tests.support.warehouse import use

pytestmark = pytest.mark.slow

NAMES = ["a b", "[a-z]", "%20", "a*b", "é日", "it's", "$HOME", "a;b", "a&b=c", "{0}", "a,b", "~"]
ALL = "w [a-z] %20 * é日 it's $X ; & {0} , +"


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Settings:
    """Settings of a warehouse in a folder of that name."""
    folder = tmp_path / getattr(request, "param", ALL)
    folder.mkdir()
    return use(folder, monkeypatch)


@pytest.mark.parametrize("odd", NAMES, indirect=True)
def test_what_is_published_under_a_name_is_read_from_it(odd: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    fake_night(odd, 1)
    assert main(publish_words("run")) == 0
    assert both(odd) == (expected(1), expected(1))
    assert main(["tables", "check", "--grace-hours", "0"]) == 0
    folder = Path(odd.warehouse.removeprefix("file://"))
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
    assert {path.name for path in folder.iterdir()} >= {"runs", "tables", "format.json"}


def test_all_that_keeps_tables_works_under_such_a_name(odd: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    fake_night(odd, 1, run="first")
    assert main(publish_words("first")) == 0
    fake_night(odd, 2, run="second")
    assert main(publish_words("second")) == 0
    folder = Path(odd.warehouse.removeprefix("file://")).parent
    assert main(["tables", "export", "--to", str(folder / "ex [port]#%41")]) == 0
    assert main(["tables", "backup", "--to", str(folder / "save?d.db")]) == 0
    assert main(["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "first"]) == 0
    assert main(["tables", "expire", "--keep-nights", "1", "--grace-hours", "0"]) == 0
    assert main(["tables", "check", "--grace-hours", "0"]) == 0
    for words in (["status"], ["report", "--domain", "movies"], ["user", "u1", "--domain", "movies"]):
        assert main(words) == 0
    assert main(["tables", "sql", "FROM latest.items", "--format", "csv", "--output", str(folder / "o [x]#?.csv")]) == 0
    assert (folder / "o [x]#?.csv").read_text().count("\n") == 6
    assert list((folder / "ex [port]#%41").rglob("*.parquet"))
    with open_tables(Tables(odd)) as db:
        assert db.execute("SELECT count(*) FROM latest.items").fetchall() == [(5,)]


@pytest.mark.parametrize("name", ["a?b", "#1", "a\nb", 'q"q'])
def test_a_name_that_ends_an_address_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for place in (str(tmp_path / name), f"file://{tmp_path}/{name.replace('#', '%23')}"):
        monkeypatch.setenv("ENCORE_WAREHOUSE", place)
        for words in (["pin", "--domain", "movies", "--ds", DS, "--run", "r"], ["tables", "ls"], ["status"]):
            assert main(words) == 2
            assert "a warehouse's path must be without" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*NAMES, ALL, "a?b", "#1", 'q"q'])
def test_files_of_any_name_are_imported(
    tmp_path: Path, config: Settings, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / f"in {name}"
    folder.mkdir()
    file = folder / f"{name}.csv"
    file.write_text("user_id,item_id,kind,value,ts\nu,i,rating,3,2024-04-30\n")
    words = ["import", "csv", str(file), "--table", "interactions", "--domain", "movies", "--ds", "2024-05-01"]
    assert main(words) == 0
    assert "1 rows → interactions" in capsys.readouterr().out
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["deliveries", "ls", "--domain", "movies"]) == 0
    assert f"{name}.csv" in capsys.readouterr().out


def test_names_in_any_language_need_no_locale(odd: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "вход"
    folder.mkdir()
    (folder / "interactions.csv").write_text("user_id,item_id,kind,value,ts\nu,i,rating,3,2024-04-30\n")
    words = ["import", "csv", str(folder), "--domain", "movies", "--ds", "2024-05-01"]
    environment = {**os.environ, "LC_ALL": "C"}
    ended = subprocess.run([sys.executable, "-m", "jobs", *words], capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "→ interactions (delivery 1)" in ended.stdout
