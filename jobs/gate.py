"""Chooses the champion: the model with the best NDCG@10 on all held-out users; the simpler one where they are equal."""

import argparse
import logging
from collections.abc import Mapping

import pyarrow as pa

from jobs import job
from jobs.errors import InputError
from jobs.evaluate import JUDGED, artifacts
from jobs.night import Attempt, Night, night_parser
from jobs.storage.frames import read, write
from schemas.tables import TABLES

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("gate", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("gate", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the run's metrics, writes `models` with the champion marked."""
    metric, k = JUDGED[0]
    metrics = read(night.tonight("metrics"), TABLES["metrics"].schema).to_pylist()
    values = {
        row["model"]: float(row["value"])
        for row in metrics
        if (row["metric"], row["k"], row["segment"]) == (metric, k, "all")
    }
    candidates = list(artifacts(night))
    if not candidates:
        raise InputError(f"{night.run.domain} {night.ds}: no model of run {night.run.run_id} was trained")
    champion = choose(candidates, values)
    log.info("champion: %s", champion)
    rows = [row(night, name, champion, values, f"{metric}@{k}") for name in night.models]
    write(pa.Table.from_pylist(rows, schema=TABLES["models"].schema), attempt.folder("models"))
    attempt.facts["champion"] = champion


def choose(candidates: list[str], values: Mapping[str, float]) -> str:
    """The candidate with the largest value; the first of equals, and the first where nothing was measured."""
    return max(candidates, key=lambda name: values.get(name, -1.0))


def row(night: Night, name: str, champion: str, values: Mapping[str, float], measure: str) -> dict[str, object]:
    """One row of `models`."""
    entry = night.run.find(f"train_{name}")
    base: dict[str, object] = {"domain": night.run.domain, "ds": night.ds, "model": name}
    if entry is None or entry.state != "done":
        reason = entry.error if entry and entry.error else "it was not trained"
        return base | {"status": "failed", "reason": reason}
    told = f"{measure} {values[name]:.4f}" if name in values else "no held-out users to judge it on"
    against = "" if name == champion or champion not in values else f", {champion} has {values[champion]:.4f}"
    status = "champion" if name == champion else "challenger"
    return (
        base
        | {"status": status, "reason": told + against}
        | {
            "artifact": entry.facts["artifact"],
            "checksum": entry.facts["checksum"],
            "train_seconds": entry.facts["train_seconds"],
        }
    )
