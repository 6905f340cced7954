"""The landing folder: a batch is there whole or not at all."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from jobs.errors import InputError
from jobs.storage import landing
from jobs.storage.landing import batch_name, landed, new_batch

ROWS = pa.RecordBatch.from_pydict({"item_id": ["1", "2", "3"]})
DAY = "2018-09-24"


def put(folder: str, name: str, ds: str = DAY) -> None:
    with new_batch(folder, "movies", ds, name, {"format": "csv"}) as batch:
        batch.add("items.csv", "c0ffee", "items", [ROWS])


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return (tmp_path / "landing").as_uri()


def test_a_batch_is_seen_with_the_addresses_of_its_rows(folder: str) -> None:
    put(folder, "b1")
    (file,) = landed(folder, "movies", DAY)
    assert (file.path, file.checksum, file.table, file.rows) == ("items.csv", "c0ffee", "items", 3)
    assert file.data == (f"{folder}/movies/{DAY}/b1/items/0.parquet",)
    assert pq.read_table(file.data[0].removeprefix("file://"))["item_id"].to_pylist() == ["1", "2", "3"]


def test_nights_up_to_ds_in_their_order_and_other_domains_apart(folder: str) -> None:
    for name, ds in (("b2", "2018-09-25"), ("b1", "2018-09-24"), ("b3", "2018-09-26")):
        put(folder, name, ds)
    assert [file.data[0].split("/")[-3] for file in landed(folder, "movies", "2018-09-25")] == ["b1", "b2"]
    assert landed(folder, "music", "2018-09-26") == []


def test_an_error_leaves_nothing(folder: str, tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield ROWS
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), new_batch(folder, "movies", DAY, "b1", {}) as batch:
        batch.add("items.csv", "c0ffee", "items", broken())
    assert landed(folder, "movies", DAY) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_batch_of_the_same_name_is_replaced(folder: str) -> None:
    put(folder, "b1")
    with new_batch(folder, "movies", DAY, "b1", {}) as batch:
        batch.add("other.csv", "c0ffee", "items", [])
    assert [(file.path, file.rows, file.data) for file in landed(folder, "movies", DAY)] == [("other.csv", 0, ())]


def test_large_files_become_several(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "ROWS_PER_FILE", 5)
    with new_batch(folder, "movies", DAY, "b1", {}) as batch:
        batch.add("a.csv", "aa", "items", [ROWS] * 3)
        batch.add("b.csv", "bb", "items", [ROWS])
    one, two = landed(folder, "movies", DAY)
    assert [address.rsplit("/", 1)[1] for address in one.data + two.data] == ["0.parquet", "1.parquet", "2.parquet"]
    assert [pq.read_metadata(address.removeprefix("file://")).num_rows for address in one.data] == [6, 3]


def test_two_imports_of_the_same_files_do_not_meet(folder: str) -> None:
    with new_batch(folder, "movies", DAY, "b1", {}), pytest.raises(InputError, match="another import"):
        put(folder, "b1")
    put(folder, "b2")


KILLED = f"""
import sys
import pyarrow as pa
from jobs.storage.landing import new_batch
with new_batch(sys.argv[1], "movies", {DAY!r}, "b1", {{}}) as batch:
    batch.add("items.csv", "c0ffee", "items", [pa.RecordBatch.from_pydict({{"item_id": ["1"]}})])
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_kill_leaves_nothing_that_is_seen_and_the_next_import_clears_it(folder: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"written\n"
        assert landed(folder, "movies", DAY) == []
        os.kill(killed.pid, signal.SIGKILL)
    assert landed(folder, "movies", DAY) == []
    put(folder, "b1")
    assert len(landed(folder, "movies", DAY)) == 1
    assert list((tmp_path / "landing" / ".aside").iterdir()) == []


def test_an_object_store_shows_a_batch_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    monkeypatch.setattr("jobs.storage.files.filesystem", lambda address: (store, address.removeprefix("s3://")))
    (tmp_path / "bucket").mkdir()
    with new_batch("s3://bucket", "movies", DAY, "b1", {}) as batch:
        batch.add("items.csv", "c0ffee", "items", [ROWS])
        assert landed("s3://bucket", "movies", DAY) == []
    (file,) = landed("s3://bucket", "movies", DAY)
    assert file.data == (f"s3://bucket/movies/{DAY}/b1/items/0.parquet",)
    with pytest.raises(ZeroDivisionError), new_batch("s3://bucket", "movies", DAY, "b1", {}):
        raise ZeroDivisionError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_name_stands_for_the_files() -> None:
    one = batch_name({"a.csv": "1", "b.csv": "2"})
    assert one == batch_name({"b.csv": "2", "a.csv": "1"})
    assert len({one, batch_name({"a.csv": "2", "b.csv": "1"}), batch_name({"a.csv": "1"})}) == 3
    assert len(one) == 16
