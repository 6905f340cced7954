"""A [catalog], warehouse or landing folder that cannot be: one line, exit code 2, nothing made."""

from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalogBaseTable
from sqlalchemy import Engine

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog_loading import open_catalog

Captured = pytest.CaptureFixture[str]
STATUS, CHECK = ["status"], ["config", "check"]
MESSAGES = {
    'type = "nosuch"': "(type = 'nosuch', uri = '') does not open: type must be one of rest, hive, ",
    'type = "sql"': "(type = 'sql', uri = '') does not open: uri is missing; ",
    'uri = "nosuch://x"': "uri = 'nosuch://x') does not open: Could not infer the catalog type",
    'type = "sql"\nuri = "nosuch://x"': "uri = 'nosuch://x') does not open: Can't load plugin: ",
    'type = "sql"\nuri = "sqlite:////nonexistent/x.db"': "does not open: there is no folder /nonexistent; ",
}


def one_line(capsys: Captured) -> str:
    """The one line of standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("words", [STATUS, CHECK], ids=" ".join)
@pytest.mark.parametrize(("section", "message"), MESSAGES.items())
def test_a_catalog_that_cannot_be_is_wrong_input(
    words: list[str], section: str, message: str, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:  # fmt: skip
    (tmp_path / "encore.toml").write_text(f"[catalog]\n{section}\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(tmp_path / "encore.toml"))
    assert main(words) == 2
    line = one_line(capsys)
    assert line.startswith("error: [catalog] of ENCORE_CONFIG (type = ")
    assert message in line
    assert "--uri" not in line
    assert not Path("/nonexistent").exists()


def test_a_command_that_reads_makes_no_database(
    shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "encore.toml").write_text(f'[catalog]\nuri = "sqlite:///{tmp_path}/x.db"\n')
    monkeypatch.setenv("ENCORE_CONFIG", str(tmp_path / "encore.toml"))
    assert main(["tables", "ls"]) == 2
    assert f"does not open: no file {tmp_path}/x.db; " in one_line(capsys)
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    "section",
    ['type = "rest"\nuri = "http://localhost:1"', 'uri = "postgresql+psycopg2://encore:hidden@127.0.0.1:1/x"'],
)
def test_a_catalog_that_does_not_answer_is_a_fault_in_one_line(
    section: str, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "encore.toml").write_text(f"[catalog]\n{section}\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(tmp_path / "encore.toml"))
    assert main(["tables", "ls"]) == 1
    line = one_line(capsys)
    assert line.startswith("error: [catalog] of ENCORE_CONFIG (type = ")
    assert "does not answer: " in line
    assert "hidden" not in line


IMPORT = ["import", "csv", "interactions.csv", "--domain=movies", "--ds=2020-01-01"]
READING = (STATUS, CHECK, ["tables", "ls"], ["tables", "check"], ["user", "a", "--domain=movies"], IMPORT)


@pytest.mark.parametrize("words", READING, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file.txt", "file.txt is a file, it must be a folder; "),
        ("file.txt/below", "file.txt is a file, it must be a folder; "),
        ("loop", "loop is a link to itself, it must be a folder; "),
        ("nosuch://x", "nosuch://x: no storage has such addresses; name a path, or an address file://, s3://"),
    ],
)
def test_a_warehouse_that_cannot_be_is_wrong_input(
    words: list[str], place: str, message: str, config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:  # fmt: skip
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,kind\na,b,rating\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_WAREHOUSE", place)
    assert main(words) == 2
    line = one_line(capsys)
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize(
    "words", [CHECK, ["deliveries", "ls", "--domain=movies"], IMPORT], ids=lambda w: " ".join(w[:2])
)
@pytest.mark.parametrize("place", ["file.txt", "loop", "nosuch://x"])
def test_a_landing_folder_that_cannot_be_is_wrong_input(
    words: list[str], place: str, config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,kind\na,b,rating\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_LANDING", place)
    assert main(words) == 2
    line = one_line(capsys)
    assert line.startswith("error: ENCORE_LANDING=")
    assert place in line


def test_tables_that_others_make_meanwhile_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two tables of a new catalog is made by somebody else between the look and the making."""
    make, left = SqlCatalogBaseTable.metadata.create_all, list(SqlCatalogBaseTable.metadata.sorted_tables)

    def race(engine: Engine) -> None:
        if left:
            table = left.pop()
            table.create(engine, checkfirst=False)  # theirs
            table.create(engine, checkfirst=False)  # ours, which fails
        make(engine)

    monkeypatch.setattr(SqlCatalogBaseTable.metadata, "create_all", race)
    assert open_catalog(tmp_path.as_uri(), {}).list_namespaces() == []
    assert left == []
