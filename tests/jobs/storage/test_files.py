"""Files at addresses, on a real disk."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.errors import InputError
from jobs.storage import files, frames

SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])


@pytest.fixture
def place(tmp_path: Path) -> str:
    """An address with signs that a URI would escape."""
    return f"file://{tmp_path}/ä %20's"


def test_a_file_is_replaced_whole(place: str) -> None:
    assert files.read_bytes(f"{place}/x") is None
    files.write_bytes(f"{place}/x", b"one")
    files.write_bytes(f"{place}/x", b"")
    assert files.read_bytes(f"{place}/x") == b""
    assert files.listing(place) == [f"{place}/x"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(place: str) -> None:
    files.write_bytes(f"{place}/x", b"one")
    with pytest.raises(TypeError):
        files.write_bytes(f"{place}/x", 3)  # type: ignore[arg-type]
    assert files.read_bytes(f"{place}/x") == b"one"
    assert files.listing(place) == [f"{place}/x"]


def test_listing_and_folders(place: str) -> None:
    for name in ("b.parquet", "a.parquet", "a.txt", "sub/c.parquet"):
        files.write_bytes(f"{place}/{name}", b"x")
    assert files.listing(place, ".parquet") == [f"{place}/a.parquet", f"{place}/b.parquet"]
    assert files.listing(place, ".parquet", recursive=True)[-1] == f"{place}/sub/c.parquet"
    assert files.folders(place) == ["sub"]
    assert files.listing(f"{place}/none") == files.folders(f"{place}/none") == []


def test_folders_are_copied_renamed_and_removed(place: str, tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "weights").write_bytes(b"w")
    files.upload(str(source), f"{place}/up")
    files.rename_folder(f"{place}/up", f"{place}/new/name")
    files.download(f"{place}/new/name", str(tmp_path / "back"))
    assert (tmp_path / "back" / "deep" / "weights").read_bytes() == b"w"
    files.delete_folder(f"{place}/new")
    files.delete_folder(f"{place}/new")
    assert files.folders(place) == []


def test_rows_of_parquet_files(place: str) -> None:
    full = frames.write(pa.table({"a": [1, 2]}), f"{place}/t", "full")
    empty = frames.write(pa.table({"a": []}), f"{place}/t", "empty")
    assert list(files.nonempty([full, empty])) == [(full, 2)]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut off"])
def test_a_broken_parquet_file_is_named(place: str, content: bytes | None) -> None:
    if content is not None:
        files.write_bytes(f"{place}/x.parquet", content)
    with pytest.raises(InputError, match=r"x\.parquet: not a whole Parquet file .* import its source again"):
        files.parquet_rows(f"{place}/x.parquet")


def test_frames_have_the_columns_asked_for(place: str) -> None:
    """Three files of different times: one without `b`, one with a column more, one of another integer type."""
    one = frames.write(pa.table({"a": [1]}), place, "one")
    two = frames.write(pa.table({"c": [0.5], "b": ["é"], "a": [2]}), place, "two")
    three = frames.write(pa.table({"a": pa.array([3], pa.int32()), "b": pa.array(["x"])}), place, "three")
    rows = frames.read([one, two, three], SCHEMA)
    assert rows.schema == SCHEMA
    assert rows.to_pydict() == {"a": [1, 2, 3], "b": [None, "é", "x"]}
    assert frames.read([two], SCHEMA, columns=["b"]).to_pydict() == {"b": ["é"]}
    assert frames.read([], SCHEMA).to_pydict() == {"a": [], "b": []}


def test_columns_are_encoded_as_asked_for(place: str) -> None:
    table = pa.table({"row": pa.array([4, 4, 5], pa.int32()), "feature": pa.array([7, 9, 2], pa.int32())})
    address = frames.write(table, place, encodings={"feature": "DELTA_BINARY_PACKED"})
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        group = pq.ParquetFile(source).metadata.row_group(0)
    assert group.column(0).has_dictionary_page
    assert not group.column(1).has_dictionary_page
    assert "DELTA_BINARY_PACKED" in group.column(1).encodings
    assert frames.read([address], table.schema).equals(table)


def test_a_frame_lies_where_it_says(place: str, tmp_path: Path) -> None:
    address = frames.write(pa.table({"a": [1]}), f"{place}/t")
    assert address == f"{place}/t/part-0.parquet"
    assert pq.read_table(tmp_path / "ä %20's" / "t" / "part-0.parquet").to_pydict() == {"a": [1]}
