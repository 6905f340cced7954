"""User profiles in the terms of the items' content (Rocchio 1971; kept short after Balabanović & Shoham 1997)."""

import numpy as np
import scipy.sparse as sp

MAX_FEATURES = 100  # features that a profile keeps: comparing users costs the square of it
SLICE = 512  # users at once, whose whole profiles are in memory


def profiles(values: sp.csr_array, content: sp.csr_array, most: int = MAX_FEATURES) -> sp.csr_array:
    """p_u = Σ_i r_ui t_i, float64 [users, features], of each its `most` largest values (of equals the first features).

    values: r [users, items]; content: t [items, features], rows of length 1. A sum is made in the order of the items,
    so that it does not depend on which users are asked for together.
    """
    parts = [_largest(values[low : low + SLICE] @ content, most) for low in range(0, values.shape[0], SLICE)]
    return sp.csr_array(sp.vstack(parts, format="csr")) if parts else sp.csr_array((0, content.shape[1]))


def _largest(matrix: sp.csr_array, most: int) -> sp.csr_array:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -np.abs(matrix.data), rows))
    kept = order[np.arange(len(rows)) - matrix.indptr[rows] < most]
    entries = (matrix.data[kept], (rows[kept], matrix.indices[kept]))
    return sp.csr_array(entries, shape=matrix.shape)
