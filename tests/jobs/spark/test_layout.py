"""What tasks do with the entries of a matrix before and after the shuffle, without Spark between."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs import layout
from jobs.layout import packed, stored
from jobs.matrix import STORED, Rows
from jobs.storage import frames

ROWS, FEATURES, BLOCK_ROWS = 90, 30, 16
NAMES = ("events", "text")
Entries = dict[str, np.ndarray]


@pytest.fixture
def dense() -> Entries:
    """Two matrices, a third of whose cells are set."""
    random = np.random.default_rng(5)
    return {name: np.where(random.random((ROWS, FEATURES)) < 0.3, random.random((ROWS, FEATURES)), 0) for name in NAMES}


def batches(dense: Entries, size: int) -> list[pa.RecordBatch]:
    """The cells of both in random order, as Spark gives them to a task."""
    cells = [(n, i, j, x[i, j], float(i + j)) for n, x in enumerate(dense.values()) for i, j in np.argwhere(x)]
    order = np.random.default_rng(6).permutation(len(cells))
    fields = [pa.field("matrix", pa.int8()), *STORED]
    columns = zip(*(cells[n] for n in order), strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields)).to_batches(size)


def laid_out(dense: Entries, folder: str) -> list[pa.Table]:
    """Writes both, and returns the counts of each block."""
    blocks = defaultdict(list)
    for batch in packed(STORED, BLOCK_ROWS)(iter(batches(dense, 100))):
        for name, block, part in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            blocks[name, block].append(part)
    store = stored(STORED, NAMES, folder)
    parts = {key: pa.table({"entries": pa.array(found, pa.binary())}) for key, found in blocks.items()}
    return [store(tuple(map(pa.scalar, key)), table) for key, table in parts.items()]


@pytest.mark.parametrize("held", [150, 1 << 20])
def test_blocks_hold_the_cells_sorted(
    dense: Entries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(layout, "PACKED_ENTRIES", held)
    counts = pa.concat_tables(laid_out(dense, tmp_path.as_uri()))
    for name, cells in dense.items():
        rows = Rows(tmp_path.as_uri(), name)
        assert rows.blocks == [0, 1, 2, 3, 4, 5]
        for block in rows.blocks:
            table = frames.read([f"{tmp_path.as_uri()}/blocks/block={name}.{block}/part-0.parquet"], STORED)
            found = np.array([column.to_numpy() for column in table.columns]).T
            low = block * BLOCK_ROWS
            expected = [(low + i, j, cells[low + i, j], low + i + j) for i, j in np.argwhere(cells[low:][:BLOCK_ROWS])]
            assert found.tolist() == [list(map(float, cell)) for cell in expected]
        mine = [row for row in counts.to_pylist() if row["matrix"] == name]
        summed = np.zeros(FEATURES, int)
        for row in mine:
            summed[row["feature"]] += row["rows"]
        assert summed.tolist() == (cells != 0).sum(axis=0).tolist()


def test_a_block_too_large_for_memory_is_an_error(
    dense: Entries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_ENTRIES", 50)
    with pytest.raises(MemoryError, match=r"block \d of \w+ has \d+ entries, a task has memory for 50; lower"):
        laid_out(dense, tmp_path.as_uri())
