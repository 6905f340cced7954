"""Judges every trained model of the run on the held-out events: the same users, every item ranked, seen items out.

What is judged is what would be served: a user for whom a model has too little evidence gets popular items.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs import job
from jobs.errors import InputError
from jobs.held_out import ids, split, split_name
from jobs.night import Attempt, Night, night_parser
from jobs.storage.files import download
from jobs.storage.frames import write
from models.base import Recommender, TopK, filled
from models.metrics import METRICS, hits, interval
from models.popularity import Popularity
from models.registry import REGISTRY
from models.training import HeldOut, TrainingData
from schemas.tables import TABLES

# (metric, k), in the order shown; the gate looks at the first.
JUDGED = (("ndcg", 10), ("hr", 10), ("recall", 20))
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return night_parser("evaluate", __doc__)


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run("evaluate", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the split and the artifacts, ranks, writes `metrics`."""
    parts = split(night, ids(night))
    trained = artifacts(night)
    if not trained:
        raise InputError(f"{night.run.domain} {night.ds}: no model of run {night.run.run_id} was trained")
    rows = []
    fallback = Popularity().fit(TrainingData(parts.train))
    for name, address in trained.items():
        rows += judged(night, name, load(name, address), fallback, parts.test)
    write(pa.Table.from_pylist(rows, schema=TABLES["metrics"].schema), attempt.folder("metrics"))


def artifacts(night: Night) -> dict[str, str]:
    """Model → address of the artifact that the run trained."""
    entries = night.run.entries()
    found = {name: entries.get(f"train_{name}") for name in night.models}
    return {name: entry.facts["artifact"] for name, entry in found.items() if entry and entry.state == "done"}


def load(name: str, address: str) -> Recommender:
    """A trained model."""
    with tempfile.TemporaryDirectory() as folder:
        download(address, folder)
        return REGISTRY[name].load(Path(folder))


def served(model: Recommender, fallback: Recommender, test: HeldOut, k: int) -> TopK:
    """The lists of the held-out users, gaps filled with popular items."""
    return filled(model.recommend(test.histories, k), fallback.recommend(test.histories, k))[0]


def judged(
    night: Night, name: str, model: Recommender, fallback: Recommender, test: HeldOut
) -> list[dict[str, object]]:
    """Rows of `metrics` for one model."""
    if not len(test.users):
        log.warning("no user has held-out items; nothing to judge %s on", name)
        return []
    found = hits(served(model, fallback, test, max(k for _, k in JUDGED)).items, test.relevant)
    relevant = np.diff(test.relevant.indptr)
    warm = np.diff(test.histories.indptr) > 0
    segments: dict[str, npt.NDArray[np.bool_]] = {"all": np.ones_like(warm), "warm": warm, "cold": ~warm}
    rows: list[dict[str, object]] = []
    for metric, k in JUDGED:
        values = METRICS[metric](found, relevant, k)
        for segment, members in segments.items():
            if members.any():
                low, high = interval(values[members], night.seed)
                mean, users = float(values[members].mean()), int(members.sum())
                rows.append(
                    {
                        "domain": night.run.domain,
                        "ds": night.ds,
                        "model": name,
                        "split": split_name(night),
                        "segment": segment,
                    }
                    | {"metric": metric, "k": k, "value": mean, "users": users, "low": low, "high": high}
                )
                if segment == "all":
                    log.info("%s: %s@%d %.4f (%.4f to %.4f), %d users", name, metric, k, mean, low, high, users)
    return rows
