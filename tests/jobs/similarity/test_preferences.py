"""Events as preferences: newest values, kinds, times, and what tasks read of files."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.similarity.numbering import NumberedIds, number_ids_in_memory
from jobs.similarity.preferences import PreferenceMerger, merge_preferences
from jobs.spark import event_reader
from jobs.spark.event_reader import EVENT, NONE, EventReader, split_files

DAY = 86_400_000_000


@pytest.fixture
def names(tmp_path: Path) -> NumberedIds:
    return number_ids_in_memory(pa.array(["b", "a", "ä"]), "item_id", (tmp_path / "ids").as_uri())


def table(*rows: tuple[Any, ...]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(EVENT.names, row, strict=True)) for row in rows], EVENT)


def test_the_newest_value_of_each_kind_counts() -> None:
    events = table(
        (1, 7, 0, 2.0, 10, None),
        (0, 9, 1, None, 10, None),  # a kind without values counts 1
        (1, 7, 0, 5.0, 20, None),
        (1, 7, 1, None, 10, None),
        (1, 7, 0, 4.0, None, None),  # no time is before all times
        (0, 3, 0, 3.0, None, 7),
        (0, 3, 0, 1.0, None, 8),  # of equal times, the later place in the user's order
    )
    row, feature, value, newest = merge_preferences(events, [2.0, 0.5])
    assert row.tolist() == [0, 0, 1]
    assert feature.tolist() == [3, 9, 7]
    assert value.tolist() == [2.0, 0.5, 10.5]
    assert newest.tolist() == [NONE, 10, 20]


def test_many_events_equal_the_definition() -> None:
    random = np.random.default_rng(3)
    rows = [
        (int(r), int(f), int(k), float(v), int(t), n)
        for n, (r, f, k, v, t) in enumerate(random.integers(0, [6, 5, 3, 9, 4], (400, 5)))
    ]
    newest: dict[tuple[int, int], dict[int, tuple[int, int, float]]] = defaultdict(dict)
    for r, f, k, v, t, n in rows:
        newest[r, f][k] = max(newest[r, f].get(k, (-1, -1, 0.0)), (t, n, v))
    weights = (1.0, 0.25, 3.0)
    row, feature, value, ts = merge_preferences(table(*rows), weights)
    result = dict(zip(zip(row.tolist(), feature.tolist(), strict=True), zip(value, ts, strict=True), strict=True))
    assert list(result) == sorted(newest)
    for pair, kinds in newest.items():
        expected = sum(weights[k] * v for k, (_, _, v) in kinds.items()), max(t for t, _, _ in kinds.values())
        assert result[pair] == pytest.approx(expected)


def test_no_events_are_no_preferences() -> None:
    assert [len(one) for one in merge_preferences(table(), [1.0])] == [0, 0, 0, 0]


def test_a_preference_of_zero_is_none(names: NumberedIds) -> None:
    result = PreferenceMerger((1.0,), names)(table((0, 0, 0, 0.0, 1, None), (0, 1, 0, 2.0, 1, None)))
    assert result.to_pydict() == {"row": [0], "feature": [1], "value": [2.0]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_no_number_is_named(names: NumberedIds, value: float) -> None:
    with pytest.raises(InputError, match=f"values must be finite, got {value} in row 1"):
        PreferenceMerger((1.0,), names)(table((0, 0, 0, 1.0, 1, None), (1, 0, 0, value, 1, None)))


def test_ages_are_days_to_the_end_and_never_negative(names: NumberedIds) -> None:
    merging = PreferenceMerger((1.0,), names, 10 * DAY, "domains.movies.item_methods")
    result = merging(table((0, 0, 0, 1.0, 10 * DAY - DAY // 4, None), (0, 1, 0, 1.0, 11 * DAY, None)))
    assert result["age_days"].to_pylist() == [0.25, 0.0]
    without = table((2, 0, 0, 1.0, None, None), (2, 1, 0, 1.0, None, None), (2, 2, 0, 1.0, 5, None))
    expected = "recency needs the time of every event; item ä has 2 without; take recency out of domains.movies.item_me"
    with pytest.raises(InputError, match=expected):
        merging(without)


@pytest.mark.parametrize("dictionary", [True, False])
def test_tasks_read_every_event_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dictionary: bool) -> None:
    """Files of one row group and of several, with and without `ordinal`; ids without a number do not count."""
    events = [
        {"user_id": f"u{n % 5}", "item_id": f"ï'{n % 3}", "kind": "purchase" if n % 2 else "play", "value": float(n)}
        for n in range(40)
    ]
    schema = pa.schema(
        [("user_id", pa.string()), ("item_id", pa.string()), ("kind", pa.string()), ("value", pa.float64())]
    )
    schema = schema.append(pa.field("ts", pa.timestamp("us", "UTC")))
    both = pa.Table.from_pylist(events, schema)
    pq.write_table(both.slice(0, 25), tmp_path / "a.parquet", row_group_size=4, use_dictionary=dictionary)
    ordinal = pa.array(range(15), pa.int64())
    pq.write_table(both.slice(25).append_column("ordinal", ordinal), tmp_path / "b.parquet", use_dictionary=dictionary)
    reader = EventReader("item_id", "user_id", (tmp_path / "numbers").as_uri(), ("play", "purchase"))
    reader.write_numbers("item_id", pa.array(["ï'0", "ï'1", "ï'2"]), np.array([2, 1, 0]))
    reader.write_numbers("user_id", pa.array(["u0", "u1", "u2", "u4"]), np.array([10, 11, 12, 14]))
    files = [(tmp_path / name).as_uri() for name in ("a.parquet", "b.parquet")]
    monkeypatch.setattr(event_reader, "READ_BYTES", 700)
    every = split_files(files)
    assert len(every) > 2, "the first file is shared by tasks"
    result = pa.Table.from_batches([batch for share in every for batch in reader.read(share)]).to_pylist()
    known = [n for n in range(40) if n % 5 != 3]
    assert sorted(row["value"] for row in result) == known
    for row in result:
        n = int(row["value"])
        assert (row["row"], row["feature"], row["kind"]) == (2 - n % 3, 10 + n % 5, n % 2)
        assert (row["ts"], row["ordinal"], row["matrix"]) == (None, None if n < 25 else n - 25, 0)
