"""What a data team would write instead of Encore's night: Polars and implicit, in one process.

    python -m benchmarks.night.peer_program FILES OUT DS

Reads `interactions.parquet` and `items.parquet` of FILES, cleans them, computes the 50 nearest items and users by
cosine, factors by alternating least squares (implicit's defaults) and every user's 20 best items that they have not
had, and writes all of it as Parquet to OUT. Prints the seconds of each step as JSON.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp

NEIGHBOURS, TOP_K = 50, 20


def clean(files: Path, ds: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The accepted events, newest last, and the items."""
    items = pl.read_parquet(files / "items.parquet").unique("item_id", keep="last", maintain_order=True)
    end = datetime.fromisoformat(ds).replace(tzinfo=UTC) + timedelta(days=1)
    events = (
        pl.scan_parquet(files / "interactions.parquet")
        .drop_nulls(["user_id", "item_id", "kind", "value", "ts"])
        .filter((pl.col("kind") == "rating") & pl.col("value").is_between(0.5, 5) & (pl.col("ts") < end))
        .join(items.lazy().select("item_id"), on="item_id", how="semi")
        .unique(["user_id", "item_id", "kind", "ts"])
        .sort("user_id", "ts")
        .collect()
    )
    return events, items


def number_ids(events: pl.DataFrame) -> tuple[sp.csr_matrix, pl.Series, pl.Series]:
    """Newest value of each pair [users, items], and the ids of users and items by row."""
    newest = events.unique(["user_id", "item_id"], keep="last", maintain_order=True)
    users, items = (newest[name].unique().sort() for name in ("user_id", "item_id"))
    rows = [
        newest[name].cast(pl.Enum(ids)).to_physical().to_numpy()
        for name, ids in (("user_id", users), ("item_id", items))
    ]
    values = newest["value"].to_numpy().astype(np.float32)
    return sp.csr_matrix((values, tuple(rows)), shape=(len(users), len(items))), users, items


def neighbours(by_feature: sp.csr_matrix, ids: pl.Series, names: tuple[str, str]) -> pl.DataFrame:
    """The nearest rows of each row by cosine; by_feature: [features, rows]."""
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=0)
    model.fit(by_feature, show_progress=False)
    pairs = sp.coo_matrix(model.similarity)
    other = pairs.row != pairs.col
    columns = {name: ids.gather(side[other]) for name, side in zip(names, (pairs.row, pairs.col), strict=True)}
    return pl.DataFrame({**columns, "similarity": pairs.data[other]}).sort(names[0], "similarity", descending=True)


def recommend(matrix: sp.csr_matrix, users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """Every user's best items by alternating least squares."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(num_threads=0, random_state=1)
    model.fit(matrix, show_progress=False)
    ids, scores = model.recommend(np.arange(matrix.shape[0]), matrix, N=TOP_K)
    columns = {"user_id": users.gather(np.repeat(np.arange(len(users)), TOP_K)), "item_id": items.gather(ids.ravel())}
    return pl.DataFrame({**columns, "rank": np.tile(np.arange(1, TOP_K + 1), len(users)), "score": scores.ravel()})


def main(files: Path, out: Path, ds: str) -> None:
    """Runs the steps and writes the tables."""
    seconds, last = {}, time.perf_counter()
    out.mkdir(parents=True)

    def ended(step: str, **tables: pl.DataFrame) -> None:
        nonlocal last
        for name, table in tables.items():
            table.write_parquet(out / f"{name}.parquet", compression="zstd")
        seconds[step], last = time.perf_counter() - last, time.perf_counter()

    events, known = clean(files, ds)
    ended("clean", interactions=events, items=known)
    matrix, users, items = number_ids(events)
    del events
    ended("number")
    ended("item similarity", item_similarity=neighbours(matrix, items, ("item_id", "similar_item_id")))
    by_item = sp.csr_matrix(matrix.T)
    ended("user similarity", user_similarity=neighbours(by_item, users, ("user_id", "similar_user_id")))
    ended("factors and lists", recommendations=recommend(matrix, users, items))
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
