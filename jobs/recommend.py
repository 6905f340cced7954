"""The champion's list for every user, with reasons.

The champion learns the held-out days too before it recommends: the lists know yesterday. How a list is made of what it
scores, and the cold-start fallback, are in `models/serving/lists.py`; the row says what chose each item.
"""

import argparse
import logging
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.backend import require_gpu
from jobs.learning.arrays import Ids, all_events, catalogue, ids
from jobs.learning.artifacts import Artifact, load
from jobs.learning.serving import audience, serving
from jobs.night import Attempt, Night
from jobs.storage.frames import write
from models.base import Recommender, TrainingData
from models.classic.content_knn import ContentKNN
from models.classic.popularity import Popularity
from models.data import Catalogue
from models.histories import Histories, IntArray
from models.serving.lists import CONTENT, NEW, OWN, POPULAR, Serving
from schemas.names import ON_GPU
from schemas.outputs import FRESH, POPULAR_NOW, POPULAR_WITH
from schemas.tables import TABLES

# Rows of a file, which bound the memory of lists and texts, and of a row group: what a reader of one user's list reads.
# As benchmarks/night/lookup.py measures them.
FILE_ROWS, GROUP_ROWS = 2_500_000, 20_000
EXPLORATION = "exploration"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Names:
    """External names of rows: ids and titles of the items ('' unknown), labels of the segments."""

    ids: Ids
    titles: list[str]
    segments: list[str]


@dataclass(frozen=True)
class Work:
    """All inputs of the lists, and `files`: for each file of the table the rows of its users, in its order."""

    champion: Recommender
    serving: Serving
    histories: Histories
    names: Names
    files: list[IntArray]


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events and the catalogue, lets the champion learn them, writes `recommendations`."""
    if night.run.entry("gate").facts["champion"] in ON_GPU:
        require_gpu(night.settings, args.require_gpu)
    work = prepare(night, *inputs(night), file_users(night))
    for number in range(len(work.files)):
        write(lists(night, work, number), attempt.folder("recommendations"), f"part-{number:05d}", GROUP_ROWS)
    log.info("%s made lists for %d users", work.champion.name, sum(map(len, work.files)))


def inputs(night: Night) -> tuple[Recommender, Ids, Histories, Catalogue]:
    """Loads the champion, refits it on all events, and returns it with what it learned them from."""
    known = ids(night)
    histories, items = all_events(night, known), catalogue(night, known)
    chosen = night.run.entry("gate").facts
    champion = load(chosen["champion"], Artifact.of(chosen))
    return champion.refit(TrainingData(histories, items, seed=night.seed)), known, histories, items


def prepare(night: Night, champion: Recommender, known: Ids, histories: Histories, items: Catalogue, size: int) -> Work:
    """Prepares the lists of all users, in files of `size` users."""
    users = audience(night, known)
    names = Names(known, items.titles, users.labels)
    return Work(champion, serving(night, users, histories, items), histories, names, files(known, size))


def file_users(night: Night) -> int:
    """Returns how many users' lists a file holds."""
    return max(FILE_ROWS // night.domain.top_k, 1)


def files(known: Ids, size: int) -> list[IntArray]:
    """`size` users for each file, by row, in the order of their ids: a reader finds one by the least and largest id."""
    order = pc.sort_indices(known.users.take(pa.array(known.known_users)))
    users = known.known_users[order.to_numpy()]
    return [users[low : low + size] for low in range(0, len(users), size)]


def lists(night: Night, work: Work, number: int) -> pa.Table:
    """Makes the rows of `recommendations` for the users of a file, in their order and by rank."""
    users, serving, names = work.files[number], work.serving, work.names
    made = serving.lists(work.champion, work.histories.take(users), users, night.domain.top_k)
    owner, place = np.nonzero(made.items >= 0)
    items, source, reasons = made.items[owner, place], made.source[owner, place], made.reasons[owner, place]
    segment = np.where(source == POPULAR, serving.segment[users[owner]], 0)
    chose = {OWN: work.champion.name, CONTENT: ContentKNN.name, POPULAR: Popularity.name, NEW: EXPLORATION}
    columns = {
        "domain": pa.repeat(night.run.domain, len(items)),
        "ds": pa.repeat(night.ds, len(items)),
        "user_id": names.ids.users.take(pa.array(users[owner])),
        "rank": pa.array((place + 1).astype(np.int32)),
        "item_id": names.ids.items.take(pa.array(items)),
        "score": pa.array(made.scores[owner, place]),
        "model": pa.array([chose[n] for n in range(len(chose))]).take(pa.array(source)),
        "because_item_id": names.ids.items.take(pa.array(reasons, mask=reasons < 0)),
        "because": texts(night.domain.verb, names, reasons, serving.fresh[items], segment),
    }
    return pa.table(columns, schema=TABLES["recommendations"].schema)


def texts(verb: str, names: Names, reasons: IntArray, fresh: np.ndarray, segment: IntArray) -> pa.Array:
    """Explains every row in words: by an item of the history, else that nobody has the item yet, or who likes it."""
    titles = [title or item for title, item in zip(names.titles, names.ids.items.to_pylist(), strict=True)]
    because = [f"because you {verb} {title}" for title in titles]
    popular = [f"{POPULAR_WITH} {label}" if label else POPULAR_NOW for label in names.segments]
    every = pa.array([*because, *popular, FRESH], pa.string())
    among = len(titles) + np.where(fresh, len(popular), segment)
    return every.take(pa.array(np.where(reasons >= 0, reasons, among)))
