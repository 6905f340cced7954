"""Imports on an object store, which can neither rename nor lock: seen when they are whole, and no number twice."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from jobs.settings import Settings
from jobs.storage import files, landing, locks
from jobs.storage.deliveries import deliveries
from jobs.storage.landing import lock_numbers, new_batch

ROWS = pa.RecordBatch.from_pydict({"item_id": ["1", "2", "3"]})
DAY = "2018-09-24"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bucket of a store at `s3://bucket`, which is a folder."""
    store = SubTreeFileSystem(str(tmp_path / "store"), LocalFileSystem())
    local = files.filesystem
    monkeypatch.setattr(
        files,
        "filesystem",
        lambda address: (store, address.removeprefix("s3://")) if address.startswith("s3://") else local(address),
    )
    write = files.write_bytes

    def write_bytes(address: str, content: bytes) -> None:
        if address.startswith("s3://"):  # where a folder need not be there
            (tmp_path / "store" / address.removeprefix("s3://")).parent.mkdir(parents=True, exist_ok=True)
        write(address, content)

    monkeypatch.setattr(files, "write_bytes", write_bytes)
    (tmp_path / "store" / "bucket").mkdir(parents=True)
    return tmp_path / "store" / "bucket"


def test_an_object_store_shows_a_batch_once_it_is_whole(store: Path) -> None:
    with new_batch("s3://bucket", "movies", DAY, "b1", {}) as batch:
        batch.add("items.csv", "c0ffee", "items", [ROWS])
        assert deliveries("s3://bucket", "movies", DAY) == []
    (file,) = deliveries("s3://bucket", "movies", DAY)
    assert re.fullmatch(rf"s3://bucket/movies/{DAY}/00000001-b1-[0-9a-f]{{8}}/items/0.parquet", file.data[0])

    def broken() -> Iterator[pa.RecordBatch]:
        yield ROWS
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), new_batch("s3://bucket", "movies", DAY, "b1", {}) as batch:
        batch.add("items.csv", "c0ffee", "items", broken())
    assert {path.relative_to(store).as_posix() for path in store.rglob("*.parquet")} == {
        file.data[0].removeprefix("s3://bucket/")
    }


def test_imports_on_an_object_store_are_numbered_in_the_order_in_which_they_end(store: Path) -> None:
    with new_batch("s3://bucket", "movies", DAY, "a", {}) as first:
        first.add("a", "a", "items", [ROWS])
        with new_batch("s3://bucket", "movies", DAY, "b", {}) as second:
            second.add("b1", "b", "items", [ROWS])
            second.add("b2", "b", "items", [ROWS])
    (store / ".aside" / "movies.last").unlink()  # as in a landing folder of before numbers were written down
    with new_batch("s3://bucket", "movies", DAY, "c", {}) as third:
        third.add("c", "c", "items", [ROWS])
    numbers = [(one.number, one.batch, one.path) for one in deliveries("s3://bucket", "movies")]
    assert numbers == [(1, 1, "b1"), (2, 1, "b2"), (3, 3, "a"), (4, 4, "c")]


def test_imports_that_end_at_the_same_time_on_an_object_store_share_no_number(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock all of them read the last number before one has written its own."""
    last_given, began = landing._find_last_number, threading.Barrier(4)
    monkeypatch.setattr(locks, "POLL", 0.02)
    monkeypatch.setattr(landing, "_find_last_number", lambda *where: (last_given(*where), time.sleep(0.05))[0])
    config = Settings(warehouse=(tmp_path / "warehouse").as_uri(), landing="s3://bucket")

    def work(name: str) -> None:
        with new_batch("s3://bucket", "movies", DAY, name, {}, lock_numbers(config, "movies")) as batch:
            batch.add(name, name, "items", [ROWS])
            began.wait(60)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert [one.number for one in deliveries("s3://bucket", "movies")] == [1, 2, 3, 4]
