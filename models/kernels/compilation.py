"""Ahead-of-time compilation of the kernels with numba, in a disk cache that notices every change of this package."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Like `numba.njit(nogil=True)`, with compiled code on disk until a module of this package changes.

    numba's own cache looks at the file of a function alone. Kernels are compiled with functions and constants of their
    siblings in them, so here the digest of the whole package is part of the key. options: of `numba.njit`.
    """
    if function is None:
        return lambda function: kernel(function, **options)
    dispatcher = numba.njit(nogil=True, **options)(function)
    dispatcher._cache = PackageCache(function)
    return dispatcher


class PackageCache(FunctionCache):
    """A disk cache whose keys hold the digest of the sources of `models.kernels`."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), sources())


@cache
def sources() -> str:
    """SHA-256 of the package's modules, in the order of their names."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
