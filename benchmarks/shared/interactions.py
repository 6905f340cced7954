"""Interactions to measure with: generated at any size, or MovieLens-1M; as matrices, as events in Parquet, as a night.

python -m benchmarks.shared.interactions 1 FOLDER     # 22 million events and their items, for `encore import parquet`
"""

import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from pyarrow import parquet as pq

from benchmarks.shared.data import data_folder
from models.sorting import distinct

USERS, ITEMS, EVENTS = 138_000, 26_000, 22_000_000
Array = npt.NDArray[Any]
FILES = 8  # as a warehouse has them: one file would be read by one task
DS, DAYS = "2026-03-01", 1000  # a generated event lies in one of so many days, the last of them DS


def load(name: str) -> sp.csr_array:
    """`ml-1m`, or generated: the share of events (`1/16`), and `1:2` with twice the users of `1`, each as active."""
    if name == "ml-1m":
        return movielens()
    size, _, times = name.partition(":")
    return generate(Fraction(size), int(times or 1))


def generate(size: Fraction, times: int = 1, seed: int = 7) -> sp.csr_array:
    """Ratings 1..5 [users, items]: item popularity 1/(20 + rank), log-normal users; `size` is the share of events.

    Users and items shrink with the root of the size, so that the matrix is as dense at any size. `times`: so many
    times the users and their events, of the same items.
    """
    root = float(size) ** 0.5
    return draw(int(USERS * root) * times, int(ITEMS * root), int(EVENTS * size) * times, 20 * root, seed)


def draw(users: int, items: int, events: int, shift: float, seed: int = 7) -> sp.csr_array:
    """Ratings 1..5 [users, items] of so many different pairs: item popularity 1/(shift + rank), log-normal users."""
    random = np.random.default_rng(seed)
    activity = random.lognormal(0, 1, users)
    popularity = np.cumsum(1 / (shift + 1 + random.permutation(items)))
    pairs = np.empty(0, np.int64)
    while len(pairs) < events:
        draws = random.multinomial(int((events - len(pairs)) * 1.5) + 1000, activity / activity.sum())
        drawn = np.searchsorted(popularity, random.random(draws.sum()) * popularity[-1])
        pairs = distinct(np.concatenate([pairs, np.repeat(np.arange(users), draws) * items + drawn]))
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


def write_night(matrix: sp.csr_array, folder: Path, heavy: int = 0) -> None:
    """`interactions.parquet` and `items.parquet` for `encore import parquet`: ratings at random seconds up to DS.

    heavy: so many of the events, at random, are all of the first user.
    """
    cells, random = sp.coo_array(matrix), np.random.default_rng(0)
    order = random.permutation(cells.nnz)
    users, items = cells.row[order], cells.col[order]
    users[:heavy] = 0
    end = datetime.fromisoformat(DS).replace(tzinfo=UTC) + timedelta(days=1)
    seconds = random.permutation(cells.nnz) if heavy else np.arange(cells.nnz)
    times = np.sort(random.integers(0, DAYS * 86_400, cells.nnz))[seconds]
    first = np.datetime64((end - timedelta(days=DAYS)).replace(tzinfo=None), "s")
    folder.mkdir(parents=True)
    write_interactions(folder, users, items, first + times, cells.data[order])
    ids = [str(item) for item in range(matrix.shape[1])]
    pq.write_table(pa.table({"item_id": ids, "title": [f"Item {item}" for item in ids]}), folder / "items.parquet")


def write_increment(matrix: sp.csr_array, folder: Path, events: int, seed: int = 1) -> None:
    """The same for the day after DS: `events` of it, of the users and items of `matrix` by how many events they have.

    One event in a hundred is of a user, and one in a thousand of an item, that is new.
    """
    cells, random = sp.coo_array(matrix), np.random.default_rng(seed)
    at = random.integers(0, cells.nnz, (2, events))
    users, items = cells.row[at[0]], cells.col[at[1]]
    for ids, n, share in ((users, matrix.shape[0], 100), (items, matrix.shape[1], 1000)):
        ids[::share] = n + random.integers(0, -(-events // share // 4), len(ids[::share]))
    seconds = np.sort(random.integers(0, 86_400, events))
    folder.mkdir(parents=True)
    first = np.datetime64(datetime.fromisoformat(DS) + timedelta(days=1), "s")
    write_interactions(folder, users, items, first + seconds, random.integers(1, 6, events))
    new = [str(item) for item in distinct(items[::1000])]
    pq.write_table(pa.table({"item_id": new, "title": [f"Item {item}" for item in new]}), folder / "items.parquet")


def write_interactions(folder: Path, users: Array, items: Array, times: Array, values: Array) -> None:
    """`interactions.parquet` of ratings, in their order."""
    schema = pa.schema(
        [(name, pa.string()) for name in ("user_id", "item_id", "kind")]
        + [("value", pa.float64()), ("ts", pa.timestamp("us", "UTC"))]
    )
    with pq.ParquetWriter(folder / "interactions.parquet", schema) as writer:
        for low in range(0, len(users), 1_000_000):
            part = slice(low, low + 1_000_000)
            ids = [pa.array(every[part]).cast(pa.string()) for every in (users, items)]
            kinds, when = pa.repeat("rating", len(ids[0])), pa.array(times[part]).cast(pa.timestamp("us", "UTC"))
            columns = [*ids, kinds, pa.array(values[part].astype(np.float64)), when]
            writer.write_batch(pa.record_batch(columns, schema=schema))


if __name__ == "__main__":
    write_night(load(sys.argv[1]), Path(sys.argv[2]))
    print(f"next: encore import parquet {sys.argv[2]} --domain movies --ds {DS}")
    print(f"then: encore nightly --domain movies --ds {DS}")
