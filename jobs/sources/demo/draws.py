"""Random numbers that depend only on what they are for, never on what was drawn before.

A draw is a hash of (world, purpose, counters), so the same user does the same on the same day however many
other users and days are generated around it. Mixing is SplitMix64 (Steele, Lea and Flood, 2014).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


@dataclass(frozen=True)
class Draws:
    """All draws of one world; `world` is a text such as "0/movies/small"."""

    world: str

    def bits(self, purpose: str, *counters: ArrayLike) -> NDArray[np.uint64]:
        """64 even bits per element of the broadcast integer counters (≥ 0), at least one dimension."""
        start = hashlib.blake2b(f"{self.world}/{purpose}".encode(), digest_size=8).digest()
        state = np.array([int.from_bytes(start, "little")], np.uint64)
        for counter in counters:
            state = state ^ (np.atleast_1d(np.asarray(counter, np.uint64)) * _GOLDEN + _GOLDEN)
            for shift, factor in _MIX:
                state = (state ^ (state >> shift)) * factor
            state = state ^ (state >> np.uint64(31))
        return state

    def uniform(self, purpose: str, *counters: ArrayLike) -> Floats:
        """Float64 in [0, 1), multiples of 2⁻⁵³."""
        return np.asarray((self.bits(purpose, *counters) >> np.uint64(11)) * 2.0**-53, np.float64)

    def normal(self, purpose: str, *counters: ArrayLike) -> Floats:
        """Standard normal float64 (Box and Muller, 1958)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(purpose, *counters)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(f"{purpose}, angle", *counters)))

    def below(self, bound: ArrayLike, purpose: str, *counters: ArrayLike) -> Ints:
        """Int64 in [0, bound); bounds far below 2⁶⁴, so that the bias of the remainder does not matter."""
        return (self.bits(purpose, *counters) % np.asarray(bound, np.uint64)).astype(np.int64)
