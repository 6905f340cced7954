"""Blocks of sparse rows, laid out twice for the tile kernel: by row, and by feature with 16-bit row positions."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.kernels.compilation import kernel
from models.kernels.measures import LOG_LIKELIHOOD, Rule, x_log_x
from models.kernels.vectors import LANES

MAX_ROWS = 4096  # one row of sums (16 KiB) stays in the first-level cache while features are scattered over it
DENSE_COST = 3.5  # one feature of one query over 64 dense lanes costs as much as this many scattered products

Array = npt.NDArray[Any]


class Block(NamedTuple):
    """n prepared rows with e entries. Features are numbered by rank: 0 is the one most rows hold.

    Row r holds features ranks[start[r]:start[r+1]], ascending, with `values`; feature f is held by the block's rows
    holders[first[f]:first[f+1]], ascending, with `weights`. 64 rows are a panel, whose first features, `depths`, are
    multiplied dense; the holders holders[runs[f, 0]:runs[f, 1]] are those in the other panels.
    Values are scaled per row by a power of two, `scale`, so that the largest is in [1, 2): exact, and no sum overflows.
    """

    numbers: Array  # int32 [n], row numbers in the whole matrix
    slots: Array  # int64 [n], positions in the matrix they came from: those of their candidates, if they keep any
    start: Array  # int64 [n + 1]
    ranks: Array  # int32 [e]
    values: Array  # float32 [e]
    first: Array  # uint32 [features + 1]
    holders: Array  # uint16 [e]
    weights: Array  # float32 [e]
    depths: Array  # int32 [panels], none more than the one before: rows with most features come first
    runs: Array  # uint32 [features, 2]
    size: Array  # float64 [n], |row| for cosine, else its number of features
    scale: Array  # float64 [n], the power of two; for log-likelihood the row's x log x terms
    bound_size: Array  # float32 [n padded to LANES], `size` as the bound of the measure needs it
    bound_scale: Array  # float32 [n padded to LANES]


@kernel
def fault(indptr, data, binary):  # type: ignore[no-untyped-def]
    """First row with a value that is not finite (or, where binary, not 1), and that value; -1 if there is none."""
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            if not np.isfinite(data[p]) or (binary and data[p] != 1):
                return row, np.float64(data[p])
    return -1, 0.0


@kernel
def _scales(indptr, data, picked):  # type: ignore[no-untyped-def]
    scales = np.ones(len(picked))
    for r, row in enumerate(picked):
        largest = 0.0
        for p in range(indptr[row], indptr[row + 1]):
            largest = max(largest, abs(np.float64(data[p])))
        if largest > 0:
            scales[r] = math.ldexp(1.0, min(1 - math.frexp(largest)[1], 1023))
    return scales


@kernel
def _by_feature(indptr, indices, data, picked, rank, scales):  # type: ignore[no-untyped-def]
    """The picked rows by feature: a counting sort, so that rows ascend within a feature."""
    first = np.zeros(len(rank) + 1, np.uint32)
    for row in picked:
        for p in range(indptr[row], indptr[row + 1]):
            first[rank[indices[p]] + 1] += 1
    for f in range(len(rank)):
        first[f + 1] += first[f]
    place = first.copy()
    holders = np.empty(first[-1], np.uint16)
    weights = np.empty(first[-1], np.float32)
    for r, row in enumerate(picked):
        for p in range(indptr[row], indptr[row + 1]):
            t = place[rank[indices[p]]]
            place[rank[indices[p]]] += 1
            holders[t] = r
            weights[t] = np.float32(np.float64(data[p]) * scales[r])
    return first, holders, weights


@kernel
def _by_row(first, holders, weights, n):  # type: ignore[no-untyped-def]
    """The transpose of the layout by feature: features ascend within a row."""
    start = np.zeros(n + 1, np.int64)
    for r in holders:
        start[r + 1] += 1
    for r in range(n):
        start[r + 1] += start[r]
    place = start[:-1].copy()
    ranks = np.empty(len(holders), np.int32)
    values = np.empty(len(holders), np.float32)
    for f in range(len(first) - 1):
        for t in range(first[f], first[f + 1]):
            p = place[holders[t]]
            place[holders[t]] += 1
            ranks[p] = f
            values[p] = weights[t]
    return start, ranks, values


@kernel
def _depths(start, ranks, counts):  # type: ignore[no-untyped-def]
    """How many leading features each panel keeps dense: the least cost, other rows holding features as all rows do."""
    n, most = len(start) - 1, len(counts)
    depths = np.empty(-(-n // LANES), np.int32)
    held = np.zeros(len(counts), np.int64)
    for panel in range(len(depths)):
        mine = ranks[start[panel * LANES] : start[min((panel + 1) * LANES, n)]]
        for f in mine:
            held[f] += 1
        best, cost, lowest = 0, 0.0, 0.0
        for f in range(most):
            cost += counts[f] * (DENSE_COST - held[f])
            if cost < lowest:
                best, lowest = f + 1, cost
        depths[panel] = most = best
        for f in mine:
            held[f] = 0
    return depths


@kernel
def _runs(first, holders, depths):  # type: ignore[no-untyped-def]
    """The holders of each feature in panels that do not keep it dense: the last ones."""
    runs = np.empty((len(first) - 1, 2), np.uint32)
    dense = len(depths)
    for f in range(len(runs)):
        while dense > 0 and depths[dense - 1] <= f:
            dense -= 1
        low, high = np.int64(first[f]), np.int64(first[f + 1])
        runs[f] = low + np.searchsorted(holders[low:high], dense * LANES) if dense > 0 else low, high
    return runs


@kernel
def _sizes(start, values, root):  # type: ignore[no-untyped-def]
    sizes = np.zeros(len(start) - 1)
    for r in range(len(sizes)):
        for p in range(start[r], start[r + 1]):
            sizes[r] += np.float64(values[p]) * np.float64(values[p])
        if root:
            sizes[r] = np.sqrt(sizes[r])
    return sizes


def prepare(
    indptr: Array,
    indices: Array,
    data: Array,
    picked: Array,
    numbers: Array,
    norms: Array | None,
    rank: Array,
    counts: Array,
    rule: Rule,
) -> Block:
    """Lay out the picked rows of a CSR matrix; rank, counts: int [features], by column and by rank.

    norms: float64 [picked], the sizes for cosine, None for the rows' own.
    """
    scales = _scales(indptr, data, picked)
    first, holders, weights = _by_feature(indptr, indices, data, picked, rank, scales)
    start, ranks, values = _by_row(first, holders, weights, len(picked))
    depths = _depths(start, ranks, counts)
    sizes = _sizes(start, values, rule.measure == 0) if norms is None else norms * scales
    padding = np.zeros(-len(picked) % LANES)
    bound = scales
    if rule.measure == LOG_LIKELIHOOD:
        bound = np.sqrt(sizes * (1 - sizes / rule.total))
        scales = x_log_x(sizes) + x_log_x(rule.total - sizes)
    return Block(
        numbers,
        picked,
        start,
        ranks,
        values,
        first,
        holders,
        weights,
        depths,
        _runs(first, holders, depths),
        sizes,
        scales,
        np.concatenate([sizes, padding]).astype(np.float32),
        np.minimum(np.concatenate([bound, padding]), np.finfo(np.float32).max).astype(np.float32),
    )
