"""Drift between two samples: population stability index and the noise to expect of it."""

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

Counts = npt.NDArray[np.int64]
EPSILON = 1e-4  # least share of a bin: an empty one would make the index infinite
FALSE_ALARMS = 0.001  # of the nights that are like those before, the share whose index is above `noise`


def psi(expected: Counts, actual: Counts) -> float:
    """Population stability index, Σ over the bins of (a - e) ln(a / e), of the shares a and e of the counts [bins], at
    least EPSILON each (Siddiqi 2006; the symmetric divergence of Jeffreys 1946). 0 where nothing moved; by convention
    above 0.1 a shift, above 0.25 a large one."""
    e, a = (np.maximum(counts / counts.sum(), EPSILON) for counts in (expected, actual))
    return float(((a - e) * np.log(a / e)).sum())


def noise(expected: int, actual: int, bins: int) -> float:
    """What the index of two samples of these sizes from one distribution exceeds with probability FALSE_ALARMS: about
    (1 / expected + 1 / actual) χ² with bins - 1 degrees of freedom (Yurdakul 2018)."""
    return float((1 / expected + 1 / actual) * chdtri(bins - 1, FALSE_ALARMS)) if bins > 1 else 0.0


def deciles(values: npt.NDArray[np.int64], counts: Counts) -> npt.NDArray[np.int64]:
    """The distinct deciles of a distribution, `counts` [n] of the ascending `values` [n]: inner edges of its bins.

    A bin holds what is above one edge and not above the next: `np.searchsorted(edges, x)`.
    """
    share = np.cumsum(counts) / counts.sum()
    edges = values[np.searchsorted(share, np.arange(1, 10) / 10 - 1e-12)]
    return np.unique(edges[edges < values[-1]])
