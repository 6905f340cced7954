"""Measures of similarity that follow from a pair's product and the two rows' sizes, and when a product can matter."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.kernels.compilation import kernel

COSINE, JACCARD, LOG_LIKELIHOOD = 0, 1, 2
SLACK = 2e-6  # float32 bounds are off by less than 8 roundings of 6e-8
NOISE = 1e-6  # of G², a small difference of sums near N ln N
TINY = 1e-35  # keeps the bounds right where float32 loses digits next to zero


class Rule(NamedTuple):
    """A similarity rule: the measure, its parameters, and the least similarity to list (inclusive)."""

    measure: int
    shrinkage: float
    total: float  # the number of features, for log-likelihood
    least: float


def x_log_x(x: npt.NDArray[np.float64]) -> Any:
    """x ln x, 0 at 0."""
    return x * np.log(np.maximum(x, 1))


@kernel(_nrt=False)
def _x_log_x(x):  # type: ignore[no-untyped-def]
    return x * np.log(x) if x > 0 else 0.0


@kernel(_nrt=False)
def similarity(rule, product, size, scale, other_size, other_scale):  # type: ignore[no-untyped-def]
    """float32 similarity of two rows; the same bits with the rows exchanged.

    cosine           x·y / (|x||y| + h)                     with shrinkage h; x·y and |x| are scaled, so h is too
    jaccard          |x ∩ y| / (|x ∪ y| + h)                Jaccard 1901
    log-likelihood   G² = 2 Σ n ln(n / expected)            Dunning 1993; 0 unless met more often than by chance
    """
    product = np.float64(product)
    if rule.measure == COSINE:
        below = size * other_size
        if rule.shrinkage > 0:
            below += rule.shrinkage * (scale * other_scale)
        return np.float32(min(max(product / below, -1.0), 1.0))
    if rule.measure == JACCARD:
        return np.float32(product / (size + other_size - product + rule.shrinkage))
    if product * rule.total <= size * other_size:
        return np.float32(0.0)
    alone = _x_log_x(size - product) + _x_log_x(other_size - product)
    neither = _x_log_x(rule.total - (size + other_size) + product)
    joint = _x_log_x(product) + neither + alone
    return np.float32(max(2.0 * (joint + _x_log_x(rule.total) - (scale + other_scale)), 0.0))


@kernel(_nrt=False)
def bound(rule, least, size, scale):  # type: ignore[no-untyped-def]
    """(a, b) such that similarity(row, other) >= least only where product > a * other.size + b * other.scale.

    Linear, so that a whole vector of products is tested at once: cosine and Jaccard solved for the product;
    log-likelihood by G² <= 2 N ln(1 + X²/N), as Kullback-Leibler is at most ln(1 + chi-squared) (Gibbs & Su 2002).
    `scale` is the row's bound_scale.
    """
    if rule.measure == COSINE:
        if least < 0 and rule.shrinkage > 0:
            return np.float32(-np.inf), np.float32(0)
        a = least - abs(least) * SLACK - TINY
        return np.float32(a * size), np.float32(a * rule.shrinkage * scale) if rule.shrinkage > 0 else np.float32(0)
    if rule.measure == JACCARD:
        a = max(least, 0.0) / (1 + max(least, 0.0)) * (1 - SLACK)
        return np.float32(a), np.float32(a * (size + rule.shrinkage))
    a = np.sqrt(np.expm1(max(least - NOISE, 0.0) / (2 * rule.total))) * (1 - SLACK)
    return np.float32(size / rule.total * (1 - SLACK)), np.float32(a * scale)
