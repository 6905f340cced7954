"""One tile of the comparison: the rows of one block against the rows of another.

Head features are multiplied dense on one side: 64 rows of it are one panel, and each feature of a sparse row adds
64 products. Tail features are scattered: each adds its holders' products at their 16-bit positions. Both add in the
order of the features' ranks, in float32 without reassociation, so that a pair's product has the same bits in any tile.
"""

import hashlib
from pathlib import Path
from typing import Any

import numba
import numpy as np

from models.blocks import DENSE_COST, Block
from models.candidates import add, score
from models.measures import bound, similarity
from models.vectors import LANES, add_panel, copy, exceeding, lowest_bit, prefetch

QUERIES = 128  # rows that share a pass over the panels: their sums (2 MiB a block) stay in the shared cache
LOOK_COST = 0.5  # one look at a product costs as much as this many scattered products
AHEAD = 4  # features whose holders are fetched before they are needed: in the tail they lie far apart


@numba.njit(cache=True, nogil=True)
def cost(queries, block, itself):  # type: ignore[no-untyped-def]
    """What comparing the queries with the block costs, in scattered products; half of it where they are the block."""
    width = len(block.bound_size)
    products = DENSE_COST * (width // LANES) * queries.first[block.dense] + LOOK_COST * width * len(queries.numbers)
    for f in range(block.dense, len(block.first) - 1):
        products += (queries.first[f + 1] - queries.first[f]) * (block.first[f + 1] - block.first[f])
    return products / 2 if itself else products


@numba.njit(cache=True, nogil=True)
def panels(block: Block) -> Any:
    """The block's head features, dense: float32 [panels · dense · LANES]."""
    dense = np.zeros((len(block.bound_size) // LANES, block.dense, LANES), np.float32)
    for f in range(block.dense):
        for t in range(block.first[f], block.first[f + 1]):
            r = np.int64(block.holders[t])
            dense[r // LANES, f, r % LANES] = block.weights[t]
    return dense.reshape(-1)


@numba.njit(cache=True, nogil=True, _nrt=False)
def _head(sums, queries, low, high, ends, block, dense, start):  # type: ignore[no-untyped-def]
    """Head products of queries low..high with the block's panels from `start` on.

    Laid out sums[panel][query][lane], so that they are written in the order of memory.
    """
    stride = (QUERIES + 1) * LANES
    for panel in range(start, len(block.bound_size) // LANES):
        base = panel * block.dense * LANES
        for q in range(low, high):
            at = panel * stride + (q - low) * LANES
            add_panel(sums, at, queries.ranks, queries.values, queries.start[q], ends[q], dense, base)


@numba.njit(cache=True, nogil=True, _nrt=False)
def _row(products, sums, query, ranks, values, low, high, block, begin, behind, start):  # type: ignore[no-untyped-def]
    """One query's products with the block: its head sums, and the tail features low..high scattered onto them.

    begin: where each feature's holders are read from; it moves `behind` the query where the block is its own, since
    the rows before have met it.
    """
    stride = (QUERIES + 1) * LANES
    for panel in range(start, len(products) // LANES):
        copy(products, panel * LANES, sums, panel * stride + query * LANES)
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
        width = len(block.bound_size)
        dense = panels(block)
        sums = np.empty(width // LANES * (QUERIES + 1) * LANES, np.float32)
        products = np.empty(width, np.float32)
        begin = block.first[:-1].copy() if itself else block.first
        by_sizes, by_scales = _limits(rule, kept, block, block_owns)
        by_size, by_scale = (by_sizes, by_scales) if itself else _limits(rule, kept, queries, queries_own)
        ends = np.empty(len(queries.numbers), np.int64)
        for q in range(len(ends)):
            own = queries.ranks[queries.start[q] : queries.start[q + 1]]
            ends[q] = queries.start[q] + np.searchsorted(own, block.dense)
        for low in range(0, len(ends), QUERIES):
            high = min(low + QUERIES, len(ends))
            panel = low // LANES if itself else 0
            _head(sums, queries, low, high, ends, block, dense, panel)
            for q in range(low, high):
                tail = queries.start[q + 1]
                _row(products, sums, q - low, queries.ranks, queries.values, ends[q], tail, block, begin, itself, panel)
                after = q if itself else -1
                _scan(rule, kept, products, q, queries, by_size[q], by_scale[q], block, by_sizes, by_scales, after)

    return compare


def _sources() -> str:
    """A digest of the modules that are compiled into `compare`."""
    here = Path(__file__).parent
    modules = ("blocks", "candidates", "measures", "tiles", "vectors")
    return hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in modules)).hexdigest()


compare = _compiled(_sources())
