"""Bootstrap intervals of means over users (Efron 1979)."""

import numpy as np
import numpy.typing as npt

RESAMPLES, LEVEL = 1000, 0.95
BLOCK_RESAMPLES = 50
Floats = npt.NDArray[np.float64]


def intervals(values: Floats, seed: int, resamples: int = RESAMPLES, level: float = LEVEL) -> Floats:
    """[m, 2]: percentile intervals of the means of `values` [n_users, m], each widened to hold the mean itself.

    NaN where a user has no value; such users are left out of that mean. A resample draws n users with replacement, the
    same for every column, so that columns may be compared. As matrix products: with the users' counts w in the
    resamples, the means are w V / w M, V the values with 0 for NaN and M 1 where there is one. Resamples without any
    such user do not count. Memory: 2 n m + BLOCK_RESAMPLES n numbers.
    """
    n, m = values.shape
    there = ~np.isnan(values)
    known = np.where(there, values, 0.0)
    # Columns of one segment have values for the same users, who need to be counted once.
    segments: dict[bytes, int] = {}
    segment_of = [segments.setdefault(column.tobytes(), len(segments)) for column in np.packbits(there, axis=0).T]
    counted = there[:, np.unique(segment_of, return_index=True)[1]].astype(np.float64)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, m))
    for low in range(0, resamples, BLOCK_RESAMPLES):
        drawn = range(low, min(low + BLOCK_RESAMPLES, resamples))
        weights = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in drawn]).astype(np.float64)
        with np.errstate(invalid="ignore"):
            means[low : low + len(drawn)] = (weights @ known) / (weights @ counted)[:, segment_of]
    mean = known.sum(axis=0) / there.sum(axis=0)
    low_end, high_end = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.stack([np.minimum(low_end, mean), np.maximum(high_end, mean)], axis=1)
