"""How widely the lists reach into the catalogue: coverage by length of the list, and what is popular against what is
recommended."""

import numpy as np
import numpy.typing as npt

from jobs.report.facts import Rows

Floats = npt.NDArray[np.float64]
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)  # of the catalogue, where the table beside the curve reads it


def coverage(items: Rows) -> Floats:
    """Share of the items that stand in at least one list cut after rank 1, 2, … ; [longest list], from 0 to 1."""
    best = np.array([item["best"] or 0 for item in items], dtype=np.int64)
    longest = int(best.max(initial=0))
    if not longest:
        return np.zeros(0)
    return np.cumsum(np.bincount(best, minlength=longest + 1)[1:]) / len(items)


def concentration(counts: Floats) -> Floats:
    """Share of the sum that the first 0, 1, 2, … items hold, in the order given; [items + 1], from 0 to 1.

    With the items sorted by falling count it is the mirrored Lorenz curve (Lorenz, 1905).
    """
    total = counts.sum()
    return np.concatenate(([0.0], np.cumsum(counts) / total)) if total else np.zeros(len(counts) + 1)


def gini(counts: Floats) -> float:
    """0: every item is recommended alike, 1: one item takes all. G = Σ (2i - n - 1) x_i / (n Σ x), x rising."""
    rising, n = np.sort(counts), len(counts)
    if not n or not rising.sum():
        return 0.0
    return float(np.sum((2 * np.arange(1, n + 1) - n - 1) * rising) / (n * rising.sum()))


def at(curve: Floats, share: float) -> float:
    """What the first `share` of the items hold on a curve of `concentration`, interpolated between two items."""
    return float(np.interp(share, np.linspace(0, 1, len(curve)), curve))
