"""One tile of the comparison: the rows of one block against the rows of another.

Head features are multiplied dense on one side: 64 rows of it are one panel, laid out a band of features at a time, and
each feature of a sparse row adds 64 products. Where rows are full the head is most features, where they are not hardly
any: see `blocks`. Tail features are scattered: each adds its holders' products at their 16-bit positions. Both add in
the order of the features' ranks, in float32 without reassociation, so that a pair's product has the same bits in any
tile.
"""

import hashlib
from pathlib import Path
from typing import Any

import numba
import numpy as np

from models.blocks import DENSE_COST
from models.candidates import add, score
from models.measures import bound, similarity
from models.vectors import LANES, add_panel, copy, exceeding, lowest_bit, prefetch

BAND = 1024  # features of a panel at a time: for 64 rows (256 KiB) they stay in the second-level cache
SUMS = 2**21  # sums (8 MiB) of the group of queries that share a panel: they stay in the shared cache
LEAST_GROUP = 128  # queries
LOOK_COST = 0.5  # one look at a product costs as much as this many scattered products
AHEAD = 4  # features whose holders are fetched before they are needed: in the tail they lie far apart


@numba.njit(cache=True, nogil=True)
def cost(queries, block, itself):  # type: ignore[no-untyped-def]
    """What comparing the queries with the block costs, in scattered products; half of it where they are the block."""
    width = len(block.bound_size)
    products = LOOK_COST * width * len(queries.numbers)
    for f in range(len(block.first) - 1):
        held = queries.first[f + 1] - queries.first[f]
        if f < block.dense:
            products += held * DENSE_COST * (width // LANES)
        else:
            products += held * (block.first[f + 1] - block.first[f])
    return products / 2 if itself else products


@numba.njit(cache=True, nogil=True, _nrt=False)
def _lay(dense, block, place, panel, low, high):  # type: ignore[no-untyped-def]
    """Features low..high of the panel's rows, dense [feature][lane]; place: each row's entry to go on from."""
    dense[: (high - low) * LANES] = 0
    for r in range(panel * LANES, min((panel + 1) * LANES, len(place))):
        p, column = place[r], r - (panel + low) * LANES
        while p < block.start[r + 1] and block.ranks[p] < high:
            dense[block.ranks[p] * LANES + column] = block.values[p]
            p += 1
        place[r] = p


@numba.njit(cache=True, nogil=True, _nrt=False)
def _head(sums, at, queries, low, high, begin, end, dense, band):  # type: ignore[no-untyped-def]
    """Add the products of queries low..high, their entries begin..end, with a panel's features from `band` on."""
    for q in range(low, high):
        target = at + (q - low) * LANES
        add_panel(sums, target, queries.ranks, queries.values, begin[q], end[q], dense, -band * LANES)


@numba.njit(cache=True, nogil=True, _nrt=False)
def _tail(products, ranks, values, low, high, block, begin, behind):  # type: ignore[no-untyped-def]
    """Scatter the products of a query's features low..high onto its sums.

    begin: where each feature's holders are read from; it moves `behind` the query where the block is its own, since
    the rows before have met it.
    """
    first, holders, weights = block.first, block.holders, block.weights
    for p in range(low, high):
        ahead = begin[ranks[min(p + AHEAD, high - 1)]]
        prefetch(holders, ahead)
        prefetch(weights, ahead)
        value = values[p]
        begin[ranks[p]] += behind
        for t in range(begin[ranks[p]], first[ranks[p] + 1]):
            products[holders[t]] += value * weights[t]


@numba.njit(cache=True, nogil=True)
def _limits(rule, kept, block, owned):  # type: ignore[no-untyped-def]
    """What a product must exceed to matter to the block's rows, float32 [n padded], twice: see `measures.bound`."""
    by_size = np.full(len(block.bound_size), np.inf, np.float32)
    by_scale = np.zeros(len(block.bound_size), np.float32)
    if owned:
        for r, slot in enumerate(block.slots):
            by_size[r], by_scale[r] = bound(rule, score(kept.floor[slot]), block.size[r], block.bound_scale[r])
    return by_size, by_scale


@numba.njit(cache=True, nogil=True, _nrt=False)
def _scan(rule, kept, products, q, queries, by_size, by_scale, block, by_sizes, by_scales, after):  # type: ignore[no-untyped-def]
    """Offer query q and the block's rows to each other where their product can matter.

    by_size, by_scale: the query's limits; by_sizes, by_scales: those of the block's rows, kept up to date.
    after: the block's row to start after.
    """
    number, size, scale = queries.numbers[q], queries.bound_size[q], queries.bound_scale[q]
    exact_size, exact_scale, slot = queries.size[q], queries.scale[q], queries.slots[q]
    keys, filled, floor, k = kept.keys, kept.filled, kept.floor, kept.k
    for low in range(
        len(products) - LANES, (after + 1) // LANES * LANES - 1, -LANES
    ):  # lightest rows first: the likeliest to be close
        mine = exceeding(products, low, block.bound_size, by_size, block.bound_scale, by_scale)
        theirs = exceeding(products, low, by_sizes, size, by_scales, scale)
        either = mine | theirs
        while either != 0:
            bit = either & (~either + np.uint64(1))
            j = low + lowest_bit(either)
            either ^= bit
            if j <= after or block.numbers[j] == number:
                continue
            found = similarity(rule, products[j], exact_size, exact_scale, block.size[j], block.scale[j])
            if mine & bit and add(keys, filled, floor, k, slot, found, block.numbers[j]):
                by_size, by_scale = bound(rule, score(floor[slot]), exact_size, scale)
            if theirs & bit and add(keys, filled, floor, k, block.slots[j], found, number):
                least = score(floor[block.slots[j]])
                by_sizes[j], by_scales[j] = bound(rule, least, block.size[j], block.bound_scale[j])


def _compiled(sources: str) -> Any:
    @numba.njit(cache=True, nogil=True)
    def compare(rule, kept, queries, block, queries_own, block_owns, itself):  # type: ignore[no-untyped-def]
        """Compare every query with every row of the block; keep the candidates of the sides that own candidates.

        itself: the queries are the block; each pair of its rows is then met once.
        """
        sources  # noqa: B018 numba's cache does not see changes in modules called from here, but it sees closures
        n, width = len(queries.numbers), len(block.bound_size)
        if n == 0 or width == 0:
            return
        group = min(n, max(LEAST_GROUP, SUMS // width))
        stride = (group + 1) * LANES  # of sums[panel][query][lane], which are written in the order of memory
        sums = np.empty(width // LANES * stride, np.float32)
        dense = np.empty(BAND * LANES, np.float32)
        products = np.empty(width, np.float32)
        begin = block.first[:-1].copy() if itself else block.first
        by_sizes, by_scales = _limits(rule, kept, block, block_owns)
        by_size, by_scale = (by_sizes, by_scales) if itself else _limits(rule, kept, queries, queries_own)
        start, end = queries.start[:-1].copy(), queries.start[:-1].copy()
        place = np.empty(len(block.numbers), np.int64)
        for low in range(0, n, group):
            high = min(low + group, n)
            sums[:] = 0
            place[:] = block.start[:-1]
            for band in range(0, block.dense, BAND):
                upper = min(band + BAND, block.dense)
                for q in range(low, high):
                    start[q] = end[q]
                    while end[q] < queries.start[q + 1] and queries.ranks[end[q]] < upper:
                        end[q] += 1
                for panel in range(low // LANES if itself else 0, width // LANES):
                    _lay(dense, block, place, panel, band, upper)
                    later = min(high, (panel + 1) * LANES) if itself else high  # queries behind it have met its rows
                    _head(sums, panel * stride, queries, low, later, start, end, dense, band)
            for q in range(low, high):
                for panel in range(q // LANES if itself else 0, width // LANES):
                    copy(products, panel * LANES, sums, panel * stride + (q - low) * LANES)
                _tail(products, queries.ranks, queries.values, end[q], queries.start[q + 1], block, begin, itself)
                after = q if itself else -1
                _scan(rule, kept, products, q, queries, by_size[q], by_scale[q], block, by_sizes, by_scales, after)

    return compare


def _sources() -> str:
    """A digest of the modules that are compiled into `compare`."""
    here = Path(__file__).parent
    modules = ("blocks", "candidates", "measures", "tiles", "vectors")
    return hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in modules)).hexdigest()


compare = _compiled(_sources())
