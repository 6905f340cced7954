"""Nights and imports with users planted wherever a user can stand, and a scan for them."""

from pathlib import Path
from typing import Any

from jobs.cli import main
from jobs.privacy.ids import Ids
from jobs.privacy.scan import scan
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from tests.support.fakes import DS, Rows
from tests.support.nights import publish

LONG, SHORT, ODD = "planted-user-long-enough-4711", "77", 'ü\'2 "quoted"'
STAYS = ("stays-1", "78", "日本")
USERS = (LONG, SHORT, ODD, *STAYS)
ERASED = (LONG, SHORT, ODD)
SECOND = "2026-11-21"


def planted(rows: dict[str, Rows]) -> None:
    """Rows of the users in every table that can hold one, raw texts among them."""
    for rejected in rows["rejected"]:
        rejected["raw"] = f"{LONG},s1,rating,nonsense"
    for place, user in enumerate(USERS):
        rows["rejected"].append({**rows["rejected"][0], "line": 10 + place, "raw": f'{user},"s1",rating,x'})
        rows["held"].append({**rows["held"][0], "line": 10 + place, "raw": f"{user},s9,rating,3"})
        gone = {**rows["replaced"][0], "user_id": user, "item_id": "s1", "kind": "rating", "line": place}
        rows["replaced"].append(gone)
        rows["reviews"].append({**rows["reviews"][0], "review_id": f"r{place}", "user_id": user, "text": "fine"})


def both_nights(config: Settings) -> None:
    """Two nights of movies with the users, and one of music with those who stay."""
    publish(config, 1, ds=DS, users=USERS, broken=planted)
    publish(config, 2, ds=SECOND, users=USERS, broken=lambda rows: rows["interactions"].clear())
    publish(config, 3, ds=DS, domain="music", users=STAYS)


def import_users(folder: Path, *words: str) -> int:
    """Imports ratings and a tag of the users, and rows of the first that cannot be read."""
    source = folder / "in"
    source.mkdir(exist_ok=True)
    cells = ['"' + user.replace('"', '""') + '"' for user in USERS]
    lines = [f'{cell},"s1",3.5,946684800' for cell in cells]
    lines += [f"{LONG},s1,not a number,946684800", f"{LONG},s1"]
    (source / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines, ""]))
    (source / "tags.csv").write_text(f"userId,movieId,tag,timestamp\n{LONG},s1,funny,946684800\n")
    (source / "movies.csv").write_text("movieId,title,genres\ns1,Film (1999),Drama\n")
    return main(["import", "movielens", str(source), "--domain", "movies", "--ds", DS, *words])


def erase_words(*words: str, domain: str = "movies") -> list[str]:
    """The command line that erases without a question."""
    return ["erase", *words, "--domain", domain, "--yes", "--idle-minutes", "0"]


def users_file(folder: Path) -> str:
    """A file with the ids of those to erase."""
    (folder / "gone.txt").write_text("\n".join([*ERASED, ""]), encoding="utf-8")
    return str(folder / "gone.txt")


def places_of_users(config: Settings, folder: Path, users: tuple[str, ...] = ERASED) -> list[str]:
    """Where users stand in warehouse, landing, state and Airflow's home."""
    places = [config.warehouse, config.landing, f"file://{folder}/state", f"file://{folder}/airflow"]
    return [str(finding) for finding in scan(Ids(users), places).findings]


def ask(config: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the published tables."""
    with open_tables(Tables(config)) as db:
        return db.execute(sql).fetchall()
