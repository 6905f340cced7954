"""Nights that follow each other: history, duplicates, catalogue, sequences and lists, through the jobs themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs import settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from schemas.names import MODELS, NEURAL
from schemas.tables import TABLES

Encore = Callable[..., int]
Rows = Callable[..., list[dict[str, Any]]]

MODELS_OF_A_NIGHT = tuple(name for name in MODELS if name not in NEURAL)
JOBS_BEFORE = ("pin", "clean", "vocabulary", "sequences")
JOBS_AFTER = ("item_similarity", "user_similarity", "evaluate", "gate", "recommend", "publish")
MEASURED = {"models": ("artifact", "train_seconds")}  # columns that no run repeats
DAY = 86_400
START = 946_684_800  # 2000-01-01


def release(folder: Path, ratings: list[str], movies: list[str]) -> str:
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings, ""]))
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies, ""]))
    return str(folder)


def night(encore: Encore, ds: str, models: Sequence[str] = MODELS_OF_A_NIGHT, **run: str) -> None:
    train = [("train", "--model", model) for model in models]
    pin, *before = [(job,) for job in JOBS_BEFORE]
    for job in [(*pin, "--models", ",".join(models)), *before, *train, *((job,) for job in JOBS_AFTER)]:
        assert encore(*job, ds=ds, **run) == 0, job


def published(ds: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a night in every table but `runs`, sorted, without what is measured or names an attempt."""
    tables = {name: MEASURED.get(name, ()) for name, table in TABLES.items() if name != "runs"}
    columns = {name: f"* EXCLUDE ({', '.join(left_out)})" if left_out else "*" for name, left_out in tables.items()}
    return {name: ask(f"SELECT {some} FROM {name} WHERE ds = '{ds}' ORDER BY ALL") for name, some in columns.items()}


def ask(sql: str) -> list[tuple[Any, ...]]:
    with open_tables(Tables(settings.load())) as db:
        return db.execute(sql).fetchall()


@pytest.fixture
def two_nights(encore: Encore, tmp_path: Path, lenient: None) -> Encore:
    """Night one: 12 users rate 8 of 10 films. Night two: an old row again, a new user, a new film, a new title."""
    films = [f"{i},Film {i} (1990),Drama" for i in range(10)]
    first = [f"u{u:02},{(u + i) % 10},{1 + (u * i) % 9 / 2},{START + 100 * u + i}" for u in range(12) for i in range(8)]
    assert encore("import", "movielens", release(tmp_path / "one", first, films), ds="2000-01-01") == 0
    night(encore, "2000-01-01")
    second = [first[0], f"new,3,4.0,{START + DAY}", f"u01,10,5.0,{START + DAY + 5}"]
    source = release(tmp_path / "two", second, ["10,Film 10 (2000),Comedy", "3,Film three (1990),Drama"])
    assert encore("import", "movielens", source, ds="2000-01-02") == 0
    night(encore, "2000-01-02")
    return encore


def check_similarity() -> None:
    """The published similarity equals its definition in SQL over all events, in double precision."""
    definition = """
        WITH r AS (SELECT user_id, item_id, max_by(value, ts) AS v FROM interactions GROUP BY ALL),
             n AS (SELECT item_id, sqrt(sum(v * v)) AS norm FROM r GROUP BY item_id)
        SELECT a.item_id, b.item_id AS similar_item_id, sum(a.v * b.v) / (any_value(na.norm) * any_value(nb.norm)) AS s
        FROM r a JOIN r b ON a.user_id = b.user_id AND a.item_id <> b.item_id
        JOIN n na ON na.item_id = a.item_id JOIN n nb ON nb.item_id = b.item_id GROUP BY a.item_id, b.item_id"""
    result = ask(
        f"""SELECT count(similarity), count(s), max(abs(similarity - s))
            FROM (FROM latest.item_similarity WHERE method = 'cosine')
            FULL JOIN ({definition}) USING (item_id, similar_item_id)"""
    )
    # each of the first 10 films meets the 9 others; film 10 meets the 8 that its only user rated, both ways
    assert result[0][:2] == (106, 106)
    assert result[0][2] < 1e-6


@pytest.mark.slow
def test_two_nights_and_the_first_again(two_nights: Encore, rows: Rows) -> None:
    # the repeated row is known from the night before
    counts = {r["path"]: (r["accepted"], r["known"]) for r in rows("clean", "files", ds="2000-01-02")}
    assert counts["ratings.csv"] == (2, 1)
    assert ask("SELECT ds, count(*) FROM interactions GROUP BY ds ORDER BY ds") == [
        ("2000-01-01", 96),
        ("2000-01-02", 2),
    ]
    # the catalogue of the second night knows all films, with the new title
    assert ask("SELECT count(*) FROM latest.items") == [(11,)]
    assert ask("SELECT title FROM latest.items WHERE item_id = '3'") == [("Film three (1990)",)]
    # vocabulary: the second night adds exactly `new` and film 10
    assert ask("SELECT kind, id, row FROM vocabulary WHERE ds = '2000-01-02' ORDER BY kind") == [
        ("item", "10", 10), ("user", "new", 12),
    ]  # fmt: skip
    # every user has every unseen film, none twice, none seen
    assert ask("SELECT count(DISTINCT user_id) FROM latest.recommendations") == [(13,)]
    assert ask("SELECT count(*) FROM latest.recommendations WHERE user_id = 'new'") == [(10,)]
    assert ask(
        "SELECT count(*) FROM latest.recommendations r JOIN interactions i USING (user_id, item_id) WHERE r.ds >= i.ds"
    ) == [(0,)]

    check_similarity()

    before = published("2000-01-01")
    assert [name for name, rows in before.items() if not rows] == [
        "rejected",
        "held",
        "replaced",
        "users",
        "reviews",
        "item_vectors",
        "activity",
        "continuations",
    ]
    night(two_nights, "2000-01-01", run="again")
    again = published("2000-01-01")
    assert {name: rows for name, rows in again.items() if rows != before[name]} == {}


def test_sequences_are_in_order_and_split(encore: Encore, tmp_path: Path) -> None:
    ratings = [f"u{n % 3},{n % 7},3.0,{START + n}" for n in reversed(range(21))]
    source = release(tmp_path / "in", ratings, [f"{i},F{i},Drama" for i in range(7)])
    assert encore("import", "movielens", source, ds="2000-01-01") == 0
    assert [encore(job, ds="2000-01-01") for job in ("pin", "clean", "vocabulary", "sequences")] == [0] * 4
    pattern = (
        tmp_path / "warehouse" / "runs" / "movies" / "2000-01-01" / "*" / "sequences" / "*" / "sequences" / "*.parquet"
    )
    events = duckdb.execute(f"SELECT user_row, epoch(ts)::BIGINT, part FROM read_parquet('{pattern}')").fetchall()
    assert [(user, ts - START) for user, ts, _ in events] == [
        (n % 3, n) for n in sorted(range(21), key=lambda n: (n % 3, n))
    ]
    # too few users for a split by time: each of the three has the last event held out, and the one before
    assert {ts - START for _, ts, part in events if part == "test"} == {18, 19, 20}
    assert {ts - START for _, ts, part in events if part == "validation"} == {15, 16, 17}
