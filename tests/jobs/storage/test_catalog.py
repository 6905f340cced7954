"""The catalog: tables made by several at once, and commits that only one thing changes."""

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table import Transaction

from jobs.errors import InputError
from jobs.settings import ROOT, Settings, load
from jobs.storage.catalog import FORMAT, Tables
from jobs.storage.commits import Changes
from jobs.storage.frames import write
from schemas.names import TABLES
from schemas.tables import TABLES as STATED


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return load({"ENCORE_WAREHOUSE": str(tmp_path / "warehouse")})


@pytest.fixture
def tables(config: Settings) -> Tables:
    made = Tables(config)
    made.create()
    return made


def users(config: Settings, domain: str, ds: str, *ages: int) -> str:
    """A Parquet file of `users`."""
    rows = [{"domain": domain, "ds": ds, "user_id": str(age), "age": age} for age in ages]
    table = pa.Table.from_pylist(rows, schema=STATED["users"].schema)
    return write(table, f"{config.warehouse}/{domain}-{ds}-{'-'.join(map(str, ages))}")


def test_tables_are_as_stated(tables: Tables) -> None:
    for name in TABLES:
        schema = tables._load(name).schema()
        assert [field.name for field in schema.fields] == STATED[name].schema.names
        assert [field.doc for field in schema.fields] == [column.meaning for column in STATED[name].columns]
        assert [field.name for field in tables._load(name).spec().fields] == list(STATED[name].partition)


def test_making_the_tables_again_changes_nothing(tables: Tables, config: Settings) -> None:
    before = {name: tables.metadata_location(name) for name in TABLES}
    Tables(config).create()
    assert {name: tables.metadata_location(name) for name in TABLES} == before


CREATE = """
import sys
from jobs.settings import load
from jobs.storage.catalog import FORMAT, Tables
print("ready", flush=True)
for place in sys.stdin:
    Tables(load({"ENCORE_WAREHOUSE": place.strip()})).create()
    print("made", flush=True)
"""


def test_several_make_the_tables_at_once(tmp_path: Path) -> None:
    """The first tasks of a first night: three domains, one new warehouse. Three times."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([sys.executable, "-c", CREATE], **pipes) for _ in range(3)]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for number in range(3):
            for process in processes:
                process.stdin.write(f"{tmp_path}/{number}\n")
                process.stdin.flush()
            assert [process.stdout.readline() for process in processes] == ["made\n"] * 3
            made = Tables(load({"ENCORE_WAREHOUSE": f"{tmp_path}/{number}"}))
            assert made.snapshots() == dict.fromkeys(TABLES)
    finally:
        for process in processes:
            process.communicate(timeout=30)


def test_replace_touches_its_partition_only(tables: Tables, config: Settings) -> None:
    for domain, ds in (("movies", "2026-11-20"), ("movies", "2026-11-21"), ("music", "2026-11-20")):
        tables.replace("users", {"domain": domain, "ds": ds}, [users(config, domain, ds, 1)], f"{domain}.{ds}.a.1")
    new = [users(config, "movies", "2026-11-20", age) for age in (2, 3)]
    tables.replace("users", {"domain": "movies", "ds": "2026-11-20"}, new, "movies.2026-11-20.b.2")
    assert tables.current_files("users", "movies") == [
        *(("2026-11-20", path) for path in sorted(new)),
        ("2026-11-21", f"{config.warehouse}/movies-2026-11-21-1/part-0.parquet"),
    ]
    assert len(tables.current_files("users", "music")) == 1
    assert tables.current_files("users", "games") == []


def test_a_tag_keeps_the_table_as_it_was(tables: Tables, config: Settings) -> None:
    part = {"domain": "movies", "ds": "2026-11-20"}
    one, two = (users(config, *part.values(), age) for age in (1, 2))
    tables.replace("users", part, [one], "first")
    tables.replace("users", part, [two], "second")
    tables.replace("users", part, [], "third")

    def tagged(tag: str) -> list[str]:
        return [path for _, path in tables.data_files("users", tables.find_tagged("users", tag), domain="movies")]

    assert (tagged("first"), tagged("second"), tagged("third"), tagged("none")) == ([one], [two], [], [])


def test_one_replacement_is_one_commit(tables: Tables, config: Settings) -> None:
    """One new metadata file: no reader can find the partition empty, or the tag missing."""
    part = {"domain": "movies", "ds": "2026-11-20"}
    tables.replace("users", part, [users(config, *part.values(), 1)], "first")
    before = tables._load("users").metadata
    tables.replace("users", part, [users(config, *part.values(), 2)], "second")
    after = tables._load("users").metadata
    assert len(after.metadata_log) == len(before.metadata_log) + 1


def test_metadata_of_a_transaction_follows_its_updates(tables: Tables) -> None:
    table = tables._load("runs")
    changes = Changes(table)
    before = changes.table_metadata
    assert changes.table_metadata is before
    changes.set_properties({"a": "1"})
    computed = Transaction.table_metadata.fget(changes)  # which dates itself anew
    assert changes.table_metadata == computed.model_copy(
        update={"last_updated_ms": changes.table_metadata.last_updated_ms}
    )
    assert changes.table_metadata.properties["a"] == "1" != before.properties.get("a")


def test_nights_before_one(tables: Tables, config: Settings) -> None:
    for ds in ("2026-11-19", "2026-11-20", "2026-11-21"):
        tables.replace("users", {"domain": "movies", "ds": ds}, [users(config, "movies", ds, 1)], f"movies.{ds}.a.1")
    snapshot = tables.snapshots()["users"]
    result = tables.data_files("users", snapshot, domain="movies", before="2026-11-21")
    assert [ds for ds, _ in result] == ["2026-11-19", "2026-11-20"]


COMMIT = """
import sys
from jobs.settings import load
from jobs.storage.catalog import FORMAT, Tables
domain, place, path = sys.argv[1:]
tables = Tables(load({"ENCORE_WAREHOUSE": place}))
tables.pointer("users")
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    tables.replace("users", {"domain": domain, "ds": "2026-11-20"}, [path], f"{domain}.{number}")
"""


def test_commits_to_one_table_at_once_all_land(tables: Tables, config: Settings) -> None:
    """Two processes, eight commits each without a pause: every one leaves its tag, and both partitions are whole."""
    paths = {domain: users(config, domain, "2026-11-20", 1, 2) for domain in ("movies", "music")}
    place = config.warehouse.removeprefix("file://")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [
        subprocess.Popen([sys.executable, "-c", COMMIT, domain, place, path], **pipes) for domain, path in paths.items()
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, message = process.communicate(timeout=60)
        assert process.returncode == 0, message
    tags = tables.pointer("users").tags
    for domain, path in paths.items():
        assert tables.current_files("users", domain) == [("2026-11-20", path)]
        assert {f"{domain}.{number}" for number in range(8)} <= set(tags)
        for number in range(8):
            result = tables.data_files("users", tags[f"{domain}.{number}"], domain=domain)
            assert result == [("2026-11-20", path)]


def test_a_remote_warehouse_needs_a_catalog(tmp_path: Path) -> None:
    config = load({"ENCORE_WAREHOUSE": "hdfs://nowhere/encore"})
    tables = Tables(config)
    tables.check_format = lambda create=False: None  # type: ignore[method-assign]
    with pytest.raises(
        InputError, match=r"ENCORE_WAREHOUSE=hdfs://nowhere/encore: the SQLite catalog needs a local folder"
    ):
        tables.snapshots()


def test_a_catalog_of_the_configuration_is_used(tmp_path: Path) -> None:
    """A SQLite catalog elsewhere stands for REST, Glue and the like."""
    file = tmp_path / "encore.toml"
    file.write_text(f'[catalog]\ntype = "sql"\nuri = "sqlite:///{tmp_path}/elsewhere.db"\n')
    config = load({"ENCORE_WAREHOUSE": str(tmp_path / "warehouse"), "ENCORE_CONFIG": str(file)})
    Tables(config).create()
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "warehouse" / "catalog.db").exists()
    assert Tables(config).snapshots() == dict.fromkeys(TABLES)


# Texts whose first 16 letters have no neighbour above: PyIceberg's bounds raise the last letter.
HARD = ("z" * 15 + "\ud7ff" + "x", "\U0010ffff" * 20, "\ud7ff" * 16 + "y", "\x00" * 17, "\uffff" * 17, "é" * 300)


def test_any_text_is_published(tables: Tables, config: Settings) -> None:
    """Whatever ids hold: each alone, for the bounds are of a file's largest, and 300 made of any letters at random."""
    choose = random.Random(7)
    letters = [chr(code) for code in (*range(1, 0xD800), *range(0xE000, 0x30000))]
    some = ["".join(choose.choices(letters, k=choose.choice((1, 15, 16, 17, 40)))) for _ in range(300)]
    for number, ids in enumerate((*([one] for one in HARD), some)):
        rows = [{"domain": "movies", "ds": "2000-01-01", "user_id": one} for one in ids]
        path = write(pa.Table.from_pylist(rows, schema=STATED["users"].schema), f"{config.warehouse}/{number}")
        tables.replace("users", {"domain": "movies", "ds": "2000-01-01"}, [path], f"movies.2000-01-01.r.{number}")
        assert tables.current_files("users", "movies") == [("2000-01-01", path)]


def test_other_nights_change_in_the_same_commit(tables: Tables, config: Settings) -> None:
    one, two, less = (users(config, "movies", ds, *ages) for ds, *ages in (("d1", 1), ("d2", 2), ("d1", 3)))
    tables.replace("users", {"domain": "movies", "ds": "d1"}, [one], "a")
    before = len(tables._load("users").metadata.snapshots)
    tables.replace("users", {"domain": "movies", "ds": "d2"}, [two], "b", {"d1": [less]})
    assert tables.current_files("users", "movies") == [("d1", less), ("d2", two)]
    assert len(tables._load("users").metadata.snapshots) - before <= 2  # a deletion and the files


def test_an_older_warehouse_takes_the_new_format(tables: Tables, config: Settings, tmp_path: Path) -> None:
    mark = tmp_path / "warehouse" / "format.json"
    mark.write_text('{"format": 1}')
    Tables(config).check_format()  # reading changes nothing
    assert mark.read_text() == '{"format": 1}'
    Tables(config).create()
    assert mark.read_text() == f'{{"format": {FORMAT}}}'
