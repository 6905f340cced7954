"""Histories packed into rows of one length: several short histories share a row, so that no work goes into padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from models.histories import Histories, IntArray

Rows = npt.NDArray[np.int32]


@numba.njit(cache=True)
def best_fit(lengths, capacity):  # type: ignore[no-untyped-def]
    """(row, offset) of each piece, int64 [n] both: best fit of pieces that come longest first (Johnson 1973).

    A piece of `lengths` (each 1..capacity) goes behind those of the fullest row that has room, else begins a row.
    """
    n = len(lengths)
    row, offset = np.empty(n, np.int64), np.empty(n, np.int64)
    newest = np.full(capacity + 1, -1, np.int64)  # by free places: the row last put on that pile
    below = np.full(n, -1, np.int64)  # the row under it
    rows = 0
    for piece in range(n):
        free = lengths[piece]
        while free <= capacity and newest[free] < 0:
            free += 1
        if free > capacity:
            free, chosen, rows = capacity, rows, rows + 1
        else:
            chosen = newest[free]
            newest[free] = below[chosen]
        row[piece], offset[piece] = chosen, capacity - free
        left = free - lengths[piece]
        below[chosen] = newest[left]
        newest[left] = chosen
    return row, offset


@dataclass(frozen=True)
class Pieces:
    """Stretches of events, each of one user: starts and lengths, int64 [n], in the arrays of the histories."""

    starts: IntArray
    lengths: IntArray


def newest(histories: Histories, length: int, before: int = 0) -> Pieces:
    """The last `length` events of every user who has any, by user; the newest `before` events do not count."""
    counts = np.diff(histories.indptr) - before
    some = counts > 0
    lengths = np.minimum(counts[some], length)
    return Pieces((histories.indptr[1:] - before)[some] - lengths, lengths)


@dataclass(frozen=True)
class Packed:
    """Pieces in rows: piece p stands in row[p] from column offset[p] on; int64 [n] both, n_rows rows."""

    pieces: Pieces
    row: IntArray
    offset: IntArray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.row.max(initial=-1)) + 1


def pack(pieces: Pieces, length: int, random: np.random.Generator | None = None) -> Packed:
    """The pieces in rows of `length`, in the order of the rows; with `random`, rows and their fellows are drawn."""
    order = np.arange(len(pieces.lengths)) if random is None else random.permutation(len(pieces.lengths))
    order = order[np.argsort(-pieces.lengths[order], kind="stable")]
    row, offset = best_fit(pieces.lengths[order], length)
    if random is not None and len(row):
        row = random.permutation(int(row.max()) + 1)[row]
    by_row = np.argsort(row, kind="stable")
    order = order[by_row]
    return Packed(Pieces(pieces.starts[order], pieces.lengths[order]), row[by_row], offset[by_row])


ITEM, SEGMENT, POSITION, TARGET, TIME = range(5)


def batches(
    histories: Histories, packed: Packed, length: int, rows: int, targets: bool, timed: bool = False
) -> Iterator[Rows]:
    """int32 [rows, 4, length] each: item, segment, position, target of every place; with `timed` [rows, 5, length].

    Segments count the pieces of a batch from 1, 0 is padding (all of it 0). Positions count down to 0 at a piece's
    newest event. The target is the event after, which every event must then have, or 0 without `targets`. The time is
    in seconds since the piece's oldest event; 0 where there are no times.
    """
    for low in range(0, packed.n_rows, rows):
        first, last = np.searchsorted(packed.row, (low, low + rows))
        starts, lengths = packed.pieces.starts[first:last], packed.pieces.lengths[first:last]
        piece = np.repeat(np.arange(last - first), lengths)
        within = np.arange(len(piece)) - (np.cumsum(lengths) - lengths)[piece]
        event = starts[piece] + within
        row, column = packed.row[first:last][piece] - low, packed.offset[first:last][piece] + within
        batch = np.zeros((rows, 5 if timed else 4, length), np.int32)
        batch[row, ITEM, column] = histories.items[event]
        batch[row, SEGMENT, column] = 1 + piece
        batch[row, POSITION, column] = (lengths - 1)[piece] - within
        if targets:
            batch[row, TARGET, column] = histories.items[event + 1]
        if timed and histories.times is not None:
            seconds = (histories.times[event] - histories.times[starts][piece]) // 1_000_000
            batch[row, TIME, column] = np.clip(seconds, 0, np.iinfo(np.int32).max)
        yield batch
