"""Beam search for the likeliest sequence without repeats (Lowerre 1976; Sutskever et al. 2014)."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from models.histories import IntArray

Floats = npt.NDArray[np.float32]
# (items int64 [n], states [n, d]) → logits [n, n_items] of what comes behind them, and the states there.
Step = Callable[[IntArray, Floats], tuple[Floats, Floats]]


def beam_search(
    last: IntArray, states: Floats, step: Step, allowed: npt.NDArray[np.bool_], beams: int, horizon: int
) -> tuple[IntArray, Floats]:
    """int64 and float32 [n, horizon]: sequences, and the log-probability of every item behind those before it.

    last: int64 [n], what the sequences continue; states: [n, d], those before it. may: bool [n, n_items], what they may
    hold, each item once. Of each of n sequences `beams` are kept by the sum of log-probabilities, equal ones by the
    order of items. -1 and -inf behind the end of a sequence that nothing is left for. `step` gets n · beams rows.
    """
    n, n_items = allowed.shape
    free = np.repeat(allowed[:, None], beams, axis=1)
    totals = np.full((n, beams), -np.inf)
    totals[:, 0] = 0.0
    items = np.full((n, beams, horizon), -1, np.int64)
    gains = np.full((n, beams, horizon), -np.inf, np.float32)
    current, states = np.repeat(last, beams), np.repeat(states, beams, axis=0)
    rows = np.arange(n)[:, None]
    for place in range(min(horizon, n_items)):
        logits, states = step(current, states)
        chances = log_softmax(logits).reshape(n, beams, n_items)
        sums = np.where(free, totals[:, :, None] + chances, -np.inf).reshape(n, -1)
        best = _largest(sums, beams)
        beam, item = best // n_items, best % n_items
        reached = sums[rows, best]
        ended = ~np.isfinite(reached[:, 0])  # nothing is left: the sequence stays as it was
        keep = np.where(ended[:, None], np.arange(beams), beam)
        items, gains, free = items[rows, keep], gains[rows, keep], free[rows, keep]
        going = ~ended[:, None] & np.isfinite(reached)
        items[:, :, place] = np.where(going, item, -1)
        gains[:, :, place] = np.where(going, chances[rows, beam, item], -np.inf)
        free[rows, np.arange(beams), item] &= ~going
        totals = np.where(ended[:, None], totals[rows, keep], reached)
        states = states.reshape(n, beams, -1)[rows, keep].reshape(n * beams, -1)
        current = np.where(going, item, 0).ravel()
    return items[:, 0], gains[:, 0]


def log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _largest(values: npt.NDArray[np.float64], k: int) -> IntArray:
    """int64 [n, k]: columns of the k largest values of each row, equal ones in the order of columns."""
    k_th = np.partition(values, values.shape[1] - k, axis=1)[:, -k][:, None]
    result = np.empty((len(values), k), np.int64)
    for row, (own, least) in enumerate(zip(values, k_th, strict=True)):
        columns = np.flatnonzero(own >= least[0])
        result[row] = columns[np.argsort(-own[columns], kind="stable")][:k]
    return result
