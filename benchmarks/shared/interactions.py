"""Interactions to measure with: generated at any size, or MovieLens-1M; as matrices, as events in Parquet, as a night.

python -m benchmarks.shared.interactions 1 FOLDER     # 22 million events and their items, for `encore import parquet`
"""

import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyarrow import parquet as pq

from benchmarks.shared.data import data_folder

USERS, ITEMS, EVENTS = 138_000, 26_000, 22_000_000
FILES = 8  # as a warehouse has them: one file would be read by one task
DS, DAYS = "2026-03-01", 1000  # a generated event lies in one of so many days, the last of them DS


def named(name: str) -> sp.csr_array:
    """`ml-1m`, or generated: the share of events (`1/16`), and `1:2` with twice the users of `1`, each as active."""
    if name == "ml-1m":
        return movielens()
    size, _, times = name.partition(":")
    return generated(Fraction(size), int(times or 1))


def generated(size: Fraction, times: int = 1, seed: int = 7) -> sp.csr_array:
    """Ratings 1..5 [users, items]: item popularity 1/(20 + rank), log-normal users; `size` is the share of events.

    Users and items shrink with the root of the size, so that the matrix is as dense at any size. `times`: so many
    times the users and their events, of the same items.
    """
    random, root = np.random.default_rng(seed), float(size) ** 0.5
    users, items, events = int(USERS * root) * times, int(ITEMS * root), int(EVENTS * size) * times
    activity = random.lognormal(0, 1, users)
    popularity = np.cumsum(1 / (20 * root + 1 + random.permutation(items)))
    pairs = np.empty(0, np.int64)
    while len(pairs) < events:
        draws = random.multinomial(int((events - len(pairs)) * 1.5) + 1000, activity / activity.sum())
        drawn = np.searchsorted(popularity, random.random(draws.sum()) * popularity[-1])
        pairs = np.unique(np.concatenate([pairs, np.repeat(np.arange(users), draws) * items + drawn]))
    pairs = np.sort(random.permutation(pairs)[:events])
    ratings = random.integers(1, 6, events).astype(np.float32)
    return sp.csr_array((ratings, (pairs // items, pairs % items)), shape=(users, items))


def movielens() -> sp.csr_array:
    """MovieLens-1M [users, items] as 0 and 1, from the folder ENCORE_DATA."""
    users, items = np.loadtxt(data_folder("movielens-1m") / "ml-1m.txt", dtype=np.int64, unpack=True)
    return sp.csr_array((np.ones(len(users), np.float32), (users, items)))


def write_cells(matrix: sp.csr_array, folder: Path) -> None:
    """The matrix as a night has it: `events` in FILES files, in no order, as they come, and the `vocabulary`.

    Events have the columns of `interactions`, rows as items and features as users, and row and feature as numbers.
    """
    cells, random = sp.coo_array(matrix), np.random.default_rng(0)
    order = random.permutation(cells.nnz)
    sides = {"item": cells.row, "user": cells.col}
    names = {kind: np.arange(n).astype(str).astype(object) for kind, n in zip(sides, matrix.shape, strict=True)}
    for number, part in enumerate(np.array_split(order, FILES)):
        seconds = random.integers(0, DAYS * 86_400, len(part)).astype("datetime64[s]")
        ids = {f"{kind}_id": pa.array(names[kind]).take(pa.array(side[part])) for kind, side in sides.items()}
        other = {"kind": pa.repeat("rating", len(part)), "ts": pa.array(seconds).cast(pa.timestamp("us", "UTC"))}
        numbers = {"row": cells.row[part].astype(np.int64), "feature": cells.col[part].astype(np.int64)}
        table = pa.table({**ids, **other, **numbers, "value": cells.data[part].astype(np.float64)})
        _write(table, folder / "events" / f"part-{number}.parquet")
    known = [
        pa.table({"kind": pa.repeat(kind, len(ids)), "id": ids, "row": np.arange(len(ids))})
        for kind, ids in names.items()
    ]
    _write(pa.concat_tables(known), folder / "vocabulary" / "part-0.parquet")


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")


def write_night(matrix: sp.csr_array, folder: Path) -> None:
    """`interactions.parquet` and `items.parquet` for `encore import parquet`: ratings at random seconds up to DS."""
    cells, random = sp.coo_array(matrix), np.random.default_rng(0)
    order = random.permutation(cells.nnz)
    end = datetime.fromisoformat(DS).replace(tzinfo=UTC) + timedelta(days=1)
    seconds = np.sort(random.integers(0, DAYS * 86_400, cells.nnz))
    first = np.datetime64((end - timedelta(days=DAYS)).replace(tzinfo=None), "s")
    folder.mkdir(parents=True)
    schema = pa.schema(
        [(name, pa.string()) for name in ("user_id", "item_id", "kind")]
        + [("value", pa.float64()), ("ts", pa.timestamp("us", "UTC"))]
    )
    with pq.ParquetWriter(folder / "interactions.parquet", schema) as writer:
        for low in range(0, cells.nnz, 1_000_000):
            part = order[low : low + 1_000_000]
            users, items = (pa.array(ids[part]).cast(pa.string()) for ids in (cells.row, cells.col))
            times = pa.array(first + seconds[low : low + len(part)]).cast(pa.timestamp("us", "UTC"))
            kinds, values = pa.repeat("rating", len(part)), pa.array(cells.data[part].astype(np.float64))
            writer.write_batch(pa.record_batch([users, items, kinds, values, times], schema=schema))
    ids = [str(item) for item in range(matrix.shape[1])]
    pq.write_table(pa.table({"item_id": ids, "title": [f"Item {item}" for item in ids]}), folder / "items.parquet")


if __name__ == "__main__":
    write_night(named(sys.argv[1]), Path(sys.argv[2]))
    print(f"next: encore import parquet {sys.argv[2]} --domain movies --ds {DS}")
    print(f"then: encore nightly --domain movies --ds {DS}")
