"""Promotion gate: chooses the champion, or refuses the night.

The incumbent is the champion of the last complete night; tonight's model of that name and settings stands for it
(jobs/learning/incumbent.py). A challenger takes its place only where its NDCG@10 is better on the same users beyond the
interval, and no guard metric falls past its limit. Refused, with exit code 3, is a night whose events are not like
those before (jobs/learning/drift.py), or whose best candidate is worse than recent popularity beyond the interval:
metrics and models are published, the old lists stay. Rules and reasons: docs/evaluation.md.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.errors import InputError, RefusedError
from jobs.evaluate import ALL
from jobs.learning.artifacts import artifacts
from jobs.learning.choice import Choice, Judged, choose
from jobs.learning.drift import Drift, drift
from jobs.learning.incumbent import incumbent, name_of, trained_incumbents
from jobs.night import Attempt, Night
from jobs.storage.frames import read, write
from schemas.names import DATA, HEADLINE, TaskState
from schemas.records import ModelStatus
from schemas.tables import TABLES
from schemas.working import USER_METRICS

log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads what was measured, writes `models` and the drift's rows of `metrics`; RefusedError where the night is
    refused."""
    if not artifacts(night):
        raise InputError(f"{night.run.domain} {night.ds}: no model of run {night.run.run_id} was trained")
    drifts = drift(night)
    for drifted in drifts:
        log.info("%s %.3f (ordinary: %.3f to %.3f)", drifted.metric, drifted.value, drifted.low, drifted.high)
    if not drifts:
        log.info("too few nights before this one: drift is not judged")
    champion, old = incumbent(night), trained_incumbents(night)
    choice = choose(read_judged(night), [*artifacts(night), *old], name_of(champion, old), night.domain)
    reasons = [drifted.reason for drifted in drifts if drifted.reason] + ([choice.refusal] if choice.refusal else [])
    rows = [model_row(night, name, choice, "; ".join(reasons), old) for name in [*night.models, *old]]
    write(pa.Table.from_pylist(rows, schema=TABLES["models"].schema), attempt.folder("models"))
    if drifts:
        measured = [metric_row(night, drifted) for drifted in drifts]
        write(pa.Table.from_pylist(measured, schema=TABLES["metrics"].schema), attempt.folder("metrics"))
    if reasons:
        raise RefusedError("; ".join(reasons))
    name, reason = choice.champion, choice.reasons[choice.champion]
    facts = old[name] if name in old else night.run.entry(f"train_{name}").facts
    chosen = {key: facts[key] for key in ("artifact", "checksum")}
    attempt.facts |= {"champion": facts.get("model", name), "reason": reason} | chosen
    log.info("champion: %s, %s", name, reason)


def read_judged(night: Night) -> Judged:
    """Reads what `evaluate` measured, by model."""
    table = read(night.tonight("user_metrics"), USER_METRICS)
    models = np.array(table["model"].to_pylist(), object)
    ndcg, new = table["ndcg"].to_numpy(), np.array(table["new"].to_pylist(), bool)
    by_user = {str(name): ndcg[models == name] for name in dict.fromkeys(models)}
    metrics = read(night.tonight("metrics"), TABLES["metrics"].schema).to_pylist()
    overall = {
        (row["model"], row["metric"]): float(row["value"])
        for row in metrics
        if (row["segment"], row["k"]) == (ALL, HEADLINE[1])
    }
    first = next(iter(by_user), None)
    return Judged(by_user, new[models == first], overall, night.seed)


def model_row(
    night: Night, name: str, choice: Choice, refused: str, old: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Makes one row of `models`."""
    entry = night.run.find(f"train_{name}")
    row: dict[str, Any] = {"domain": night.run.domain, "ds": night.ds, "model": name}
    if name not in old and (entry is None or entry.state != TaskState.DONE):
        return row | {"status": ModelStatus.FAILED, "reason": (entry.error if entry else None) or "it was not trained"}
    facts = old[name] if name in old else night.run.entry(f"train_{name}").facts
    status, reason = ModelStatus.CHALLENGER, choice.reasons[name]
    if name == choice.champion:
        status = ModelStatus.REFUSED if refused else ModelStatus.CHAMPION
        reason = f"{refused}; {reason}" if refused else reason
    kept = {column: facts[column] for column in ("artifact", "checksum", "train_seconds")}
    kept |= {column: facts.get(column) for column in ("device", "gpu_seconds", "gpu_peak_bytes", "gpu_joules")}
    configuration, settings = (json.dumps(facts.get(key), sort_keys=True) for key in ("config", "settings"))
    return row | {"status": status, "reason": reason, "configuration": configuration, "settings": settings} | kept


def metric_row(night: Night, drifted: Drift) -> dict[str, Any]:
    """Makes one row of `metrics` about the night's events."""
    row: dict[str, Any] = {"domain": night.run.domain, "ds": night.ds, "model": DATA, "split": "none", "segment": ALL}
    ends = dict.fromkeys(("value", "low", "high"), drifted.value)
    return row | {"metric": drifted.metric, "k": 0, "users": drifted.users} | ends
