"""Offline evaluation of every trained model of the run, and of recent popularity, on the held-out events: the same
users, every eligible item ranked, seen items out.

Lists are evaluated as they would be served: a user for whom a model has too little evidence gets popular items. One
model is in memory at a time, beside recent popularity. docs/evaluation.md defines metrics and segments.
"""

import argparse
import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from jobs.errors import InputError
from jobs.learning.arrays import Ids, catalogue, ids, split, split_name
from jobs.learning.artifacts import Artifact, artifacts, load, require_unseen
from jobs.learning.incumbent import trained_incumbents
from jobs.learning.serving import audience, serving
from jobs.night import Attempt, Night
from jobs.storage.frames import write
from models.base import Recommender, TrainingData
from models.classic.popularity import Popularity
from models.data import HeldOut
from models.evaluation.beyond_accuracy import PER_USER, ItemFacts, coverage, describe_items
from models.evaluation.bootstrap import intervals
from models.evaluation.metrics import METRICS
from models.evaluation.ties import ServedLists, TieGroups, tie_groups
from models.features.activity import SEGMENTS, active_days, examples, segments
from models.histories import DAY_MICROSECONDS, day_start
from models.serving.lists import Serving
from models.serving.ranking import serve
from schemas.names import ACTIVITY, HEADLINE
from schemas.tables import TABLES
from schemas.working import USER_METRICS

LENGTHS = (5, 10, 20)
ALL, NEW, CASUAL, HEAVY, HEAD, TAIL = "all", "new", "casual", "heavy", "head_items", "tail_items"
log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]
Key = tuple[str, str, int]  # segment, metric, k


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the split and the artifacts, ranks, writes `metrics` and every user's value for the gate."""
    known = ids(night)
    parts, items, users = split(night, known), catalogue(night, known), audience(night, known)
    lists = serving(night, users, parts.train, items)
    first_day = night.run.entry("sequences").facts.get("test_from")
    about = describe_items(parts.train, items)
    test = keep_eligible(parts.test, lists)
    if not len(test.users):
        log.warning("no user has held-out items; there is nothing to judge models on")
    for name, model in candidates(night, TrainingData(parts.train), known):
        served = serve(model, lists, test, max(LENGTHS))
        values = evaluate_lists(served, test, about, first_day)
        write(rows(night, name, served, values, lists), attempt.folder("metrics"), name)
        write(by_user(name, test, values), attempt.folder("user_metrics"), name)


def keep_eligible(test: HeldOut, lists: Serving) -> HeldOut:
    """Keeps the held-out items that may be recommended to their users, and the users who have any: no model could
    serve the others."""
    pairs = sp.coo_array(test.relevant)
    allowed = lists.allowed[lists.group[test.users[pairs.row]], pairs.col]
    relevant = sp.csr_array((pairs.data[allowed], (pairs.row[allowed], pairs.col[allowed])), shape=pairs.shape)
    kept = np.flatnonzero(np.diff(relevant.indptr)).astype(np.int64)
    return HeldOut(test.users[kept], test.histories.take(kept), sp.csr_array(relevant[kept]))


def candidates(night: Night, train: TrainingData, known: Ids) -> Iterator[tuple[str, Recommender]]:
    """Loads every model that the run trained, one at a time, and recent popularity even if it did not; the incumbent
    also with the settings that it was promoted with."""
    trained = artifacts(night)
    if not trained:
        raise InputError(f"{night.run.domain} {night.ds}: no model of run {night.run.run_id} was trained")
    if Popularity.name not in trained:
        yield Popularity.name, Popularity().fit(train)
    for name, artifact in trained.items():
        require_unseen(night, name)
        yield name, load(name, artifact, known)
    for name, facts in trained_incumbents(night).items():
        yield name, load(facts["model"], Artifact.of(facts), known)


def evaluate_lists(
    served: ServedLists, test: HeldOut, about: ItemFacts, first_day: str | None = None
) -> dict[Key, Floats]:
    """Every metric of every segment: the values of the test's users, NaN for a user outside the segment.

    first_day: of the test, YYYY-MM-DD; None where it is not split by time.
    """
    values: dict[Key, Floats] = {}
    everyone = tie_groups(served, np.diff(test.relevant.indptr))
    for segment, members in (segment_members(test) | pace_members(test, first_day)).items():
        values |= evaluate_segment(segment, everyone, members)
    for segment, only in ((HEAD, ~about.tail), (TAIL, about.tail)):
        relevant = np.asarray(test.relevant @ only.astype(np.int64))
        values |= evaluate_segment(segment, tie_groups(served, relevant, only), relevant > 0)
    k = HEADLINE[1]
    return values | {(ALL, name, k): metric(served.items[:, :k], about) for name, metric in PER_USER.items()}


def segment_members(test: HeldOut) -> dict[str, npt.NDArray[np.bool_]]:
    """Members of each segment, by the events before the test: none, up to the median of the others, or more."""
    events = np.diff(test.histories.indptr)
    new = events == 0
    median = np.median(events[~new]) if not new.all() else 0
    return {ALL: np.ones_like(new), NEW: new, CASUAL: ~new & (events <= median), HEAVY: events > median}


def pace_members(test: HeldOut, first_day: str | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Segments of the users by how their pace had changed before the test began, as in the table `activity`; none where
    the test has no first day. Users without events are in none."""
    if first_day is None or test.histories.times is None:
        return {}
    days = active_days(test.histories)
    known = examples(days, np.array([day_start(first_day) // DAY_MICROSECONDS - 1]))
    of_user = np.full(len(test.users), -1)
    of_user[known.user] = segments(days, known)
    return {f"{ACTIVITY}_{name}": of_user == place for place, name in enumerate(SEGMENTS)}


def evaluate_segment(segment: str, groups: TieGroups, members: npt.NDArray[np.bool_]) -> dict[Key, Floats]:
    """Every ranking metric at every length for the members of a segment."""
    with np.errstate(divide="ignore", invalid="ignore"):  # others may have no relevant item
        return {
            (segment, name, k): np.where(members, metric(groups, k), np.nan)
            for name, metric in METRICS.items()
            for k in LENGTHS
        }


def rows(night: Night, name: str, served: ServedLists, values: dict[Key, Floats], lists: Serving) -> pa.Table:
    """Makes the rows of `metrics` for one model; segments without users have none."""
    kept = {key: column for key, column in values.items() if not np.isnan(column).all()}
    base = {"domain": night.run.domain, "ds": night.ds, "model": name, "split": split_name(night)}
    table: list[dict[str, object]] = []
    ends = intervals(np.stack([*kept.values()], axis=1), night.seed) if kept else np.zeros((0, 2))
    for ((segment, metric, k), column), (low, high) in zip(kept.items(), ends, strict=True):
        value = float(np.nanmean(column))  # summed in another order than for its interval, which rounds otherwise
        cells = {
            "value": value,
            "users": int((~np.isnan(column)).sum()),
            "low": min(low, value),
            "high": max(high, value),
        }
        table.append(base | {"segment": segment, "metric": metric, "k": k} | cells)
        if (segment, metric, k) == (ALL, *HEADLINE):
            log.info(
                "%s: %s@%d %.4f (%.4f to %.4f), %d users",
                name,
                metric,
                k,
                cells["value"],
                low,
                high,
                cells["users"],
            )
    if kept:
        share = coverage(served.items[:, : HEADLINE[1]], int(lists.allowed.any(axis=0).sum()))
        cells = {"value": share, "users": len(served.items), "low": share, "high": share}
        table.append(base | {"segment": ALL, "metric": "coverage", "k": HEADLINE[1]} | cells)
    return pa.Table.from_pylist(table, schema=TABLES["metrics"].schema)


def by_user(name: str, test: HeldOut, values: dict[Key, Floats]) -> pa.Table:
    """Makes the rows of USER_METRICS for one model."""
    columns = {
        "model": pa.repeat(name, len(test.users)),
        "user_row": test.users,
        "new": np.diff(test.histories.indptr) == 0,
        "ndcg": values[(ALL, *HEADLINE)],
    }
    return pa.table(columns, schema=USER_METRICS)
