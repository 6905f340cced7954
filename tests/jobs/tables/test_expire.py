"""`encore tables expire` on real Iceberg tables: what goes, what stays, what readers and runs still have."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.tables.expire import LASTING, WHOLE
from schemas.names import TABLES
from tests.support.fakes import USERS, both, expected, fake_night, publish_words, together
from tests.support.killable import killable
from tests.support.nights import make_old, publish, tree, warehouse
from tests.support.warehouse import borrowed, use

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NOW = ["tables", "expire", "--keep-nights", "2", "--grace-hours", "0"]
NIGHTS = ["2026-11-11", "2026-11-12", "2026-11-13", "2026-11-14"]
PEOPLE = (*USERS, "u5", "u6", "u7", "u8")
MUSIC = expected(6, domain="music", ds=NIGHTS[1], users=5)
INPUTS = {"files", "rejected", "held", "replaced", "interactions", "reviews", "vocabulary"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four nights of movies and two of music, marks 1 to 6."""
    folder = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = use(folder, monkeypatch)
        for mark, ds in enumerate(NIGHTS, 1):
            publish(config, mark, ds=ds, users=PEOPLE[: 4 + mark])  # each night has a new user
        publish(config, 5, domain="music", ds=NIGHTS[0])
        publish(config, 6, domain="music", ds=NIGHTS[1], users=PEOPLE[:5])
    return folder


@pytest.fixture
def nights(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The warehouse as it was made."""
    with borrowed(made, monkeypatch) as config:
        yield config


def through_polars(config: Settings, name: str, domain: str) -> list[str]:
    """The nights of a domain in a table, as an independent reader finds them."""
    rows = pl.scan_iceberg(Tables(config).metadata_location(name)).filter(pl.col("domain") == domain)
    return sorted(rows.select(pl.col("ds").unique()).collect()["ds"])


def stored(config: Settings, ds: str, domain: str = "movies") -> set[str]:
    """The tables of which the night's runs still have files."""
    files = (warehouse(config) / "runs" / domain / ds).rglob("*.parquet")
    return {file.parent.name for file in files}


def clean() -> bool:
    return main(["tables", "check", "--grace-hours", "0"]) == 0


def test_every_table_is_judged() -> None:
    assert set(LASTING) == INPUTS
    assert set(WHOLE) == {"items", "users"}


def test_old_nights_go_and_what_came_in_stays(nights: Settings) -> None:
    music = tree(warehouse(nights) / "runs" / "music")
    last = tree(warehouse(nights) / "runs" / "movies" / NIGHTS[3])
    assert main(NOW) == 0
    for name in TABLES:
        kept = NIGHTS if name in INPUTS else NIGHTS[1:] if name in ("items", "users") else NIGHTS[2:]
        assert through_polars(nights, name, "movies") == kept, name
        assert through_polars(nights, name, "music") == NIGHTS[:2], name
    # `runs` keeps its snapshots, and with them the rows of nights that went, as long as their tags stay
    assert stored(nights, NIGHTS[0]) == INPUTS | {"runs"}
    # what the oldest kept night has pinned of the one before, it can read again
    assert stored(nights, NIGHTS[1]) == INPUTS | {"items", "users", "item_vectors", "models", "runs"}
    assert not [*(warehouse(nights) / "runs" / "movies" / NIGHTS[0]).rglob("*.json")]
    assert tree(warehouse(nights) / "runs" / "movies" / NIGHTS[3]) == last
    assert tree(warehouse(nights) / "runs" / "music") == music
    folders = (folder for folder in (warehouse(nights) / "runs").rglob("*") if folder.is_dir())
    assert [folder for folder in folders if not [*folder.iterdir()]] == []
    latest = both(nights)[1]
    assert latest["recommendations"] == together(MUSIC, expected(4, ds=NIGHTS[3], users=8))["recommendations"]
    assert [row[:3] for row in latest["interactions"]] == [
        *(("movies", ds, mark) for mark, ds in enumerate(NIGHTS, 1)),
        *(("music", ds, mark) for mark, ds in enumerate(NIGHTS[:2], 5)),
    ]
    assert clean()


def test_tags_of_old_nights_go_and_kept_ones_hold_their_night(nights: Settings) -> None:
    assert main(NOW) == 0
    tables = Tables(nights)
    kept = {f"movies.{NIGHTS[2]}.run.3": NIGHTS[2], f"movies.{NIGHTS[3]}.run.4": NIGHTS[3]}
    for name in TABLES:
        pointer = tables.pointer(name)
        assert {tag for tag in pointer.tags if tag.startswith("movies")} == kept.keys()
        for tag, ds in kept.items():
            rows = pl.scan_iceberg(pointer.metadata, snapshot_id=pointer.tags[tag]).filter(pl.col("ds") == ds).collect()
            assert not rows.is_empty(), (name, tag)
            assert name != "metrics" or set(rows["value"]) == {int(tag[-1]) / 100}


def test_dry_run_changes_nothing_and_foretells_the_files(nights: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(warehouse(nights))
    assert main([*NOW, "--dry-run"]) == 0
    foretold = capsys.readouterr().out
    assert tree(warehouse(nights)) == before
    assert main(NOW) == 0
    done = capsys.readouterr().out
    assert foretold.splitlines()[0] == "would go:"
    assert foretold.splitlines()[1:] == done.splitlines()[1:]
    gone = {file for file in before if file.startswith("runs/")} - tree(warehouse(nights)).keys()
    assert f"{len(gone)} files, " in done.splitlines()[-1]
    assert "recommendations: 2 partitions, 2 tags, " in done


def test_again_nothing_goes(nights: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(NOW) == 0
    before = tree(warehouse(nights))
    capsys.readouterr()
    assert main(NOW) == 0
    assert capsys.readouterr().out == "gone:\n0 files, 0 B\n"
    assert tree(warehouse(nights)) == before


def test_young_files_stay_and_go_the_next_time(nights: Settings) -> None:
    before = tree(warehouse(nights) / "runs")
    assert main(NOW[:4]) == 0
    assert through_polars(nights, "recommendations", "movies") == NIGHTS[2:]
    assert tree(warehouse(nights) / "runs") == before
    assert clean()  # the manifests of the nights that went still name their files
    make_old(warehouse(nights) / "runs")
    assert main(NOW[:4]) == 0
    assert stored(nights, NIGHTS[0]) == INPUTS | {"runs"}
    assert clean()


def test_one_domain_alone(nights: Settings) -> None:
    publish(nights, 7, domain="music", ds=NIGHTS[2], users=PEOPLE[:5])
    assert main([*NOW, "--domain", "music"]) == 0
    assert through_polars(nights, "metrics", "music") == NIGHTS[1:3]
    assert through_polars(nights, "metrics", "movies") == NIGHTS
    assert stored(nights, NIGHTS[0]) > INPUTS


def test_fewer_nights_than_are_kept(nights: Settings) -> None:
    before = tree(warehouse(nights) / "runs")
    assert main(["tables", "expire", "--grace-hours", "0"]) == 0
    assert tree(warehouse(nights) / "runs") == before
    assert through_polars(nights, "models", "movies") == NIGHTS


def test_a_kept_night_can_be_rolled_back(nights: Settings) -> None:
    publish(nights, 8, ds=NIGHTS[3], run="again", users=PEOPLE)
    assert main(NOW) == 0
    assert main(["tables", "rollback", "--domain", "movies", "--ds", NIGHTS[3], "--to", "run"]) == 0
    latest = both(nights)[1]
    for name in ("items", "recommendations", "metrics"):
        assert latest[name] == together(MUSIC, expected(4, ds=NIGHTS[3], users=8))[name]
    assert clean()


def test_an_expired_night_cannot_be_rolled_back(nights: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(NOW) == 0
    assert main(["tables", "rollback", "--domain", "movies", "--ds", NIGHTS[0], "--to", "run"]) == 2
    assert "run run has not completed movies 2026-11-11" in capsys.readouterr().err


def test_a_night_under_way_is_published_after_it(nights: Settings) -> None:
    fake_night(nights, 9, ds="2026-11-15", run="under_way", users=PEOPLE)
    backfill = fake_night(nights, 9, domain="movies", ds="2026-11-10", run="backfill", users=PEOPLE)
    assert main(NOW[:4]) == 0
    make_old(warehouse(nights) / "runs" / "movies" / NIGHTS[0])
    assert main(NOW[:4]) == 0
    assert main(publish_words("under_way", ds="2026-11-15")) == 0
    assert "recommend" in backfill.run.entries()
    assert through_polars(nights, "recommendations", "movies") == [*NIGHTS[2:], "2026-11-15"]


def test_attempts_that_do_not_count_go(nights: Settings) -> None:
    run = warehouse(nights) / "runs" / "movies" / NIGHTS[3] / "run"
    (run / "clean" / "killed" / "items").mkdir(parents=True)
    (run / "clean" / "killed" / "items" / "part-0.parquet").write_bytes(b"half a file")
    before = tree(warehouse(nights) / "runs")
    assert main(["tables", "expire"]) == 0
    assert tree(warehouse(nights) / "runs") == before
    make_old(run / "clean" / "killed")
    assert main(["tables", "expire"]) == 0
    assert before.keys() - tree(warehouse(nights) / "runs").keys() == {
        f"movies/{NIGHTS[3]}/run/clean/killed/items/part-0.parquet"
    }


def test_artifacts_go_with_the_models_that_name_them(config: Settings) -> None:
    for mark, ds in enumerate(NIGHTS[:3], 1):
        folder = warehouse(config) / "runs" / "movies" / ds / "run" / "train_item_knn" / "b" / "artifact"
        folder.mkdir(parents=True)
        (folder / "model.npz").write_bytes(b"learned")

        def trained(rows: dict[str, list[dict[str, object]]], folder: Path = folder) -> None:
            rows["models"][1]["artifact"] = f"file://{folder}"

        publish(config, mark, ds=ds, broken=trained)
    assert clean()
    assert main(NOW) == 0
    there = {file.parts[-6] for file in (warehouse(config) / "runs").rglob("model.npz")}
    assert there == {NIGHTS[1], NIGHTS[2]}
    assert clean()


def test_nothing_is_deleted_where_a_file_is_missing(nights: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    [(_, lost)] = Tables(nights).current_files("users", "movies", NIGHTS[3])
    Path(lost.removeprefix("file://")).unlink()
    before = tree(warehouse(nights))
    assert main(NOW) == 2
    assert f"table users refers to {lost}, which is not below" in capsys.readouterr().err
    assert tree(warehouse(nights)) == before


def test_a_tag_that_people_made_keeps_its_files(nights: Settings) -> None:
    from pyiceberg.catalog import load_catalog

    folder = warehouse(nights)
    catalog = load_catalog("encore", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/tables")
    table = catalog.load_table("encore.metrics")
    table.manage_snapshots().create_tag(table.metadata.current_snapshot_id, "audit-2026").commit()
    assert main(NOW) == 0
    assert "metrics" in stored(nights, NIGHTS[0])
    audited = catalog.load_table("encore.metrics").scan(snapshot_id=Tables(nights).find_tagged("metrics", "audit-2026"))
    assert set(audited.to_arrow()["ds"].to_pylist()) == set(NIGHTS)


def test_killed_between_tables_it_is_completed_by_the_next_call(nights: Settings) -> None:
    with killable() as run:
        for die, code in ((1, -9), (6, -9), (None, 0)):
            assert run(NOW, die) == code
            if die == 6:
                assert both(nights)[1]["models"] == together(MUSIC, expected(4, ds=NIGHTS[3], users=8))["models"]
    assert through_polars(nights, "recommendations", "movies") == NIGHTS[2:]
    assert stored(nights, NIGHTS[0]) == INPUTS | {"runs"}
    assert clean()


def test_another_domain_publishes_at_the_same_time(nights: Settings) -> None:
    night = fake_night(nights, 7, domain="games", ds=NIGHTS[0])
    words = [sys.executable, "-m", "jobs", *NOW[:4]]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as process:
        for _ in range(3):  # it takes as long as the other's start
            assert main(publish_words("run", domain="games", ds=night.ds)) == 0
        assert process.wait(timeout=60) == 0
    assert through_polars(nights, "recommendations", "movies") == NIGHTS[2:]
    assert through_polars(nights, "recommendations", "games") == NIGHTS[:1]
    assert main(["tables", "check"]) == 0


@pytest.mark.parametrize("words", [["--keep-nights", "0"], ["--keep-nights", "many"], ["--grace-hours", "-1"]])
def test_wrong_numbers_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["tables", "expire", *words])
    assert words[0] in capsys.readouterr().err
