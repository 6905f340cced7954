"""What the kernel reaches of the machine's limits: how many multiply-adds of which kind, and how fast each can go.

    python -m benchmarks.similarity.limits 1/16 items

The loops of `models/kernels/tiles.py` are timed alone on data that lies in the cache; their times, weighted by how
often the search runs them, bound what it can reach. Beside them what the processor can do at all: fused multiply-adds
(OpenBLAS, float32) and bytes from memory (the triad of McCalpin 1995).
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp

from benchmarks.shared.interactions import load
from models.kernels.measures import COSINE, Rule
from models.kernels.search import Search
from models.kernels.tiles import BAND, lines
from models.kernels.vectors import LANES, add_panel, exceeding

ROUNDS = 5


@numba.njit(nogil=True)
def _panel(sums, ranks, values, panels, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        add_panel(sums, 0, ranks, values, 0, len(ranks), len(panels) // LANES, panels, 0)


@numba.njit(nogil=True)
def _scatter(products, holders, weights, starts, length, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        for start in starts:
            for t in range(start, start + length):
                products[holders[t]] += np.float32(2) * weights[t]


@numba.njit(nogil=True)
def _scan(products, sizes, scales, times):  # type: ignore[no-untyped-def]
    results = np.uint64(0)
    for _ in range(times):
        for low in range(0, len(products), LANES):
            results |= exceeding(products, low, sizes, np.float32(9), scales, np.float32(0))
    return results


@numba.njit(nogil=True)
def _triad(a, b, c, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        for n in range(len(a)):
            a[n] = b[n] + np.float32(3) * c[n]


def rate(work: Callable[[int], Any], amount: float, threads: int) -> float:
    """Amount per second with that many threads at it, each told its number; the best of some rounds."""
    work(0)
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(work, number) for number in range(threads)]:
                done.result()
        seconds.append(time.perf_counter() - started)
    return threads * amount / min(seconds)


def machine(threads: int, dense: int, run: int) -> dict[str, float]:
    """Per second, of all threads together: multiply-adds, fused and in the kernel's loops; pairs scanned; bytes.

    dense: features of a panel. run: products that a feature scatters in one block.
    """
    random = np.random.default_rng(0)
    square = random.random((2048, 2048), np.float32)
    ranks, panels = np.sort(random.integers(0, dense, 100)).astype(np.int32), lines(dense * LANES)
    panels[:] = random.random(dense * LANES, np.float32)
    values, holders = random.random(100, np.float32), random.permutation(4096).astype(np.uint16)
    weights, ones, zeros = random.random(4096, np.float32), lines(4096), lines(4096)
    ones[:], zeros[:] = 1, 0
    starts = random.integers(0, 4096 - run, 4000 // run)

    large = [[np.ones(1 << 25, np.float32) for _ in range(3)] for _ in range(threads)]

    def panel(_: int) -> None:
        sums = lines(LANES)
        sums[:] = 0
        _panel(sums, ranks, values, panels, 100_000)

    def scatter(_: int) -> None:
        _scatter(np.zeros(4096, np.float32), holders, weights, starts, run, 10_000)

    return {
        "fused": rate(lambda _: square @ square, 2048**3, 1),  # OpenBLAS has its own threads
        "panel": rate(panel, 100 * LANES * 100_000, threads),
        "scatter": rate(scatter, len(starts) * run * 10_000, threads),
        "scan": rate(lambda _: _scan(zeros, ones, zeros, 50_000), 4096 * 50_000, threads),
        "bytes": rate(lambda number: _triad(*large[number], 1), 12 * (1 << 25), threads),
    }


def work(rows: sp.csr_array, threads: int) -> dict[str, float]:
    """What the symmetric search does: multiply-adds by kind, those of them that are not by zero, pairs scanned.

    dense: features of the head; run: products that a tail feature scatters in one block; both on average. prepare:
    seconds to lay the rows out.
    """
    for some in (rows[:2], rows):  # the first loads the kernels
        started = time.perf_counter()
        counts = np.bincount(some.indices, minlength=some.shape[1])
        search = Search(Rule(COSINE, 0.0, float(some.shape[1]), -np.inf), 100, counts, threads)
        search.own(np.arange(some.shape[0], dtype=np.int32), some)
        prepare = time.perf_counter() - started
    blocks = sorted((side.block for side in search.owned), key=lambda block: len(block.ranks))
    holding = [np.diff(block.first.astype(float)) for block in blocks]
    scattering = [np.diff(block.runs.astype(float)).ravel() for block in blocks]
    done, runs = {"panel": 0.0, "scatter": 0.0, "scan": 0.0}, 1.0
    for q, queries in enumerate(blocks):
        before = np.append(0, np.cumsum(holding[q]))
        for b in range(q, len(blocks)):
            share = 0.5 if q == b else 1.0  # a block with itself meets each pair once
            done["panel"] += share * before[blocks[b].depths].sum() * LANES
            done["scatter"] += share * float(holding[q] @ scattering[b])
            runs += share * holding[q][scattering[b] > 0].sum()
            done["scan"] += share * len(queries.numbers) * len(blocks[b].bound_size)
    useful = float((counts.astype(float) ** 2).sum() - rows.nnz) / 2
    dense = float(np.mean(np.concatenate([block.depths for block in blocks])))
    return done | {"useful": useful, "dense": dense, "run": max(done["scatter"] / runs, 1), "prepare": prepare}


def roofline(rows: sp.csr_array, seconds: float, threads: int) -> dict[str, Any]:
    """The least seconds of the loops alone and of the preparation, and their share of the `seconds` measured.

    bytes_per_multiply_add: read by the loops, from whatever cache: 4 of a panel; 6 of a holder and its weight.
    """
    done = work(rows, threads)
    limits = machine(threads, min(max(round(done["dense"]), 1), BAND), round(done["run"]))
    least = {kind: done[kind] / limits[kind] for kind in ("panel", "scatter", "scan")}
    least["prepare"] = done.pop("prepare")
    products = done["panel"] + done["scatter"]
    return {
        "per_second": limits,
        "done": done,
        "least_seconds": least,
        "share_of_limit": sum(least.values()) / seconds,
        "multiply_adds_per_second": products / seconds,
        "useful_per_second": done["useful"] / seconds,
        "bytes_per_multiply_add": (4 * done["panel"] + 6 * done["scatter"]) / products,
        "share_of_fused": products / seconds / limits["fused"],
    }


if __name__ == "__main__":
    from benchmarks.similarity.peers import encore

    THREADS = 2
    os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)
    matrix = load(sys.argv[1])
    compared = sp.csr_array(matrix.T) if sys.argv[2] == "items" else matrix
    search, times = encore(compared, 100, THREADS), []
    for _ in range(3):
        began = time.perf_counter()
        search()
        times.append(time.perf_counter() - began)
    print(json.dumps(roofline(compared, min(times), THREADS), indent=1))
