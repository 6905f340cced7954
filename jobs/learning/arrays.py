"""The run's sequences as arrays: what to learn from, and what was held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from jobs.known_ids import SCHEMA, are_erased, known_ids, of_kind
from jobs.night import Night
from jobs.storage.frames import read
from models.data import Catalogue, HeldOut
from models.histories import Histories, IntArray, from_events
from models.sorting import distinct
from schemas.tables import TABLES
from schemas.working import HASH, SEQUENCES, TEST, TRAIN, VALIDATION


@dataclass(frozen=True)
class Split:
    """The run's events in three parts.

    train: what models learn from, of all users. validation: what they choose their settings on; its users' histories
    are from `train`. test: what they are judged on; its users' histories are all that is not the test.
    """

    train: Histories
    validation: HeldOut
    test: HeldOut


@dataclass(frozen=True)
class Ids:
    """External ids by row, as many as the night knows rows; `known_users`, int64: the rows of the users known at it.

    Erased users are not among `people`.

    A row of a later night that stands between is named too: an old night that runs again may have met a later id in a
    late file, and rows are given once for all.
    """

    users: pa.Array
    items: pa.Array
    known_users: IntArray


def ids(night: Night) -> Ids:
    """Reads the night's vocabulary, by row."""
    known = known_ids(night)
    every = pa.concat_tables([known, read(night.later_nights("vocabulary"), SCHEMA)])

    def names(kind: str) -> pa.Array:
        rows = of_kind(every, kind)["row"].to_numpy()
        named = np.full(rows.max(initial=-1) + 1, None, object)
        named[rows] = of_kind(every, kind)["id"].to_numpy()
        return pa.array(named[: of_kind(known, kind)["row"].to_numpy().max(initial=-1) + 1], pa.string())

    people = of_kind(known, "user")
    people = people.filter(pc.invert(are_erased(people["id"])))
    return Ids(names("user"), names("item"), distinct(people["row"].to_numpy()))


def all_events(night: Night, ids: Ids) -> Histories:
    """Reads every event up to the night."""
    return _histories(night, read(night.tonight("sequences"), SEQUENCES), ids)


def split_name(night: Night) -> str:
    """How the run's events were split: time, leave_last_out or hash."""
    return str(night.run.entry("sequences").facts["split"])


def split(night: Night, ids: Ids) -> Split:
    """Reads the train/validation/test split of the run's events."""
    table = read(night.tonight("sequences"), SEQUENCES)

    def events(*parts: str) -> Histories:
        return _histories(night, table.filter(pc.is_in(table["part"], pa.array(parts))), ids)

    train = events(TRAIN)
    validation = held_out(train, events(VALIDATION))
    return Split(train, validation, held_out(events(TRAIN, VALIDATION), events(TEST)))


def held_out(before: Histories, after: Histories) -> HeldOut:
    """Held-out users: those who have items `after` that they did not have `before`."""
    relevant = after.matrix()
    relevant = relevant - relevant.multiply(before.matrix())
    relevant.eliminate_zeros()
    users = np.flatnonzero(np.diff(relevant.indptr)).astype(np.int64)
    return HeldOut(users, before.take(users), sp.csr_array(relevant[users]))


def catalogue(night: Night, ids: Ids) -> Catalogue:
    """Reads the metadata of the items in the vocabulary from tonight's `items`."""
    table = read(night.tonight("items"), TABLES["items"].schema)
    place = pc.index_in(ids.items, table["item_id"]).to_pylist()

    def column(name: str, missing: Any) -> list[Any]:
        values = table[name].to_pylist()
        return [missing if at is None or values[at] is None else values[at] for at in place]

    return Catalogue(
        column("title", ""),
        column("description", ""),
        [tuple(genres) for genres in column("genres", ())],
        [tuple(tags) for tags in column("tags", ())],
        column("poster", ""),
    )


def _histories(night: Night, table: pa.Table, ids: Ids) -> Histories:
    times: npt.NDArray[np.int64] | None = None
    if table.num_rows and table["ts"].null_count == 0:
        times = table["ts"].cast(pa.int64()).to_numpy()
    users, items, values = (table[name].to_numpy() for name in ("user_row", "item_row", "value"))
    ordered = split_name(night) != HASH
    return from_events(users, items, values, times, len(ids.users), len(ids.items), ordered)
