"""The k best neighbours of every row while they are being found.

A neighbour is one number, its key: the similarity's bits, order-preserving, above the complement of the row number.
Keys are all different, and the larger is listed first, so that the answer does not depend on the order of arrival.
Candidates are appended until there is no room, then all but the k best are dropped: faster than a heap.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.kernels.compilation import kernel

Array = npt.NDArray[Any]
SIGN = np.uint32(1 << 31)
ROW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)

# Small functions of the kernel hold arrays that their callers own: without numba's reference counts (_nrt), which
# took a third of the time.


class Candidates(NamedTuple):
    """Of n rows: keys uint64 [n, room], of which `filled` int32 [n]; the least key still wanted, `floor` uint64 [n]."""

    keys: Array
    filled: Array
    floor: Array
    k: int


@kernel(_nrt=False)
def key(score, row):  # type: ignore[no-untyped-def]
    """The key of a neighbour: float32 similarity, row number."""
    bits = np.float32(score).view(np.uint32)
    bits = ~bits if bits & SIGN else bits | SIGN
    return (np.uint64(bits) << HALF) | (ROW - np.uint64(row))


@kernel(_nrt=False)
def score(a_key):  # type: ignore[no-untyped-def]
    """The similarity in a key."""
    bits = np.uint32(a_key >> HALF)
    bits = bits ^ SIGN if bits & SIGN else ~bits
    return np.uint32(bits).view(np.float32)


def empty(n: int, k: int, least: float) -> Candidates:
    """No candidates yet, and none wanted below similarity `least`."""
    room = k + max(k, 64)
    return Candidates(np.zeros((n, room), np.uint64), np.zeros(n, np.int32), np.full(n, key(least, ROW), np.uint64), k)


@kernel(_nrt=False)
def add(keys, filled, floor, k, slot, value, number):  # type: ignore[no-untyped-def]
    """Offer row `slot` the neighbour `number` with similarity `value`; whether its floor has risen."""
    a_key = key(value, number)
    if value == 0 or a_key <= floor[slot]:
        return False
    n = filled[slot]
    keys[slot, n] = a_key
    filled[slot] = n + 1
    if n + 1 < keys.shape[1]:
        return False
    floor[slot] = keep_best(keys, slot, k)
    filled[slot] = k
    return True


@kernel(_nrt=False)
def keep_best(keys, slot, k):  # type: ignore[no-untyped-def]
    """Move the k largest keys of a row to its front; the least of them (Hoare 1961, "Algorithm 65: Find").

    Partitioned after Lomuto, without branches: the order of keys cannot be predicted, and a wrong guess costs more
    than the moves that are not needed.
    """
    low, high = 0, keys.shape[1] - 1
    while low < high:
        middle = _median(keys[slot, low], low, keys[slot, (low + high) // 2], (low + high) // 2, keys[slot, high], high)
        pivot = keys[slot, middle]
        keys[slot, middle] = keys[slot, high]
        end = low
        for n in range(low, high):
            a_key = keys[slot, n]
            keys[slot, n] = keys[slot, end]
            keys[slot, end] = a_key
            end += int(a_key > pivot)
        keys[slot, high] = keys[slot, end]
        keys[slot, end] = pivot
        if end < k - 1:
            low = end + 1
        elif end > k - 1:
            high = end - 1
        else:
            break
    return keys[slot, k - 1]


@kernel(_nrt=False)
def _median(a, at_a, b, at_b, c, at_c):  # type: ignore[no-untyped-def]
    """The position of the median of three keys."""
    if (a > b) != (a > c):
        return at_a
    return at_b if (b > a) != (b > c) else at_c


@kernel
def add_lists(candidates, indices, similarity):  # type: ignore[no-untyped-def]
    """Offer every row the neighbours of its list, `indices` and `similarity` [n, k], padded with -1 and 0."""
    keys, filled, floor, k = candidates
    for slot in range(len(indices)):
        for n, number in enumerate(indices[slot]):
            if number >= 0:
                add(keys, filled, floor, k, slot, similarity[slot, n], number)


@kernel
def write_lists(candidates, low, high, indices, similarity):  # type: ignore[no-untyped-def]
    """Write the k best of rows low..high, best first, to `indices` and `similarity` [n, k]."""
    for slot in range(low, high):
        keys = np.sort(candidates.keys[slot, : candidates.filled[slot]])[::-1]
        for n, a_key in enumerate(keys[: candidates.k]):
            indices[slot, n] = ROW - (a_key & ROW)
            similarity[slot, n] = score(a_key)
