"""Pieces of work: every row in exactly one, of about equal cost, and no more of it in memory than a task may hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.similarity import pieces
from jobs.similarity.matrix import COUNTS, ENTRIES, ComparedRows
from jobs.similarity.pieces import BlockSize, cost, feature_work, read_piece
from jobs.storage import frames

ROWS, FEATURES, BLOCK_ROWS = 100, 40, 16


@pytest.fixture
def rows(tmp_path: Path) -> ComparedRows:
    """Rows on storage in blocks of 16; half of all hold feature 0, row 37 holds every feature."""
    random = np.random.default_rng(4)
    there = random.random((ROWS, FEATURES)) < 0.1
    there[::2, 0], there[1::2, 1], there[37] = True, True, True
    there[60] = False
    folder = tmp_path.as_uri()
    row, feature = np.nonzero(there)
    for block in range(-(-ROWS // BLOCK_ROWS)):
        mine = row // BLOCK_ROWS == block
        columns = [row[mine].astype(np.int32), feature[mine].astype(np.int32), np.ones(mine.sum())]
        frames.write(pa.table(columns, ENTRIES), f"{folder}/blocks/block=events.{block}")
    counts = there.sum(axis=0)
    frames.write(pa.table([np.arange(FEATURES, dtype=np.int32), counts], COUNTS), f"{folder}/counts/matrix=events")
    return ComparedRows(folder, "events")


def sizes(rows: ComparedRows) -> list[BlockSize]:
    blocks = [(number, rows.block(number)) for number in rows.blocks]
    every = sum(len(block.rows) for _, block in blocks)
    return [
        BlockSize(n, len(b.rows), cost(int(feature_work(b, rows.counts).sum()), len(b.rows), every)) for n, b in blocks
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 13, 400])
def test_every_row_is_in_one_piece(rows: ComparedRows, count: int) -> None:
    result = sizes(rows)
    every = sum(size.rows for size in result)
    taken, costs = [], []
    for piece in pieces.cut_pieces(result, count):
        mine = list(read_piece(rows, piece, every))
        taken += [row for block in mine for row in block.rows.tolist()]
        costs.append(sum(int(cost(feature_work(block, rows.counts), 1, every).sum()) for block in mine))
    assert taken == [row for row in range(ROWS) if row != 60]
    dearest = max(int(cost(feature_work(rows.block(n), rows.counts), 1, every).max()) for n in rows.blocks)
    assert max(costs) <= sum(costs) / count + dearest


def test_work_counts_the_rows_that_share_a_feature(rows: ComparedRows) -> None:
    dense = np.zeros((ROWS, FEATURES))
    for number in rows.blocks:
        block = rows.block(number)
        dense[block.rows] = block.matrix.toarray()
    both = (dense @ dense.T).sum(axis=1)
    result = np.concatenate([feature_work(rows.block(number), rows.counts) for number in rows.blocks])
    np.testing.assert_array_equal(result, both[both > 0])


@pytest.mark.parametrize(("limit", "most"), [("PASS_ROWS", 20), ("PASS_ENTRIES", 100)])
def test_a_task_takes_no_more_rows_at_once_than_it_has_memory_for(
    rows: ComparedRows, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(pieces, limit, most)
    [piece] = pieces.cut_pieces(sizes(rows), 1)
    passes = list(read_piece(rows, piece, ROWS - 1))
    held = [len(block.rows) if limit == "PASS_ROWS" else block.matrix.nnz for block in passes]
    largest = max(len(rows.block(n).rows) if limit == "PASS_ROWS" else rows.block(n).matrix.nnz for n in rows.blocks)
    assert len(passes) > 1
    assert max(held) < most + largest
    assert [row for block in passes for row in block.rows.tolist()] == [row for row in range(ROWS) if row != 60]
