"""`encore tables check`: silent on what nights leave behind, and it names what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.runs import Entry
from tests.support.fakes import DS, fake_night, publish_words
from tests.support.nights import make_old, publish, warehouse
from tests.support.warehouse import borrowed, use

NEXT = "2026-11-21"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normal nights, a run published twice, a re-run, a rollback, two domains."""
    folder = tmp_path_factory.mktemp("normal")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = use(folder, monkeypatch)
        publish(config, 1, ds=DS, run="first")
        assert main(publish_words("first")) == 0
        publish(config, 2, ds=DS, run="again")
        assert main(["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "first"]) == 0
        publish(config, 3, ds=NEXT, domain="music")
    return folder


@pytest.fixture
def normal(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The warehouse as it was made."""
    with borrowed(made, monkeypatch) as config:
        yield config


@pytest.fixture
def catalog(normal: Settings) -> Catalog:
    """The catalog, without Encore."""
    folder = warehouse(normal)
    return load_catalog("encore", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/tables")


def findings(capsys: Captured, *words: str) -> list[tuple[str, str, str]]:
    """(kind, thing, detail) of all findings; the exit code says whether there are any."""
    capsys.readouterr()
    code = main(["tables", "check", "--format", "json", *words])
    result = json.loads(capsys.readouterr().out)["findings"]
    assert code == (1 if result else 0)
    return [(finding["kind"], finding["thing"], finding["detail"]) for finding in result]


def local(address: str) -> Path:
    return Path(address.removeprefix("file://"))


def a_file(config: Settings, name: str) -> str:
    """The address of the file of a table on the music night."""
    [(_, path)] = Tables(config).current_files(name, "music", NEXT)
    return path


def test_normal_nights_re_runs_and_a_rollback_are_clean(normal: Settings, capsys: Captured) -> None:
    assert findings(capsys, "--grace-hours", "0") == []
    assert main(["tables", "check"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"0 findings in {normal.warehouse}"


def test_a_missing_file_is_found(normal: Settings, capsys: Captured) -> None:
    path = a_file(normal, "recommendations")
    local(path).unlink()
    assert findings(capsys) == [("missing", path, "table recommendations refers to it, with 12 rows")]
    assert main(["tables", "check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"missing: {path}: table recommendations refers to it, with 12 rows",
        f"1 findings in {normal.warehouse}",
    ]


def test_a_file_with_other_rows_is_found(normal: Settings, capsys: Captured) -> None:
    path = a_file(normal, "users")
    pq.write_table(pq.ParquetFile(local(path)).read().slice(1), local(path))
    assert findings(capsys) == [("rows", path, "table users knows 4 rows, the file has 3")]


@pytest.mark.parametrize("name", ["interactions", "models", "runs"])
def test_a_damaged_file_is_found(normal: Settings, capsys: Captured, name: str) -> None:
    path = a_file(normal, name)
    local(path).write_bytes(b"PAR1 and then nothing")
    result = findings(capsys)
    assert result[0][:2] == ("damaged", path)
    assert result[0][2].startswith(f"table {name} refers to it: ")


def test_a_lost_metadata_file_is_found(normal: Settings, capsys: Captured) -> None:
    path = Tables(normal).metadata_location("items")
    local(path).unlink()
    [(kind, thing, detail)] = findings(capsys)
    assert (kind, thing) == ("metadata", "table items")
    assert local(path).name in detail


def test_a_failed_attempt_is_an_orphan_at_once(normal: Settings, capsys: Captured) -> None:
    night = fake_night(normal, 4, ds="2026-11-22")
    assert findings(capsys) == []
    attempt = night.run.new_attempt("clean")
    (local(attempt) / "items").mkdir(parents=True)
    (local(attempt) / "items" / "part-0.parquet").write_bytes(b"x" * 2048)
    assert findings(capsys) == []  # it may be under way
    night.run.record(Entry("clean", "failed", attempt.rsplit("/", 1)[1], error="out of memory"))
    message = "1 files that no table, tag or manifest refers to; `encore tables expire` removes them"
    assert ("orphan", attempt, message) in findings(capsys)
    assert main(["tables", "check"]) == 1
    assert f"orphan: {attempt}: {message} (2.0 KiB)" in capsys.readouterr().out.splitlines()


def test_an_attempt_that_was_killed_long_ago_is_an_orphan(normal: Settings, capsys: Captured) -> None:
    night = fake_night(normal, 4, ds="2026-11-22")
    attempt = night.run.new_attempt("item_similarity")
    local(attempt).mkdir(parents=True)
    (local(attempt) / "half.parquet").touch()
    assert findings(capsys) == []
    make_old(local(attempt))
    assert [finding[:2] for finding in findings(capsys)] == [("orphan", attempt)]


def test_superseded_attempts_of_a_published_run_are_no_finding(normal: Settings, capsys: Captured) -> None:
    folder = warehouse(normal) / "runs" / "music" / NEXT / "run" / "clean" / "superseded"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"x" * 1024)
    make_old(folder)
    assert findings(capsys) == []
    assert main(["tables", "check"]) == 0
    assert "no fault: 1 leftovers or attempts under way, 1.0 KiB" in capsys.readouterr().out
    assert main(["tables", "expire"]) == 0
    assert not folder.exists()


def test_files_that_belong_to_no_run_are_found(normal: Settings, capsys: Captured) -> None:
    (warehouse(normal) / "runs" / "notes.txt").write_text("mine")
    folder = warehouse(normal) / "runs" / "games" / NEXT / "lost" / "clean" / "a"
    folder.mkdir(parents=True)
    (folder / "x.parquet").write_bytes(b"1")
    result = [finding[:2] for finding in findings(capsys)]
    assert result == [("orphan", f"file://{folder}"), ("orphan", f"{normal.warehouse}/runs/notes.txt")]


def test_a_complete_night_whose_tag_is_missing_is_found(normal: Settings, catalog: Catalog, capsys: Captured) -> None:
    catalog.load_table("encore.items").manage_snapshots().remove_tag(f"music.{NEXT}.run.1").commit()
    message = f"music {NEXT} is complete, but its tag music.{NEXT}.run.1 is missing; publish the run again"
    assert findings(capsys) == [("tag", "table items", message)]
    assert main(publish_words("run", domain="music", ds=NEXT)) == 0
    assert findings(capsys) == []


def test_a_tag_without_its_row_in_runs_is_found(normal: Settings, catalog: Catalog, capsys: Captured) -> None:
    from pyiceberg.expressions import EqualTo

    catalog.load_table("encore.runs").delete(EqualTo("domain", "music"))
    assert findings(capsys) == []  # a publication under way looks the same
    result = findings(capsys, "--grace-hours", "0")
    assert {thing for kind, thing, _ in result if kind == "tag"} >= {
        f"table {name}, music.{NEXT}.run.1" for name in ("files", "items", "recommendations", "runs")
    }


@pytest.mark.parametrize(
    ("content", "message"), [(json.dumps({"format": 99}), "format 99 is newer than 2"), ("{", "Expecting")]
)
def test_a_format_that_is_not_read_is_found(normal: Settings, capsys: Captured, content: str, message: str) -> None:
    (warehouse(normal) / "format.json").write_text(content)
    [(kind, thing, detail)] = findings(capsys)
    assert (kind, thing) == ("format", normal.warehouse)
    assert message in detail


def test_a_lost_artifact_is_found(normal: Settings, capsys: Captured) -> None:
    gone = f"{normal.warehouse}/runs/games/{NEXT}/run/train_item_knn/b/artifact"

    def trained(rows: dict[str, list[dict[str, Any]]]) -> None:
        rows["models"][1]["artifact"] = gone

    publish(normal, 4, domain="games", ds=NEXT, broken=trained)
    assert findings(capsys) == [("missing", f"{gone}/", "table models names it as the artifact of a model")]


def test_where_there_is_no_warehouse_nothing_is_found(config: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "check"]) == 2
    assert capsys.readouterr().err.startswith(f"error: warehouse {config.warehouse}: nothing published there yet; ")
