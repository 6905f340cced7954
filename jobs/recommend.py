"""The champion's list for every user, with reasons.

The champion learns the held-out days too before it recommends: the lists know yesterday. Users for whom it has too
little evidence get popular items, and the row says which model chose it.
"""

import argparse
import logging

import numpy as np
import pyarrow as pa

from jobs import job
from jobs.evaluate import artifacts, load
from jobs.held_out import Ids, all_events, catalogue, ids
from jobs.night import Attempt, Night, night_parser
from jobs.storage.frames import write
from jobs.storage.sql import connect, parquet_view
from models.base import Recommender, filled
from models.histories import Histories, IntArray
from models.popularity import Popularity
from models.training import TrainingData
from schemas.domains import eligible
from schemas.tables import TABLES

BLOCK_USERS = 50_000  # users per file: bounds the memory of lists and texts
POPULAR = "popular now"
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("recommend", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("recommend", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events and the catalogue, retrains the champion on them, writes `recommendations`."""
    known = ids(night)
    histories = all_events(night, known)
    may, titles = offered(known, night)
    data = TrainingData(histories, catalogue(night, known), seed=night.seed)
    name = night.run.entry("gate").facts["champion"]
    champion = load(name, artifacts(night)[name]).go_on(data)
    fallback = Popularity().fit(data)
    for number, low in enumerate(range(0, len(known.people), BLOCK_USERS)):
        part = known.people[low : low + BLOCK_USERS]
        rows = lists(night, champion, fallback, histories.take(part), part, known, may, titles)
        write(rows, attempt.folder("recommendations"), f"part-{number:05d}")
    log.info("%s made lists for %d users", champion.name, len(known.people))


def offered(known: Ids, night: Night) -> tuple[np.ndarray, np.ndarray]:
    """By item row: whether it may be recommended (bool [n_items]), and its title (object [n_items])."""
    with connect() as db:
        parquet_view(db, "items", night.tonight("items"), TABLES["items"].schema)
        rows = db.execute(f"SELECT item_id, title, {eligible(night.domain, night.ds)} FROM items").fetchall()
    place = {item: row for row, item in enumerate(known.items.to_pylist())}
    may = np.zeros(len(known.items), bool)
    titles = np.array(known.items.to_pylist(), object)
    titles[titles == None] = ""  # noqa: E711 (elementwise)
    for item, title, allowed in rows:
        may[place[item]] = allowed
        titles[place[item]] = title or item
    return may, titles


def lists(
    night: Night,
    champion: Recommender,
    fallback: Recommender,
    histories: Histories,
    users: IntArray,
    known: Ids,
    may: np.ndarray,
    titles: np.ndarray,
) -> pa.Table:
    """Rows of `recommendations` for some users, sorted by user and rank."""
    k = night.domain.top_k
    own = champion.recommend(histories, k, eligible=may)
    top, filler = filled(own, fallback.recommend(histories, k, eligible=may))
    reasons = champion.explain(histories, np.where(filler, -1, top.items))
    owner, place = np.nonzero(top.items >= 0)
    items, because = top.items[owner, place], reasons[owner, place]
    chosen_by = np.where(filler[owner, place], fallback.name, champion.name)
    texts = np.where(because >= 0, f"because you {night.domain.verb} " + titles[because], POPULAR)
    columns = {
        "domain": pa.repeat(night.run.domain, len(items)),
        "ds": pa.repeat(night.ds, len(items)),
        "user_id": known.users.take(pa.array(users[owner])),
        "rank": pa.array((place + 1).astype(np.int32)),
        "item_id": known.items.take(pa.array(items)),
        "score": pa.array(top.scores[owner, place]),
        "model": pa.array(chosen_by, pa.string()),
        "because_item_id": known.items.take(pa.array(because, mask=because < 0)),
        "because": pa.array(texts, pa.string()),
    }
    return pa.table(columns, schema=TABLES["recommendations"].schema).sort_by(
        [("user_id", "ascending"), ("rank", "ascending")]
    )
