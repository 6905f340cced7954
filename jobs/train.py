"""Trains one model on the training events and saves it as the run's artifact."""

import argparse
import hashlib
import logging
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from jobs import item_vectors, job
from jobs.errors import InputError
from jobs.evaluate import artifacts, load, require_unseen
from jobs.held_out import catalogue, ids, split
from jobs.night import Attempt, Night, night_parser
from jobs.settings import override
from jobs.storage.files import upload
from jobs.storage.frames import write
from models.base import Recommender
from models.registry import REGISTRY
from models.training import TrainingData
from schemas.names import ENSEMBLE, NEURAL
from schemas.working import TRAIN

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    parser = night_parser("train", __doc__)
    parser.add_argument("--model", required=True, choices=list(REGISTRY), help="which one")
    parser.add_argument("--require-gpu", action="store_true", help="fail at once where Keras finds no GPU")
    return parser


def main(args: argparse.Namespace) -> int:
    """Runs the job."""
    return job.run(f"train_{args.model}", compute, args)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the training events, fits, saves; an attempt that was killed is gone on with."""
    if args.require_gpu:
        require_gpu(args.model)
    known = ids(night)
    parts = split(night, known)
    if not len(parts.train.items):
        raise InputError(f"{night.run.domain} {night.ds}: no training events; import more than the test share holds")
    started = time.perf_counter()
    workspace = Path(night.settings.state) / "training" / night.run.domain / night.run.run_id / args.model
    workspace.mkdir(parents=True, exist_ok=True)
    data = TrainingData(
        parts.train, catalogue(night, known), parts.validation, night.seed, workspace, others(night, args.model)
    )
    try:
        model = new_model(night, args.model).fit(data)
    except ArithmeticError as error:  # the same again, were it tried again
        raise InputError(f"{night.run.domain} {night.ds}: {error}") from error
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        checksum = fingerprint(Path(folder))
        upload(folder, attempt.folder("artifact"))
    shutil.rmtree(workspace)
    if args.model == item_vectors.MODEL and (vectors := model.item_vectors()) is not None:
        write(item_vectors.table(night, known, vectors), attempt.folder("item_vectors"))
    log.info("%s learned from %d events in %.2f s", args.model, len(parts.train.items), seconds)
    attempt.facts |= {
        "artifact": attempt.folder("artifact"),
        "checksum": checksum,
        "train_seconds": round(seconds, 3),
        "config": (config := asdict(model.config)),
        "learned": [TRAIN],  # the parts of the sequences: `evaluate` judges no artifact that knows more
    }
    if "alpha" in config:
        attempt.facts["alpha"] = config["alpha"]  # for the hybrid of `item_similarity`


def new_model(night: Night, name: str) -> Recommender:
    """An untrained model with the run's settings for it."""
    model = REGISTRY[name]
    return model(override(model.Config(), night.model_settings(name), f"models.{name}"))


def require_gpu(model: str) -> None:
    """Raises InputError for a model that needs no GPU, and where there is none."""
    if model not in NEURAL:
        raise InputError(f"--require-gpu: {model} is computed on the CPU; leave it out")
    from models.training_loop import device, on_gpu  # imports Keras

    if not on_gpu():
        raise InputError(f"--require-gpu: there is no GPU, only {device()}; run it on a worker of the gpu queue")


def others(night: Night, name: str) -> dict[str, Recommender]:
    """What the run trained, for the model that combines it."""
    if name != ENSEMBLE:
        return {}
    trained = {other: address for other, address in artifacts(night).items() if other != name}
    for other in trained:
        require_unseen(night, other)
    return {other: load(other, address) for other, address in trained.items()}


def fingerprint(folder: Path) -> str:
    """SHA-256 over the paths and contents of a folder's files, in the order of the paths."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
