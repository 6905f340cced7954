"""The landing folder: a batch is there whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.storage import landing
from jobs.storage.deliveries import Delivery, deliveries, identity, new_deliveries, withdraw
from jobs.storage.landing import new_batch

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
    (file,) = deliveries(folder, "movies", DAY)
    assert (file.path, file.checksum, file.table, file.rows) == ("items.csv", "c0ffee", "items", 3)
    assert file.data == (f"{folder}/movies/{DAY}/00000001-b1/items/0.parquet",)
    assert pq.read_table(file.data[0].removeprefix("file://"))["item_id"].to_pylist() == ["1", "2", "3"]


def test_deliveries_are_counted_in_the_order_of_arrival_and_other_domains_apart(folder: str) -> None:
    for name, ds in (("c", "2018-09-25"), ("a", "2018-09-24"), ("b", "2018-09-26")):
        put(folder, name, ds)
    result = deliveries(folder, "movies", "2018-09-25")
    assert [(file.number, file.ds, file.data[0].split("/")[-3]) for file in result] == [
        (1, "2018-09-25", "00000001-c"), (2, "2018-09-24", "00000002-a"),
    ]  # fmt: skip
    assert deliveries(folder, "music", "2018-09-26") == []


def test_the_files_of_an_import_are_numbered_one_by_one_and_know_their_import(folder: str) -> None:
    put(folder, "a")
    with new_batch(folder, "movies", DAY, "b", {"mode": "snapshot"}) as batch:
        for path in ("one.csv", "two.csv"):
            batch.add(path, path, "items", [ROWS])
    put(folder, "c")
    result = [(file.number, file.batch, file.path, file.mode) for file in deliveries(folder, "movies")]
    assert result == [
        (1, 1, "items.csv", "append"), (2, 2, "one.csv", "snapshot"), (3, 2, "two.csv", "snapshot"),
        (4, 4, "items.csv", "append"),
    ]  # fmt: skip


def test_a_number_is_never_given_twice_even_where_an_import_was_removed(folder: str, tmp_path: Path) -> None:
    put(folder, "a")
    put(folder, "b")
    shutil.rmtree(tmp_path / "landing" / "movies" / DAY / "00000002-b")
    put(folder, "c")
    assert [file.number for file in deliveries(folder, "movies")] == [1, 3]


def test_imports_of_before_there_were_numbers_come_first(folder: str, tmp_path: Path) -> None:
    for name in ("0123456789abcdef", "fedcba9876543210"):
        old = tmp_path / "landing" / "movies" / DAY / name
        old.mkdir(parents=True)
        entry = {"path": f"{name}.csv", "checksum": name, "table": "items", "rows": 0, "data": []}
        (old / "batch.json").write_text(json.dumps({"format": "csv", "options": {}, "files": [entry]}))
    put(folder, "a")
    assert [file.number for file in deliveries(folder, "movies")] == [-2, -1, 1]


def test_a_withdrawn_delivery_is_marked_and_stays(folder: str) -> None:
    put(folder, "a")
    put(folder, "b")
    assert [one.number for one in withdraw(folder, "movies", [2, 2])] == [2]
    assert withdraw(folder, "movies", [2]) == []
    assert [(one.number, one.withdrawn) for one in deliveries(folder, "movies")] == [(1, False), (2, True)]


def test_an_unknown_delivery_is_named_and_none_is_withdrawn(folder: str) -> None:
    put(folder, "a")
    with pytest.raises(InputError, match="movies has no delivery 7"):
        withdraw(folder, "movies", [1, 7])
    assert not deliveries(folder, "movies")[0].withdrawn


def test_an_error_leaves_nothing(folder: str, tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield ROWS
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), new_batch(folder, "movies", DAY, "b1", {}) as batch:
        batch.add("items.csv", "c0ffee", "items", broken())
    assert deliveries(folder, "movies", DAY) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_large_files_become_several(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "ROWS_PER_FILE", 5)
    with new_batch(folder, "movies", DAY, "b1", {}) as batch:
        batch.add("a.csv", "aa", "items", [ROWS] * 3)
        batch.add("b.csv", "bb", "items", [ROWS])
    one, two = deliveries(folder, "movies", DAY)
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
        assert deliveries(folder, "movies", DAY) == []
        os.kill(killed.pid, signal.SIGKILL)
    assert deliveries(folder, "movies", DAY) == []
    put(folder, "b1")
    assert len(deliveries(folder, "movies", DAY)) == 1
    assert [path.name for path in (tmp_path / "landing" / ".aside").iterdir()] == ["movies.last"]


def test_the_identity_stands_for_table_mapping_and_content() -> None:
    mapping = {"columns": {"item_id": ["movieId"]}}
    one = identity("items", mapping, ["c0ffee"])
    assert one == identity("items", dict(mapping), ["c0ffee"])
    others = {
        identity("users", mapping, ["c0ffee"]), identity("items", {}, ["c0ffee"]), identity("items", mapping, ["tea"]),
    }  # fmt: skip
    assert len({one, *others}) == 4


def arrived(path: str, mode: str = "append", ds: str = DAY, identity: str = "", number: int = 0) -> Delivery:
    """A delivery of interactions whose bytes are its path."""
    return Delivery(path, path, "interactions", 1, (), number, number, identity or path, ds, mode)


def test_what_is_appended_again_is_no_news_unless_its_night_comes_first() -> None:
    before = [arrived("a", number=1), arrived("b", ds="2018-09-26", number=2)]
    assert new_deliveries([arrived("a"), arrived("b"), arrived("c")], before) == [arrived("b"), arrived("c")]
    assert new_deliveries([arrived("a", ds="2018-09-30")], before) == []


def test_a_withdrawn_file_is_news() -> None:
    assert new_deliveries([arrived("a")], [replace(arrived("a", number=1), withdrawn=True)]) == [arrived("a")]


def test_a_snapshot_that_states_an_older_state_again_is_news() -> None:
    one, two = (arrived(path, "snapshot", number=number) for number, path in enumerate("ab", start=1))
    again = [arrived("a", "snapshot")]
    assert new_deliveries(again, [one]) == []
    assert new_deliveries(again, [one, two]) == again


@pytest.mark.parametrize("mode", ["snapshot", "correction"])
def test_what_arrived_for_a_later_night_is_news_for_an_earlier_one(mode: str) -> None:
    before, later, earlier = [arrived("a", mode, "2018-09-26", number=1)], "2018-09-27", "2018-09-25"
    assert new_deliveries([arrived("a", mode, later)], before) == []
    assert new_deliveries([arrived("a", mode, earlier)], before) == [arrived("a", mode, earlier)]


def test_the_same_bytes_in_another_way_are_refused() -> None:
    with pytest.raises(InputError, match=r"a: these bytes arrived before as interactions, .*delivery 1.*--replace"):
        new_deliveries([arrived("a", identity="other mapping")], [arrived("a", number=1)])
