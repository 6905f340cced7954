"""`encore tables export`: plain files that need no catalog."""

import json
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from schemas.names import TABLES
from schemas.tables import TABLES as STATED
from tests.support.fakes import DS, USERS
from tests.support.nights import publish, tree
from tests.support.warehouse import use

NEXT = "2026-11-21"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `two`."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = use(folder, monkeypatch)
        publish(config, 1, ds=DS)
        publish(config, 2, ds=NEXT, run="replaced")
        publish(config, 3, ds=NEXT, run="next", users=(*USERS, "u5"))
        publish(config, 4, ds=DS, domain="music")
    return folder


@pytest.fixture
def two(made: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two nights of movies, one of music, and a run of movies that was replaced; only read."""
    return use(made, monkeypatch)


def test_rows_are_those_of_the_last_complete_nights_for_all_readers(two: Settings, tmp_path: Path) -> None:
    out = tmp_path / "for the others"
    assert main(["tables", "export", "--to", str(out)]) == 0
    with open_tables(Tables(two)) as db:
        for name in TABLES:
            columns = STATED[name].schema.names
            mine = db.execute(f"FROM latest.{name} ORDER BY ALL").to_arrow_table().to_pylist()
            plain = f"read_parquet('{out}/{name}/*/*/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
            theirs = duckdb.sql(f"SELECT {', '.join(columns)} FROM {plain} ORDER BY ALL").to_arrow_table().to_pylist()
            assert theirs == mine, name
            assert mine, name
            frame = pd.read_parquet(out / name)
            lazy = pl.scan_parquet(out / name / "**" / "*.parquet", hive_partitioning=True).collect()
            assert len(frame) == len(lazy) == len(mine)
            assert set(frame.columns) == set(lazy.columns) == set(columns)


def test_layout_and_types(two: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["tables", "export", "--to", str(out), "--domain", "movies", "--table", "interactions"]) == 0
    assert sorted(tree(out)) == [
        "_export.json",
        f"interactions/domain=movies/ds={DS}/part-0.parquet",
        f"interactions/domain=movies/ds={NEXT}/part-0.parquet",
    ]
    schema = pq.ParquetFile(out / "interactions" / "domain=movies" / f"ds={DS}" / "part-0.parquet").schema_arrow
    stated = STATED["interactions"].schema
    assert {field.name: field.type for field in schema} == {
        field.name: field.type for field in stated if field.name not in ("domain", "ds")
    }
    assert json.loads((out / "_export.json").read_text()) == {"nights": {"movies": NEXT}, "rows": {"interactions": 18}}


def test_an_export_takes_the_place_of_an_earlier_one(two: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["tables", "export", "--to", out.as_uri(), "--table", "users", "--domain"]
    assert main([*words, "movies"]) == 0
    assert main([*words, "music"]) == 0
    assert sorted(tree(tmp_path / "out")) == ["_export.json", f"users/domain=music/ds={DS}/part-0.parquet"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out"]


def test_a_table_without_rows_has_columns(config: Settings, tmp_path: Path) -> None:
    publish(config, 1, ds=DS, broken=lambda rows: rows["rejected"].clear())
    assert main(["tables", "export", "--to", str(tmp_path / "out"), "--table", "rejected"]) == 0
    frame = pd.read_parquet(tmp_path / "out" / "rejected")
    assert len(frame) == 0
    assert set(frame.columns) == {"domain", "ds", "file", "line", "reasons", "raw", "delivery"}


def test_what_is_no_export_is_not_replaced(shared: Settings, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "thesis.txt").write_text("all my work")
    assert main(["tables", "export", "--to", str(tmp_path)]) == 2
    assert "it holds files that are no export; name an empty or a new folder" in capsys.readouterr().err
    assert main(["tables", "export", "--to", str(tmp_path / "thesis.txt")]) == 2
    assert "it is a file" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "all my work"
    (tmp_path / "empty").mkdir()
    assert main(["tables", "export", "--to", str(tmp_path / "empty"), "--table", "runs"]) == 0


def test_a_domain_without_a_complete_night_is_named(shared: Settings, tmp_path: Path, capsys: Captured) -> None:
    assert main(["tables", "export", "--to", str(tmp_path / "out"), "--domain", "games"]) == 2
    assert "no complete night of games to export" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_an_error_leaves_the_earlier_export_and_nothing_else(published: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["tables", "export", "--to", str(out), "--table", "models", "--table", "users"]
    assert main(words) == 0
    before = tree(out)
    [(_, path)] = Tables(published).current_files("users", "movies")
    Path(path.removeprefix("file://")).unlink()
    assert main(words) == 1
    assert tree(out) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out"]
