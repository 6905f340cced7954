"""The job `sequences` against DuckDB on the same events, and its split by hash."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs import sequences
from jobs.sequences import hash_part
from tests.support.domains import MOVIES
from tests.support.spark import forbid_spark

Encore = Callable[..., int]
DAY, START = 86_400, 946_684_800  # 2000-01-01
JOBS = ("pin", "clean", "vocabulary", "sequences")


def test_a_share_by_hash_the_same_every_night(session: SparkSession) -> None:
    domain = replace(MOVIES, test_share=0.2)
    rows = [(f"u{n % 50}", f"i{n}") for n in range(2000)]

    def parts(some: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
        frame = session.createDataFrame(some, "user_id string, item_id string")
        return {(row.user_id, row.item_id): row.part for row in frame.withColumn("part", hash_part(domain)).collect()}

    every = parts(rows)
    for part in (1, 2):
        assert 300 < list(every.values()).count(part) < 500  # 400 ± 5.6 standard deviations of 18
    later = parts([*rows[1000:], ("u1", "new")])
    assert {pair: part for pair, part in later.items() if pair != ("u1", "new")} == dict(list(every.items())[1000:])


@pytest.fixture(params=["in the job", "read by tasks", "joined by Spark"])
def way(request: pytest.FixtureRequest, encore: Encore, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways into blocks, of few events each; one user has more than a block is to have."""
    monkeypatch.setattr(sequences, "BLOCK_EVENTS", 64)
    if request.param == "joined by Spark":
        monkeypatch.setattr("jobs.spark.events.MAX_IDS", 0)
    elif request.param == "in the job":
        forbid_spark(monkeypatch)


@pytest.mark.usefixtures("way")
def test_every_event_in_order_and_split_by_time(
    encore: Encore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "encore.toml"
    config.write_text("[domains.movies]\ntest_users = 5\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(config))
    random = np.random.default_rng(1)
    every, one_user = random.integers(0, [40, 30, 60 * DAY], (900, 3)), random.integers(0, [1, 30, 60 * DAY], (600, 3))
    ratings = {(int(u), int(t)): int(i) for u, i, t in np.concatenate([every, one_user])}
    lines = [f"u{u},{i},{1 + (u + i) % 9 / 2},{START + t}" for (u, t), i in ratings.items()]
    source = tmp_path / "in"
    source.mkdir()
    (source / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines, ""]))
    movies = [f"{i},F{i},Drama" for i in range(30)]
    (source / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies, ""]))
    assert encore("import", "movielens", str(source), ds="2000-03-01") == 0
    assert [encore(job, ds="2000-03-01") for job in JOBS] == [0] * len(JOBS)
    run = tmp_path / "warehouse/runs/movies/2000-03-01"

    def table(task: str, name: str) -> str:
        return f"read_parquet('{run}/*/{task}/*/{name}/*.parquet', filename = true)"

    ids = f"SELECT kind, id, row FROM {table('vocabulary', 'vocabulary')}"
    expected = duckdb.execute(
        f"""WITH ids AS ({ids})
            SELECT u.row, i.row, value::FLOAT, epoch(ts)::BIGINT
            FROM {table("clean", "interactions")} e
            JOIN (SELECT id, row FROM ids WHERE kind = 'user') u ON u.id = e.user_id
            JOIN (SELECT id, row FROM ids WHERE kind = 'item') i ON i.id = e.item_id
            ORDER BY 1, ts, 2"""
    ).fetchall()
    result: list[Any] = duckdb.execute(
        f"SELECT user_row, item_row, value, epoch(ts)::BIGINT, part FROM {table('sequences', 'sequences')} "
        "ORDER BY filename, file_row_number"
    ).fetchall()
    assert [row[:4] for row in result] == expected
    newest = max(row[3] for row in result) // DAY
    test, validation = MOVIES.test_days, MOVIES.validation_days
    for *_, ts, part in result:
        ago = newest - ts // DAY
        assert part == ("test" if ago < test else "validation" if ago < test + validation else "train")
