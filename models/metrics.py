"""Ranking metrics of top-k lists against held-out items, per user, and their bootstrap intervals."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]


def hits(items: npt.NDArray[np.int64], relevant: sp.csr_array) -> Hits:
    """bool [n, k]: whether the item (row number, -1 for none) at each place of n users' lists is among their
    `relevant` ones ([n, n_items], non-zero where relevant)."""
    n, n_items = relevant.shape
    users, wanted = relevant.nonzero()
    places = np.arange(n)[:, None] * n_items + items
    return np.isin(places, users.astype(np.int64) * n_items + wanted) & (items >= 0)


def hit_rate(hits: Hits, relevant: npt.NDArray[np.int64], k: int) -> Floats:
    """1 for a user with any hit in the first k places, else 0."""
    return np.asarray(hits[:, :k].any(axis=1), np.float64)


def recall(hits: Hits, relevant: npt.NDArray[np.int64], k: int) -> Floats:
    """Hits in the first k places over the user's number of relevant items (int [n], at least 1)."""
    return np.asarray(hits[:, :k].sum(axis=1) / relevant, np.float64)


def ndcg(hits: Hits, relevant: npt.NDArray[np.int64], k: int) -> Floats:
    """Σ over the hits at place p (from 1) of 1 / log2(p + 1), over the same sum for an ideal list of min(k, relevant)
    hits (Järvelin & Kekäläinen 2002, binary gains). `relevant` as in `recall`."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(relevant, k) - 1]
    return np.asarray((hits[:, :k] @ discount[: hits.shape[1]]) / ideal, np.float64)


METRICS = {"ndcg": ndcg, "hr": hit_rate, "recall": recall}


def interval(values: Floats, seed: int, resamples: int = 500, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` [users] (Efron 1979), widened to hold the mean itself."""
    rng = np.random.default_rng(seed)
    n = len(values)
    means = np.array([values[rng.integers(0, n, n)].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    mean = float(values.mean())
    return min(float(low), mean), max(float(high), mean)
