"""`encore tables backup` and `restore`: the SQLite catalog."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from schemas.tables import TABLES
from tests.support.fakes import both, expected
from tests.support.nights import publish, warehouse

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def saved(published: Settings, tmp_path: Path) -> Path:
    """A backup of a catalog with one night."""
    file = tmp_path / "saved" / "catalog of today.db"
    file.parent.mkdir()
    assert main(["tables", "backup", "--to", str(file)]) == 0
    return file


def restore(file: Path) -> int:
    return main(["tables", "restore", "--from", str(file)])


def test_a_backup_brings_the_tables_back_as_they_were(published: Settings, saved: Path, capsys: Captured) -> None:
    publish(published, 2, ds="2026-11-21", run="later")
    assert both(published)[1]["items"] == expected(2, ds="2026-11-21")["items"]
    assert restore(saved) == 0
    assert both(published) == (expected(1), expected(1))
    kept = warehouse(published) / "catalog.db.replaced-1"
    assert str(kept) in capsys.readouterr().out
    assert restore(kept) == 0
    assert both(published)[1]["items"] == expected(2, ds="2026-11-21")["items"]
    assert (warehouse(published) / "catalog.db.replaced-2").exists()


def test_a_backup_is_a_sound_database_and_nothing_else_is_left(saved: Path) -> None:
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]
    with closing(sqlite3.connect(saved)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM iceberg_tables").fetchall() == [(len(TABLES),)]


def test_a_backup_while_others_write_is_of_one_moment(published: Settings, tmp_path: Path) -> None:
    with closing(sqlite3.connect(warehouse(published) / "catalog.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM iceberg_tables")
        assert main(["tables", "backup", "--to", str(tmp_path / "now.db")]) == 0
        db.execute("ROLLBACK")
    assert restore(tmp_path / "now.db") == 0
    assert both(published) == (expected(1), expected(1))


def test_a_lost_or_damaged_catalog_is_restored(published: Settings, saved: Path) -> None:
    catalog = warehouse(published) / "catalog.db"
    catalog.write_bytes(b"no database" * 1000)
    assert restore(saved) == 0
    assert both(published)[1] == expected(1)
    assert (warehouse(published) / "catalog.db.replaced-1").read_bytes() == b"no database" * 1000
    catalog.unlink()
    assert restore(saved) == 0
    assert both(published)[1] == expected(1)


def test_restore_refuses_while_another_process_writes(
    published: Settings, saved: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.tables.backup.BUSY_SECONDS", 0.1)
    before = sorted(path.name for path in warehouse(published).iterdir())
    with closing(sqlite3.connect(warehouse(published) / "catalog.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert restore(saved) == 2
        db.execute("ROLLBACK")
    assert "in use (database is locked); stop the nights and try again" in capsys.readouterr().err
    assert sorted(path.name for path in warehouse(published).iterdir()) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a text, but no database\n" * 100, "not a SQLite database that can be read"),
        (b"", "not a catalog of Encore"),
    ],
)
def test_what_is_no_backup_is_refused(
    shared: Settings, tmp_path: Path, capsys: Captured, content: bytes, message: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    before = (warehouse(shared) / "catalog.db").read_bytes()
    assert restore(tmp_path / "file") == 2
    assert message in capsys.readouterr().err
    assert restore(tmp_path / "none") == 2
    assert "there is no such file" in capsys.readouterr().err
    assert (warehouse(shared) / "catalog.db").read_bytes() == before
    assert not [*warehouse(shared).glob("*.tmp")]


def test_a_backup_of_another_warehouse_is_refused(
    published: Settings, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "format.json").write_text('{"format": 1}')
    assert restore(saved) == 2
    assert f"not below file://{tmp_path}/other" in capsys.readouterr().err


def test_a_backup_whose_metadata_is_gone_is_refused(published: Settings, saved: Path, capsys: Captured) -> None:
    for file in (warehouse(published) / "tables" / "users" / "metadata").glob("*.metadata.json"):
        file.unlink()
    assert restore(saved) == 2
    assert "table users needs " in capsys.readouterr().err


def test_a_file_that_exists_is_not_overwritten(shared: Settings, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["tables", "backup", "--to", str(tmp_path / "mine")]) == 2
    assert "the file exists; name a new one" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "mine"
    assert main(["tables", "backup", "--to", str(tmp_path / "no" / "folder")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["backup", "--to", "x"], ["restore", "--from", "x"]])
def test_another_catalog_has_a_backup_of_its_own(
    shared: Settings, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    file = tmp_path / "encore.toml"
    file.write_text('[catalog]\ntype = "rest"\nuri = "http://localhost:1"\n')
    monkeypatch.setenv("ENCORE_CONFIG", str(file))
    assert main(["tables", *words]) == 2
    assert "names a catalog of its own (rest): save it by its own backup" in capsys.readouterr().err
