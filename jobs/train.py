"""Trains one model on the training events and saves it as the run's artifact."""

import argparse
import hashlib
import logging
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from jobs import job
from jobs.errors import InputError
from jobs.held_out import catalogue, ids, split
from jobs.night import Attempt, Night, night_parser
from jobs.settings import override
from jobs.storage.files import upload
from models.base import Recommender
from models.registry import REGISTRY
from models.training import TrainingData

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    parser = night_parser("train", __doc__)
    parser.add_argument("--model", required=True, choices=list(REGISTRY), help="which one")
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run(f"train_{args.model}", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the training events, fits, saves."""
    known = ids(night)
    parts = split(night, known)
    if not len(parts.train.items):
        raise InputError(f"{night.run.domain} {night.ds}: no training events; import more than the test share holds")
    started = time.perf_counter()
    data = TrainingData(parts.train, catalogue(night, known), parts.validation, night.seed)
    model = new_model(night, args.model).fit(data)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        checksum = fingerprint(Path(folder))
        upload(folder, attempt.folder("artifact"))
    log.info("%s learned from %d events in %.2f s", args.model, len(parts.train.items), seconds)
    attempt.facts |= {
        "artifact": attempt.folder("artifact"),
        "checksum": checksum,
        "train_seconds": round(seconds, 3),
        "config": asdict(model.config),
    }


def new_model(night: Night, name: str) -> Recommender:
    """An untrained model with the run's settings for it."""
    model = REGISTRY[name]
    return model(override(model.Config(), night.model_settings(name), f"models.{name}"))


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, in the order of the names."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
