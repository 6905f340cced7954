"""What events know of time, from footers with statistics and from rows without."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.spark.splits import Times
from jobs.spark.times import known_times

SCHEMA = pa.schema([("user_id", pa.string()), ("ts", pa.timestamp("us", "UTC")), ("ordinal", pa.int64())])
DAYS = [datetime(1970, 1, 3, 23, tzinfo=UTC), None, datetime(1970, 1, 11, tzinfo=UTC), None]
BEFORE_1970 = [datetime(1969, 12, 31, 12, tzinfo=UTC)]
CASES: dict[str, tuple[list[dict[str, Any]], Times]] = {
    "times and one ordinal": ([{"ts": DAYS, "ordinal": [None, 7, None, None]}], Times(4, 2, 1, 10)),
    "several files": ([{"ts": DAYS[:1], "ordinal": [1]}, {"ts": DAYS[1:2], "ordinal": [2]}], Times(2, 1, 2, 2)),
    "nothing": ([{"ts": [None] * 3, "ordinal": [None] * 3}], Times(3, 0, 0, None)),
    "before 1970": ([{"ts": BEFORE_1970, "ordinal": [None]}], Times(1, 1, 0, -1)),
    "no rows": ([{"ts": [], "ordinal": []}], Times(0, 0, 0, None)),
    "no files": ([], Times(0, 0, 0, None)),
}


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_times_of_files(tmp_path: Path, case: str, statistics: bool) -> None:
    files, expected = CASES[case]
    addresses = []
    for number, columns in enumerate(files):
        rows = pa.table({"user_id": ["u"] * len(columns["ts"]), **columns}, schema=SCHEMA)
        pq.write_table(rows, tmp_path / f"{number}.parquet", row_group_size=2, write_statistics=statistics)
        addresses.append((tmp_path / f"{number}.parquet").as_uri())
    assert known_times(addresses) == expected


def test_a_file_without_the_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ts": pa.array(DAYS, SCHEMA.field("ts").type)}), tmp_path / "old.parquet")
    assert known_times([(tmp_path / "old.parquet").as_uri()]) == Times(4, 2, 0, 10)
