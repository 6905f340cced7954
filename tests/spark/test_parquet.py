"""Files of object stores go through Arrow in the tasks: the same rows as Spark's own reader and writer."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.spark import parquet
from jobs.storage import files, frames

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("tags", pa.list_(pa.string())),
        ("n", pa.int32()),
    ]
)
ROWS = [
    {"id": f"ü{n}", "ts": n * 1_000_001 - 5, "value": None if n % 3 else n / 7, "tags": ["a", "b"][: n % 3], "n": n % 4}
    for n in range(50)
]


@pytest.fixture
def through_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is one of Hadoop's."""
    monkeypatch.setattr(parquet, "HADOOP", ("hdfs://",))


def sorted_rows(frame: DataFrame) -> list[tuple[object, ...]]:
    return sorted(map(tuple, frame.select(*sorted(frame.columns)).collect()), key=repr)


def test_both_readers_give_the_same_rows(session: SparkSession, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    paths = [frames.write(table.slice(20 * n, 20), folder, f"part-{n}") for n in range(3)]
    paths.append(frames.write(pa.table({"id": ["old"]}), folder, "without-columns"))
    expected = sorted_rows(parquet.read_files(session, paths, SCHEMA))
    monkeypatch.setattr(parquet, "HADOOP", ("hdfs://",))
    assert sorted_rows(parquet.read_files(session, paths, SCHEMA)) == expected
    assert len(expected) == 51
    assert parquet.read_files(session, [], SCHEMA).count() == 0


def test_what_arrow_writes_spark_reads_back(
    session: SparkSession, folder: str, through_arrow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [frames.write(pa.Table.from_pylist(ROWS, schema=SCHEMA), folder)]
    frame = parquet.read_files(session, paths, SCHEMA)
    expected = sorted_rows(frame)
    parquet.write_folder(frame.repartition(3, "id").sortWithinPartitions("id"), f"{folder}/plain", SCHEMA)
    written = files.listing(f"{folder}/plain", ".parquet")
    assert len(written) == 3
    for path in written:
        ids = pq.read_table(path.removeprefix("file://"))["id"].to_pylist()
        assert ids == sorted(ids)
    parquet.write_folder(frame.repartition(2, "id"), f"{folder}/parted", SCHEMA, "n")
    assert files.folders(f"{folder}/parted") == [f"n={n}" for n in range(4)]
    again = parquet.read_folder(session, f"{folder}/parted", SCHEMA, "n")
    assert sorted_rows(again) == expected
    monkeypatch.setattr(parquet, "HADOOP", ("file://",))
    assert sorted_rows(parquet.read_folder(session, f"{folder}/plain", SCHEMA)) == expected
    assert sorted_rows(parquet.read_folder(session, f"{folder}/parted", SCHEMA, "n")) == expected


@pytest.mark.parametrize("name", ["a[b-c]d", "{0}", "a*b", "%20", "a\\b", "é日 it's & $X"])
def test_folders_whose_names_are_patterns_elsewhere_are_found(session: SparkSession, folder: str, name: str) -> None:
    table = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    frame = parquet.read_files(session, [frames.write(table, f"{folder}/{name}")], SCHEMA)
    parquet.write_folder(frame, f"{folder}/{name}/again", SCHEMA)
    assert parquet.read_folder(session, f"{folder}/{name}/again", SCHEMA).count() == len(ROWS)
    assert len(files.listing(f"{folder}/{name}/again", ".parquet")) >= 1


def test_a_table_without_rows_has_a_file(session: SparkSession, folder: str, through_arrow: None) -> None:
    nothing = session.range(0).select(F.col("id").cast("string").alias("id"))
    parquet.write_folder(nothing, f"{folder}/empty", pa.schema([("id", pa.string())]))
    (path,) = files.listing(f"{folder}/empty", ".parquet")
    assert files.parquet_rows(path) == 0


def test_a_task_that_is_tried_again_writes_the_same_file(
    session: SparkSession, folder: str, tmp_path: Path, through_arrow: None
) -> None:
    frame = session.range(0, 10, 1, 1).select(F.col("id").cast("string").alias("id"))
    for _ in range(2):
        parquet.write_folder(frame, f"{folder}/twice", pa.schema([("id", pa.string())]))
    assert [path.rsplit("/", 1)[1] for path in files.listing(f"{folder}/twice")] == ["part-00000.parquet"]
