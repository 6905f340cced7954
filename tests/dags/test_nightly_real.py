"""The real DAG with the real jobs on a catalogue of a few lines: what is published is what was asked for."""

import json
import os
import subprocess

import pytest

pytestmark = pytest.mark.slow

ENCORE = ".venv/bin/encore"
DAY = 86_400
LAST = 1_537_747_200  # 2018-09-24 00:00 UTC, the day of the night


def catalogue(folder):
    """12 films, 20 users with two tastes; a film that nobody saw, and a user whose rating is out of range."""
    films = [f"{film},Film {film} ({2000 + film}),{'Drama' if film % 2 else 'Comedy'}" for film in range(1, 13)]
    ratings = [
        f"{user},{film},{3 + (user + film) % 3},{LAST - DAY * (1 + (7 * user + 3 * film) % 60)}"
        for user in range(1, 21)
        for film in range(1, 12)
        if (film + user) % 2 == 0 and (film + 2 * user) % 7
    ]
    ratings.append(f"1,2,99,{LAST - DAY}")
    tables = {
        "movies.csv": ["movieId,title,genres", *films],
        "ratings.csv": ["userId,movieId,rating,timestamp", *ratings],
        "tags.csv": ["userId,movieId,tag,timestamp", f"1,1,quiet,{LAST - DAY}"],
        "links.csv": ["movieId,imdbId,tmdbId", *(f"{film},{film:07},{film}" for film in range(1, 13))],
    }
    folder.mkdir()
    for name, lines in tables.items():
        (folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
    return len(ratings)


# Simple ones, one of Keras, and the one that combines them.
NIGHT = ["nightly", "--domain", "movies", "--ds", "2018-09-24", "--top-k", "3"]
NIGHT += ["--models", "popularity,item_knn,sasrec,ensemble"]


@pytest.fixture(scope="module")
def encore(tmp_path_factory, pytestconfig):
    """Calls `encore` with places of its own; returns what it printed."""
    place = tmp_path_factory.mktemp("real")
    own = {
        "AIRFLOW_HOME": str(place / "airflow"),
        "ENCORE_STATE": str(place / "state"),
        "ENCORE_WAREHOUSE": str(place / "warehouse"),
        "ENCORE_LANDING": str(place / "landing"),
    }
    ours = ("ENCORE", "SPARK_REMOTE", "AIRFLOW")
    others = {name: value for name, value in os.environ.items() if not name.startswith(ours)}

    def call(*words, code=0):
        program = pytestconfig.rootpath / ENCORE
        done = subprocess.run([program, *words], env={**others, **own}, capture_output=True, text=True, cwd=place)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    call.folder = place / "ml-tiny"
    call.ratings = catalogue(call.folder)
    return call


def rows(encore, query):
    return json.loads(encore("tables", "sql", query, "--format", "json"))


@pytest.mark.timeout(600)
def test_a_night_from_files_to_published_tables(encore):
    encore("import", "movielens", str(encore.folder), "--domain", "movies", "--ds", "2018-09-24")
    shown = encore(*NIGHT)
    assert "movies.publish" in shown
    [count] = rows(encore, "SELECT count(*) n, count(DISTINCT user_id) users, max(rank) k FROM latest.recommendations")
    assert count == {"n": 60, "users": 20, "k": 3}
    [rejected] = rows(encore, "SELECT reasons FROM rejected WHERE file LIKE '%ratings%'")
    assert rejected["reasons"]
    [files] = rows(encore, "SELECT rows, rejected FROM files WHERE path LIKE '%ratings%'")
    assert files == {"rows": encore.ratings, "rejected": 1}
    seen = "SELECT count(*) n FROM latest.recommendations r SEMI JOIN interactions i USING (domain, user_id, item_id)"
    assert rows(encore, seen) == [{"n": 0}]


@pytest.mark.timeout(600)
def test_a_night_again_replaces_itself(encore):
    query = "SELECT user_id, rank, item_id, model FROM latest.recommendations ORDER BY ALL"
    before = rows(encore, query)
    encore(*NIGHT)
    assert rows(encore, query) == before
