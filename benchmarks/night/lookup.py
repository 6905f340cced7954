"""How fast one user's list is read from the published recommendations, and how few bytes that takes.

    python -m benchmarks.night.lookup --users 1000000 --json lookup.json

The night is made up, its files are written and committed as `recommend` and `publish` do it. Every look-up is for
another user, in a process that has the library loaded and the table open: as a service asks. `cold` is what comes
before, once: loading the catalog, and for DuckDB the metadata. Bytes are those that the reader asks the file system for
(Linux counts them in /proc/self/io as rchar, from the page cache or not), as a share of the table's files.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import settings
from jobs.recommend import FILE_ROWS, GROUP_ROWS
from jobs.storage.catalog import Tables
from jobs.storage.frames import write
from jobs.storage.runs import Run
from jobs.storage.sql import connect, open_tables, parquet_view
from schemas.tables import TABLES

DOMAIN, DS, RUN = "movies", "2026-11-20", "lookup"
N_ITEMS = 26_000
Ask = Callable[[str], int]


def publish(tables: Tables, users: int, k: int) -> list[str]:
    """Writes and commits a night of lists; the addresses of its files."""
    run = Run(tables.warehouse, DOMAIN, DS, RUN)
    folder = f"{run.new_attempt('recommend')}/recommendations"
    random = np.random.default_rng(0)
    popular = random.zipf(1.3, 10_000_000) % N_ITEMS
    ids = np.sort(np.array([f"{n}" for n in range(users)], object))
    size = FILE_ROWS // k
    files = [
        write(block(ids[low : low + size], k, popular, random), folder, f"part-{n:05d}", GROUP_ROWS)
        for n, low in enumerate(range(0, users, size))
    ]
    tables.create()
    tables.replace("recommendations", {"domain": DOMAIN, "ds": DS}, files, run.tag(1))
    return files


def block(ids: np.ndarray, k: int, popular: np.ndarray, random: np.random.Generator) -> pa.Table:
    """Rows of some users, with items and reasons as skewed as real ones."""
    n = len(ids) * k
    names = pa.array([f"{item}" for item in range(N_ITEMS)])
    texts = pa.array([f"because you watched The Film with the Number {item} (1999)" for item in range(N_ITEMS)])
    # a history item is the reason of several rows
    reasons = np.repeat(popular[random.integers(0, len(popular), n // 4 + 1)], 4)[:n]
    columns = {
        "domain": pa.repeat(DOMAIN, n),
        "ds": pa.repeat(DS, n),
        "user_id": pa.array(np.repeat(ids, k), pa.string()),
        "rank": pa.array(np.tile(np.arange(1, k + 1, dtype=np.int32), len(ids))),
        "item_id": names.take(pa.array(popular[random.integers(0, len(popular), n)])),
        "score": pa.array(-np.sort(-random.random((len(ids), k)).astype(np.float32), axis=1).reshape(-1)),
        "model": pa.repeat("item_knn", n),
        "because_item_id": names.take(pa.array(reasons)),
        "because": texts.take(pa.array(reasons)),
    }
    return pa.table(columns, schema=TABLES["recommendations"].schema)


def readers(tables: Tables, files: list[str]) -> Iterator[tuple[str, Callable[[], Ask]]]:
    """Name → what opens the table and returns how to ask it."""

    def iceberg_scan() -> Ask:
        db = open_tables(tables)
        query = f"FROM recommendations WHERE domain = '{DOMAIN}' AND ds = '{DS}' AND user_id = $1 ORDER BY rank"
        return lambda user: db.execute(query, [user]).to_arrow_table().num_rows

    def read_parquet() -> Ask:
        db = connect()
        parquet_view(db, "recommendations", files, TABLES["recommendations"].schema)
        return lambda user: db.execute("FROM recommendations WHERE user_id = $1", [user]).to_arrow_table().num_rows

    def pyiceberg() -> Ask:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.expressions import And, EqualTo

        uri = f"sqlite:///{tables.warehouse.removeprefix('file://')}/catalog.db"
        table = load_catalog("encore", type="sql", uri=uri).load_table("encore.recommendations")
        night = And(EqualTo("domain", DOMAIN), EqualTo("ds", DS))
        return lambda user: table.scan(row_filter=And(night, EqualTo("user_id", user))).to_arrow().num_rows

    yield from (("duckdb iceberg_scan", iceberg_scan), ("duckdb read_parquet", read_parquet), ("pyiceberg", pyiceberg))


def read_bytes() -> int:
    """Bytes that this process has asked the file system for."""
    return int(Path("/proc/self/io").read_text().split()[1])


def measure(open_table: Callable[[], Ask], users: list[str], k: int, size: int) -> dict[str, float]:
    """Seconds to open, median and slowest milliseconds of a look-up, and the share of the bytes it reads."""
    started = time.perf_counter()
    ask = open_table()
    assert ask(users[0]) == k
    cold, milliseconds, shares = time.perf_counter() - started, [], []
    for user in users[1:]:
        before, started = read_bytes(), time.perf_counter()
        assert ask(user) == k, user
        milliseconds.append(1000 * (time.perf_counter() - started))
        shares.append((read_bytes() - before) / size)
    return {
        "cold_s": round(cold, 3),
        "median_ms": round(statistics.median(milliseconds), 2),
        "slowest_ms": round(max(milliseconds), 2),
        "bytes_share": round(statistics.median(shares), 6),
    }


def scan(files: list[str]) -> float:
    """Seconds of a full scan with DuckDB: every column of every row is read."""
    with connect() as db:
        parquet_view(db, "recommendations", files, TABLES["recommendations"].schema)
        started = time.perf_counter()
        db.execute(
            """SELECT count(*), max(user_id), max(rank), max(item_id), max(score), max(model), max(because_item_id),
               max(because) FROM recommendations"""
        ).fetchall()
        return time.perf_counter() - started


def main() -> None:
    """Prints the figures, and writes them as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--k", type=int, default=100, help="rows of a user")
    parser.add_argument("--lookups", type=int, default=101, help="of each reader; the first counts as cold")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(settings.load({"ENCORE_WAREHOUSE": folder}))
        started = time.perf_counter()
        files = publish(tables, args.users, args.k)
        size = sum(Path(file.removeprefix("file://")).stat().st_size for file in files)
        rows = args.users * args.k
        result: dict[str, Any] = {
            "users": args.users,
            "rows": rows,
            "files": len(files),
            "bytes_per_row": round(size / rows, 2),
            "write_s": round(time.perf_counter() - started, 1),
        }
        users = [str(n) for n in np.random.default_rng(1).integers(0, args.users, args.lookups)]
        result["lookup"] = {
            name: measure(open_table, users, args.k, size) for name, open_table in readers(tables, files)
        }
        seconds = scan(files)
        result["scan"] = {"seconds": round(seconds, 2), "million_rows_per_s": round(rows / seconds / 1e6, 1)}
    print(json.dumps(result, indent=1))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
