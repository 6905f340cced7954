"""Weightings of a matrix before rows are compared: TF-IDF, BM25, recency, centring.

Each takes and returns a matrix [rows, features] in the orientation that is compared (items by users, or users by
items) with float32 values, and keeps which entries there are (`binary` drops zeros), so that one can follow
another: `bm25(recency(events, age_days, half_life_days=30))`, then cosine. In information retrieval's words rows are
documents and features are terms. The measures and shrinkage are in `models.kernels.measures.similarity`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]
K1, B = 1.2, 0.75  # of BM25: how soon more of a feature adds little, how much long rows count less


def raw(matrix: sp.csr_array) -> sp.csr_array:
    """The values as they are."""
    return _with(matrix, matrix.data)


def binary(matrix: sp.csr_array) -> sp.csr_array:
    """1 where the value is not 0: what Jaccard and log-likelihood compare."""
    kept = sp.csr_array(matrix, copy=True)
    kept.eliminate_zeros()
    return _with(kept, np.ones(kept.nnz))


def centred(matrix: sp.csr_array) -> sp.csr_array:
    """x_rf - mean of row r: users by what they rate above their own mean (Breese et al. 1998).

    Means are over a row's entries. Values equal to the mean become stored zeros, which share nothing.
    """
    sums = np.bincount(_rows(matrix), weights=matrix.data, minlength=matrix.shape[0])
    means = sums / np.maximum(np.diff(matrix.indptr), 1)
    return _with(matrix, matrix.data - means[_rows(matrix)])


def adjusted(matrix: sp.csr_array) -> sp.csr_array:
    """x_rf - mean of feature f: on items by users, cosine is then the adjusted cosine (Sarwar et al. 2001)."""
    sums = np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1])
    means = sums / np.maximum(_counts(matrix), 1)
    return _with(matrix, matrix.data - means[matrix.indices])


def tf_idf(matrix: sp.csr_array) -> sp.csr_array:
    """√x_rf · (1 + ln(N / (1 + n_f))) of N rows, n_f with feature f (Salton & Buckley 1988). Negative x keep the sign.

    With √ in place of the count, as recommenders weight; the 1 keeps features that most rows have.
    """
    weights = np.sign(matrix.data) * np.sqrt(np.abs(matrix.data))
    return _with(matrix, weights * (1 + np.log(max(matrix.shape[0], 1) / (1 + _counts(matrix))))[matrix.indices])


def bm25(matrix: sp.csr_array, k1: float = K1, b: float = B) -> sp.csr_array:
    """x (k1 + 1) / (x + k1 (1 - b + b |r| / mean |r|)) · ln(1 + N / (1 + n_f)) (Robertson et al. 1994).

    |r| is the sum of row r, N the number of rows, n_f those with feature f. Raises ValueError for negative values.
    """
    if matrix.nnz and matrix.data.min() < 0:
        raise ValueError(f"bm25: values must be at least 0, got {matrix.data.min()}")
    lengths = np.bincount(_rows(matrix), weights=matrix.data, minlength=matrix.shape[0])
    relative = lengths / max(lengths.mean() if len(lengths) else 0.0, np.finfo(np.float64).tiny)
    saturation = matrix.data + k1 * (1 - b + b * relative)[_rows(matrix)]
    idf = np.log(1 + matrix.shape[0] / (1 + _counts(matrix)))[matrix.indices]
    return _with(matrix, matrix.data * (k1 + 1) / np.maximum(saturation, np.finfo(np.float64).tiny) * idf)


def recency(matrix: sp.csr_array, age_days: Floats, half_life_days: float) -> sp.csr_array:
    """x_rf · 2^(-age / half life): an event counts half after `half_life_days` (after Ding & Li 2005).

    age_days: float64 [entries], the age of each stored entry of `matrix` on the night, in days, at least 0.
    """
    if not half_life_days > 0:
        raise ValueError(f"half_life_days = {half_life_days}: expected more than 0")
    if age_days.shape != matrix.data.shape or not (age_days >= 0).all():
        raise ValueError(f"age_days: expected {matrix.nnz} values of at least 0, got shape {age_days.shape}")
    return _with(matrix, matrix.data * np.exp2(-age_days / half_life_days))


def _rows(matrix: sp.csr_array) -> npt.NDArray[np.int64]:
    """The row of each entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _counts(matrix: sp.csr_array) -> npt.NDArray[np.int64]:
    """How many rows have each feature."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


def _with(matrix: sp.csr_array, data: npt.NDArray[Any]) -> sp.csr_array:
    return sp.csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)
