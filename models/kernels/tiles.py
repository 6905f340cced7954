"""One tile of the comparison: the rows of one block against the rows of another.

Head features are multiplied dense on one side: 64 rows of it are one panel, laid out a band of features at a time, and
each feature of a sparse row adds 64 products. Where a panel's rows are full its head is most features, where they are
not hardly any: see `blocks`. Tail features are scattered: each adds its holders' products at their 16-bit positions.
Both add in the order of the features' ranks, in float32 without reassociation, so that a pair's product has the same
bits in any tile.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.kernels.blocks import DENSE_COST, MAX_ROWS
from models.kernels.candidates import add, score
from models.kernels.compilation import kernel
from models.kernels.measures import bound, similarity
from models.kernels.vectors import LANES, add_panel, copy, exceeding, lowest_bit, prefetch

BAND = 1024  # features of a panel at a time: for 64 rows (256 KiB) they stay in the second-level cache
SUMS = 2**22  # sums (16 MiB) of the group of queries that share a panel: as many times less is it laid out
MIN_SUMS = 2**20  # 256 queries of a full block, however few entries there are
LOOK_COST = 0.5  # one look at a product costs as much as this many scattered products
LINE = 16  # float32 of a cache line
AHEAD = 4  # features whose holders are fetched before they are needed: in the tail they lie far apart

Array = npt.NDArray[Any]


class Memory(NamedTuple):
    """Working memory of a thread, for tile after tile: the system would have to clear every page of fresh memory."""

    sums: Array  # float32 [MIN_SUMS to SUMS, + MAX_ROWS]: [panel][query][lane]
    dense: Array  # float32 [BAND · LANES]: a band of a panel, [feature][lane]
    products: Array  # float32 [MAX_ROWS]
    limits: Array  # float32 [6, MAX_ROWS]: four of the block, see `_scan`, and the limits of the queries
    places: Array  # int64 [MAX_ROWS], where the features of a query's tail begin
    rows: Array  # int64 [LANES], the next entry of each row of a panel


def memory(entries: int) -> Memory:
    """Makes the working memory of one thread. entries: of the rows compared, which are worth no more sums."""
    sums = lines(min(max(entries, MIN_SUMS), SUMS) + MAX_ROWS)
    dense, products, limits = (lines(n) for n in (BAND * LANES, MAX_ROWS, 6 * MAX_ROWS))
    places, rows = np.empty(MAX_ROWS, np.int64), np.empty(LANES, np.int64)
    return Memory(sums, dense, products, limits.reshape(6, MAX_ROWS), places, rows)


def lines(n: int) -> Array:
    """float32 [n] from the begin of a cache line: vectors that cross one take 1.6 times as long."""
    some = np.empty(n + LINE, np.float32)
    low = -(some.ctypes.data // some.itemsize) % LINE
    return some[low : low + n]


@kernel
def cost(queries, block, itself):  # type: ignore[no-untyped-def]
    """What comparing the queries with the block costs, in scattered products; half of it where they are the block."""
    products = LOOK_COST * len(block.bound_size) * len(queries.numbers)
    dense = len(block.depths)
    for f in range(len(block.runs)):
        while dense > 0 and block.depths[dense - 1] <= f:
            dense -= 1
        scattered = np.int64(block.runs[f, 1]) - block.runs[f, 0]
        products += (DENSE_COST * dense + scattered) * (np.int64(queries.first[f + 1]) - queries.first[f])
    return products / 2 if itself else products


@kernel(_nrt=False)
def _lay(dense, block, rows, panel, low, high):  # type: ignore[no-untyped-def]
    """Features low..high of the panel's rows, dense [feature][lane]; rows: each one's entry to go on from."""
    dense[: (high - low) * LANES] = 0
    for lane in range(min(LANES, len(block.numbers) - panel * LANES)):
        p, end, column = rows[lane], block.start[panel * LANES + lane + 1], lane - low * LANES
        while p < end and block.ranks[p] < high:
            dense[block.ranks[p] * LANES + column] = block.values[p]
            p += 1
        rows[lane] = p


@kernel(_nrt=False)
def _head(sums, at, queries, low, high, block, panel, memory):  # type: ignore[no-untyped-def]
    """Set the sums of queries low..high to their products with a panel's head, a band of features at a time.

    Their places are then those of the features behind it.
    """
    depth, first, dense, places, rows = block.depths[panel], panel * LANES, memory.dense, memory.places, memory.rows
    sums[at : at + (high - low) * LANES] = 0
    for q in range(low, high):
        places[q - low] = queries.start[q]
    for lane in range(min(LANES, len(block.numbers) - first)):
        rows[lane] = block.start[first + lane]
    for band in range(0, depth, BAND):
        upper = min(band + BAND, depth)
        _lay(dense, block, rows, panel, band, upper)
        for q in range(low, high):
            target, place, end = at + (q - low) * LANES, places[q - low], queries.start[q + 1]
            places[q - low] = add_panel(
                sums, target, queries.ranks, queries.values, place, end, upper, dense, -band * LANES
            )


@kernel(_nrt=False)
def _tail(products, ranks, values, low, high, block, runs, met):  # type: ignore[no-untyped-def]
    """Scatter the products of a query's features low..high onto its sums.

    runs: the holders of each feature that are left. A query that is one of them, by a feature from `met` on, is taken
    out: the rows before have met it.
    """
    holders, weights = block.holders, block.weights
    for p in range(low, high):
        ahead = np.int64(runs[ranks[min(p + AHEAD, high - 1)], 0])
        prefetch(holders, ahead)
        prefetch(weights, ahead)
        value, f = values[p], ranks[p]
        if f >= met:
            runs[f, 0] += np.uint32(1)
        for t in range(np.int64(runs[f, 0]), np.int64(runs[f, 1])):
            products[holders[t]] += value * weights[t]


@kernel
def _limit(rule, kept, block, owned, by_size, by_scale):  # type: ignore[no-untyped-def]
    """Set what a product must exceed to matter to the block's rows, float32 [n padded]: see `measures.bound`."""
    by_size[:], by_scale[:] = np.inf, 0
    if owned:
        for r, slot in enumerate(block.slots):
            by_size[r], by_scale[r] = bound(rule, score(kept.floor[slot]), block.size[r], block.bound_scale[r])


@kernel(_nrt=False)
def _scan(rule, kept, products, q, queries, by_size, by_scale, block, limits, after):  # type: ignore[no-untyped-def]
    """Offer query q and the block's rows to each other where their product can matter.

    by_size, by_scale: the query's limits. limits: the bounds of the block, and the limits of its rows, kept up to date.
    after: the block's row to start after.
    """
    sizes, scales, by_sizes, by_scales = limits[0], limits[1], limits[2], limits[3]
    number, size, scale = queries.numbers[q], queries.bound_size[q], queries.bound_scale[q]
    exact_size, exact_scale, slot = queries.size[q], queries.scale[q], queries.slots[q]
    keys, filled, floor, k = kept.keys, kept.filled, kept.floor, kept.k
    for low in range(
        len(products) - LANES, (after + 1) // LANES * LANES - 1, -LANES
    ):  # lightest rows first: the likeliest to be close
        mine = exceeding(products, low, sizes, by_size, scales, by_scale)
        theirs = exceeding(products, low, by_sizes, size, by_scales, scale)
        either = mine | theirs
        while either != 0:
            bit = either & (~either + np.uint64(1))
            j = low + lowest_bit(either)
            either ^= bit
            if j <= after or block.numbers[j] == number:
                continue
            value = similarity(rule, products[j], exact_size, exact_scale, block.size[j], block.scale[j])
            if mine & bit and add(keys, filled, floor, k, slot, value, block.numbers[j]):
                by_size, by_scale = bound(rule, score(floor[slot]), exact_size, scale)
            if theirs & bit and add(keys, filled, floor, k, block.slots[j], value, number):
                least = score(floor[block.slots[j]])
                by_sizes[j], by_scales[j] = bound(rule, least, block.size[j], block.bound_scale[j])


@kernel
def compare(rule, kept, queries, block, queries_own, block_owns, itself, memory):  # type: ignore[no-untyped-def]
    """Compare every query with every row of the block; keep the candidates of the sides that own candidates.

    itself: the queries are the block; each pair of its rows is then met once. memory: of this thread alone.
    """
    n, width = len(queries.numbers), len(block.bound_size)
    if n == 0 or width == 0:
        return
    panels, every = width // LANES, len(block.runs)
    group = min(n, (len(memory.sums) - MAX_ROWS) // width)
    stride = (group + 1) * LANES  # of sums[panel][query][lane], which are written in the order of memory
    products, limits = memory.products[:width], memory.limits[:4, :width]
    runs = block.runs.copy() if itself else block.runs
    limits[0], limits[1] = block.bound_size, block.bound_scale
    _limit(rule, kept, block, block_owns, limits[2], limits[3])
    by_size, by_scale = memory.limits[2 if itself else 4], memory.limits[3 if itself else 5]
    if not itself:
        _limit(rule, kept, queries, queries_own, by_size, by_scale)
    for low in range(0, n, group):
        high = min(low + group, n)
        for panel in range(low // LANES if itself else 0, panels):
            later = min(high, (panel + 1) * LANES) if itself else high  # queries behind it have met its rows
            _head(memory.sums, panel * stride, queries, low, later, block, panel, memory)
        for q in range(low, high):
            for panel in range(q // LANES if itself else 0, panels):
                copy(products, panel * LANES, memory.sums, panel * stride + (q - low) * LANES)
            met = block.depths[q // LANES] if itself else every
            begin, end = memory.places[q - low], queries.start[q + 1]
            _tail(products, queries.ranks, queries.values, begin, end, block, runs, met)
            after = q if itself else -1
            _scan(rule, kept, products, q, queries, by_size[q], by_scale[q], block, limits, after)
