"""Hybrid vectors: events and content, or several parts of content, in one cosine (Burke 2002, weighted)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]


def hybrid(collaborative: sp.csr_array, content: sp.csr_array, alpha: float) -> tuple[sp.csr_array, Floats]:
    """Rows h [n, features + terms] and norms, float64 [n], with h_i·h_j / (norm_i norm_j) = α cos + (1 - α) cos.

        h_i = [r_i, √((1 - α) / α) · |r_i| / |t_i| · t_i],   norm_i = |r_i| / √α

    r, t: the rows of `collaborative` [n, features] and `content` [n, terms]; |r_i| is taken as 1 for a row without
    events, whose neighbours are then those by content. The values r_i stay as they are: sums of float32 keep integers
    exact to 2^24, while sums of normalised ones drift by 5e-5. 0 < α < 1; ValueError otherwise.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}: expected more than 0 and less than 1; at the ends compare one part alone")
    if collaborative.shape[0] != content.shape[0]:
        raise ValueError(f"content: expected {collaborative.shape[0]} rows, got {content.shape[0]}")
    lengths = norms(collaborative)
    lengths[lengths == 0] = 1
    scaled = _scale(unit(content), np.sqrt((1 - alpha) / alpha) * lengths)
    return sp.csr_array(sp.hstack([collaborative, scaled], format="csr")), lengths / np.sqrt(alpha)


def side_by_side(parts: Sequence[sp.csr_array]) -> sp.csr_array:
    """Rows [n, Σ columns] of length 1, float64: every part that a row has counts alike. A row without any is empty."""
    return unit(sp.csr_array(sp.hstack([unit(part) for part in parts], format="csr")))


def unit(matrix: sp.csr_array) -> sp.csr_array:
    """Every row over its length, float64; rows of zeros stay."""
    lengths = norms(matrix)
    return _scale(matrix, 1 / np.where(lengths > 0, lengths, 1))


def norms(matrix: sp.csr_array) -> Floats:
    """|x_r| of every row, float64 [rows]; no sum overflows."""
    largest = np.zeros(matrix.shape[0])
    np.maximum.at(largest, _rows(matrix), np.abs(matrix.data, dtype=np.float64))
    scale = np.where(largest > 0, largest, 1.0)
    squares = (matrix.data / scale[_rows(matrix)]) ** 2
    return np.sqrt(np.bincount(_rows(matrix), weights=squares, minlength=matrix.shape[0])) * scale


def _scale(matrix: sp.csr_array, by: Floats) -> sp.csr_array:
    return sp.csr_array((matrix.data * by[_rows(matrix)], matrix.indices, matrix.indptr), shape=matrix.shape)


def _rows(matrix: sp.csr_array) -> npt.NDArray[Any]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
