"""What tasks do with the entries of a matrix before and after their parts are spread, without Spark between."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.similarity import layout
from jobs.similarity.layout import part_writer, sort_entries, store_block
from jobs.similarity.matrix import STORED, ComparedRows, choose_block_rows
from jobs.spark import parts as spark_parts
from jobs.spark.parts import BlockStore, finish_parts
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


def lay_out(dense: Entries, folder: str) -> None:
    """Writes both: two tasks have the cells, and two write the blocks."""
    writer = part_writer(BlockStore(folder, ROWS, BLOCK_ROWS), NAMES, STORED)
    cells = batches(dense, 100)
    parts = pa.Table.from_batches([writer.write_parts(iter(cells[:5]), 0), writer.write_parts(iter(cells[5:]), 7)])
    tasks = [parts.filter(pc.equal(pc.bit_wise_and(parts["block"], 1), odd)) for odd in (0, 1)]
    store = partial(store_block, folder, sort_entries)
    assert [list(finish_parts(writer, store, iter(task.to_batches()))) for task in tasks] == [[], []]


@pytest.mark.parametrize("held", [150, 1 << 20])
def test_blocks_hold_the_cells_sorted(
    dense: Entries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(spark_parts, "HELD_ENTRIES", held)
    lay_out(dense, tmp_path.as_uri())
    for name, cells in dense.items():
        rows = ComparedRows(tmp_path.as_uri(), name)
        assert rows.blocks == [0, 1, 2, 3, 4, 5]
        for block in rows.blocks:
            table = frames.read([f"{tmp_path.as_uri()}/blocks/block={name}.{block}/part-0.parquet"], STORED)
            result = np.array([column.to_numpy() for column in table.columns]).T
            low = block * BLOCK_ROWS
            expected = [(low + i, j, cells[low + i, j], low + i + j) for i, j in np.argwhere(cells[low:][:BLOCK_ROWS])]
            assert result.tolist() == [list(map(float, cell)) for cell in expected]
        assert rows.counts.tolist() == (cells != 0).sum(axis=0).tolist()


def test_a_block_too_large_for_memory_is_an_error(
    dense: Entries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_ENTRIES", 50)
    with pytest.raises(MemoryError, match=r"block \d of \w+ has \d+ entries, a task has memory for 50; lower"):
        lay_out(dense, tmp_path.as_uri())


def test_blocks_of_fuller_rows_have_fewer() -> None:
    assert choose_block_rows(4096, 22_000_000, 26_000) == 4096
    assert choose_block_rows(4096, 44_000_000, 26_000) == 2432  # 1,692 entries a row: 4.1 million a block
    assert choose_block_rows(256, 44_000_000, 26_000) == 256
    assert choose_block_rows(4096, 10**12, 1000) == 64
    assert choose_block_rows(4096, 0, 0) == 64
