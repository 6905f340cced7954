"""Warm start from last night's model: checks that nothing held out tonight is in its weights.

It is the artifact that the last complete night trained on its training part; what made that night's lists has learned
the held-out days too and is never used. The log says why a training starts from scratch.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.learning.arrays import Ids, Split
from jobs.learning.artifacts import Artifact, load
from jobs.learning.incumbent import incumbent_facts
from jobs.night import Night
from jobs.storage.frames import read
from jobs.storage.runs import Run
from models.base import Recommender
from models.data import HeldOut
from models.histories import from_events
from schemas.names import NEURAL, TaskState
from schemas.working import SEQUENCES, TIME, TRAIN

log = logging.getLogger(__name__)


class ColdError(Exception):
    """Why a training starts from scratch."""


class Start(NamedTuple):
    """A model to begin with, and where its artifact lies."""

    model: Recommender
    address: str


def warm_start(night: Night, name: str, settings: Mapping[str, Any], known: Ids, parts: Split) -> Start | None:
    """The model that the last complete night trained with the same `settings`; None where there is none to begin with.

    parts: tonight's events, of which it must not know those that are held out.
    """
    if name not in NEURAL or night.domain.full_training_nights == 1:
        return None
    try:
        run = last_complete(night)
        artifact = suitable(run, name, settings, night.domain.full_training_nights)
        require_earlier(night, run, parts)
        model = load(name, artifact, known)
    except ColdError as reason:
        log.info("%s trains from scratch: %s", name, reason)
        return None
    except (InputError, OSError, KeyError, TypeError, ValueError) as error:  # which must not stop tonight's training
        log.warning("%s trains from scratch: last night's model cannot be read: %s", name, error)
        return None
    log.info("%s begins with the weights of %s", name, artifact.address)
    return Start(model, artifact.address)


def last_complete(night: Night) -> Run:
    """The run that the last complete night before this one published, as `pin` saw it."""
    if night.last_complete is None:
        raise ColdError("no night is complete before this one")
    return Run.of(night.run.warehouse, night.last_complete)


def suitable(run: Run, name: str, settings: Mapping[str, Any], nights: int) -> Artifact:
    """The artifact that a run trained with `settings` on the training part alone; not where it is the last of `nights`
    trainings of which only the first started from scratch."""
    entry = run.find(f"train_{name}")
    if entry is None or entry.state != TaskState.DONE:
        raise ColdError(f"run {run.run_id} of {run.ds} has not trained it")
    trained = [facts for facts in (entry.facts, incumbent_facts(entry.facts)) if facts.get("settings") == settings]
    if not trained:
        raise ColdError(f"run {run.run_id} of {run.ds} trained it with other settings")
    facts = trained[0]
    if facts.get("learned") != [TRAIN]:
        raise ColdError(f"{facts['artifact']} has learned {facts.get('learned')}, not {[TRAIN]}: it may know the test")
    if facts["trained"]["warm"] + 1 >= nights:
        raise ColdError(f"once in {nights} nights it does (domains.{run.domain}.full_training_nights)")
    return Artifact.of(facts)


def require_earlier(night: Night, run: Run, parts: Split) -> None:
    """Raises ColdError where the training part of an earlier run may hold what is held out tonight.

    By time: where its validation began after tonight's does (the test has grown). Otherwise: where a user had an item
    in it that this user is asked for tonight (events have vanished since).
    """
    then, now = run.entry("sequences"), night.run.entry("sequences")
    if then.facts["split"] != now.facts["split"]:
        raise ColdError(f"events were held out by {then.facts['split']} then, by {now.facts['split']} now")
    if now.facts["split"] == TIME:
        if then.facts["validation_from"] > now.facts["validation_from"]:
            raise ColdError(
                f"what was learned up to {then.facts['validation_from']} reaches into tonight's held-out days, which "
                f"begin on {now.facts['validation_from']}"
            )
        return
    table = read(run.files("sequences"), SEQUENCES, columns=["user_row", "item_row", "part"])
    table = table.filter(pc.equal(table["part"], pa.scalar(TRAIN)))
    for name, held in (("validation", parts.validation), ("test", parts.test)):
        if count := count_seen(table, held):
            raise ColdError(f"{count} items of tonight's {name} were learned by their users then")


def count_seen(learned: pa.Table, held: HeldOut) -> int:
    """How many held-out items their users had among some learned events (user_row, item_row; sorted by user)."""
    n_users = 1 + max(pc.max(learned["user_row"]).as_py() or 0, int(held.users.max(initial=0)))
    items = learned["item_row"].to_numpy()
    ones = np.ones(len(items), np.float32)
    had = from_events(learned["user_row"].to_numpy(), items, ones, None, n_users, held.relevant.shape[1])
    return int(had.take(held.users).matrix().multiply(held.relevant).nnz)
