"""How active each user will be in the next seven days, and whether the user is new, rising, steady, cooling or gone.

A network over the active days makes the forecast where it is better than a regression on recency and frequency beyond
the interval, else that regression does (jobs/learning/forecasting.py), as in a night whose models have no network. Days
count from the newest event. Nothing is written where events have no times, or too few users come back or stay away to
learn from.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.learning.arrays import Ids, all_events, ids, split_name
from jobs.learning.artifacts import fingerprint
from jobs.learning.forecasting import NETWORK, Score, baseline, enough_users, everybody, judge, learnable
from jobs.night import Attempt, Night
from jobs.settings import override
from jobs.storage.files import upload
from jobs.storage.frames import write
from models.evaluation.forecasts import Forecast
from models.features.activity import SEGMENTS, ActiveDays, Examples, active_days, segments
from schemas.names import ACTIVITY, NEURAL
from schemas.tables import TABLES

if TYPE_CHECKING:
    from models.neural.activity import Activity

log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all events, judges both models, lets the better one learn all, writes `activity` and rows of `metrics`."""
    known = ids(night)
    histories = all_events(night, known)
    if histories.times is None or not len(histories.items):
        log.info("%s: events have no times: no activity is predicted", night.run.domain)
        return
    days = active_days(histories)
    learn = learnable(days, int(days.day.max()), night.seed)
    if not enough_users(days, learn):
        log.info("%s: too few users come back, or stay away, to predict activity", night.run.domain)
        return
    network = (lambda some: predictor(fit(night, days, some), days)) if {*NEURAL} & {*night.models} else None
    verdict = judge(days, network, night.seed)
    log.info("%s makes the forecast: %s", verdict.model, verdict.reason)
    attempt.facts |= {"model": verdict.model, "reason": verdict.reason}
    if verdict.model == NETWORK:
        model = fit(night, days, learn)
        attempt.facts |= save(model, attempt.folder("artifact"))
        predict = predictor(model, days)
    else:
        predict = baseline(days)(learn)
    some = everybody(days)
    write(table(night, known, days, some, predict(some), verdict.model), attempt.folder("activity"))
    write(metrics(night, verdict.scores), attempt.folder("metrics"))


def fit(night: Night, days: ActiveDays, learn: Examples) -> "Activity":
    """The network, trained."""
    from models.neural.activity import Activity, ActivityConfig  # imports Keras

    settings = override(ActivityConfig(), night.model_settings(ACTIVITY), f"models.{ACTIVITY}")
    return Activity(settings).fit(days, learn, night.seed)


def predictor(model: "Activity", days: ActiveDays) -> Callable[[Examples], Forecast]:
    """What the network predicts of examples."""
    return lambda some: model.predict(days, some)


def save(model: "Activity", folder: str) -> dict[str, Any]:
    """Saves the artifact; its facts."""
    with tempfile.TemporaryDirectory() as local:
        model.save(Path(local))
        upload(local, folder)
        return {"artifact": folder, "checksum": fingerprint(Path(local)), "config": asdict(model.config)}


def table(night: Night, known: Ids, days: ActiveDays, some: Examples, forecast: Forecast, model: str) -> pa.Table:
    """Rows of `activity`, by user_id."""
    columns = {
        "domain": pa.repeat(night.run.domain, len(some)),
        "ds": pa.repeat(night.ds, len(some)),
        "user_id": known.users.take(pa.array(some.user)),
        "probability": forecast.probability,
        "expected_events": forecast.events,
        "segment": pa.array(SEGMENTS).take(pa.array(segments(days, some))),
        "model": pa.repeat(model, len(some)),
    }
    return pa.table(columns, schema=TABLES["activity"].schema).sort_by("user_id")


def metrics(night: Night, scores: list[Score]) -> pa.Table:
    """Rows of `metrics`."""
    base = {"domain": night.run.domain, "ds": night.ds, "split": split_name(night), "k": 0}
    return pa.Table.from_pylist([base | asdict(score) for score in scores], schema=TABLES["metrics"].schema)
