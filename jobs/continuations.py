"""Continuations: the next items of each user's history, in order, by the sequence-to-sequence model.

The model learns the held-out days too before it does, as the champion does before it recommends.
"""

import argparse
import logging

import numpy as np
import pyarrow as pa

from jobs.backend import require_gpu
from jobs.learning.arrays import Ids, all_events, catalogue, ids
from jobs.learning.artifacts import artifacts, load
from jobs.learning.serving import audience
from jobs.night import Attempt, Night
from jobs.storage.frames import write
from models.base import TopK, TrainingData
from models.histories import IntArray
from schemas.names import CONTINUING
from schemas.tables import TABLES

FILE_USERS = 50_000  # users a file
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events and the trained model, writes `continuations`; nothing where the run has not trained it."""
    trained = artifacts(night)
    if CONTINUING not in trained:
        log.info("%s was not trained in this run: no continuations", CONTINUING)
        return
    require_gpu(night.settings, args.require_gpu)
    from models.neural.seq2seq import Seq2Seq  # imports Keras

    known = ids(night)
    histories, users = all_events(night, known), audience(night, known)
    model = load(CONTINUING, trained[CONTINUING])
    assert isinstance(model, Seq2Seq)
    model = model.refit(TrainingData(histories, catalogue(night, known), seed=night.seed))
    for number, low in enumerate(range(0, len(known.known_users), FILE_USERS)):
        part = known.known_users[low : low + FILE_USERS]
        lists = model.continue_histories(histories.take(part), users.allowed, users.group[part])
        write(table(night, known, part, lists), attempt.folder("continuations"), f"part-{number:05d}")
    log.info("%s continued the histories of up to %d users", CONTINUING, len(known.known_users))


def table(night: Night, known: Ids, users: IntArray, lists: TopK) -> pa.Table:
    """Rows of `continuations` of some users, by user_id and position."""
    owner, place = np.nonzero(lists.items >= 0)
    columns = {
        "domain": pa.repeat(night.run.domain, len(owner)),
        "ds": pa.repeat(night.ds, len(owner)),
        "user_id": known.users.take(pa.array(users[owner])),
        "position": pa.array((place + 1).astype(np.int32)),
        "item_id": known.items.take(pa.array(lists.items[owner, place])),
        "score": pa.array(lists.scores[owner, place]),
        "model": pa.repeat(CONTINUING, len(owner)),
    }
    rows = pa.table(columns, schema=TABLES["continuations"].schema)
    return rows.sort_by([("user_id", "ascending"), ("position", "ascending")])
