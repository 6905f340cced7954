"""DuckDB for pieces of work: one database of the process, since each of its own takes longer than a small piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import duckdb


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in UTC whose temporary tables and registered ones nobody else sees."""
    with _process().cursor() as db:
        db.execute("SET TimeZone = 'UTC'")
        yield db


@lru_cache(maxsize=1)
def _process() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(":memory:")
    db.execute("SET GLOBAL preserve_insertion_order = false")
    return db
