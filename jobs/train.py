"""Trains one model on the training events and saves it as the run's artifact."""

import argparse
import logging
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jobs.backend import require_gpu
from jobs.commands import PRECISIONS
from jobs.errors import InputError
from jobs.learning import item_vectors
from jobs.learning.arrays import Ids, Split, catalogue, ids, split
from jobs.learning.artifacts import artifacts, fingerprint, load, require_unseen
from jobs.learning.checkpoints import WarehouseCheckpoint
from jobs.learning.incumbent import FACT, as_incumbent, incumbent_settings
from jobs.learning.warm_start import warm_start
from jobs.night import Attempt, Night
from jobs.settings import override
from jobs.storage.files import upload
from jobs.storage.frames import write
from models.base import Recommender, TrainingData
from models.data import UnlearnableError
from models.registry import REGISTRY
from models.training.event_file import CURVES
from schemas.names import ENSEMBLE, NEURAL
from schemas.working import TRAIN

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """Training data of the task: ids by row, tonight's events in three parts, and what `fit` takes."""

    known: Ids
    parts: Split
    data: TrainingData


class Unfinished:
    """State of an unfinished training, kept until the task is done: a local folder, and a checkpoint in the run's
    folder."""

    def __init__(self, night: Night, name: str) -> None:
        self.workspace = Path(night.settings.state) / "training" / night.run.domain / night.run.run_id / name
        self.store = WarehouseCheckpoint(f"{night.run.address}/checkpoints/{name}.npz")

    def add_storage(self, material: Material) -> Material:
        """Returns the training data with the local folder, which is made, and the checkpoint's store."""
        self.workspace.mkdir(parents=True, exist_ok=True)
        return replace(material, data=replace(material.data, workspace=self.workspace, store=self.store))

    def delete(self) -> None:
        """Deletes the folder and the checkpoint."""
        shutil.rmtree(self.workspace)
        self.store.delete()


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Trains the model with tonight's settings, and where it is the incumbent also with those it was promoted with."""
    if args.model in NEURAL:
        require_gpu(night.settings, args.require_gpu)
    elif args.require_gpu:
        raise InputError(f"--require-gpu: {args.model} is computed on the CPU; leave it out")
    material = prepare(night, args.model, args.precision)
    done = [
        train_tonight(night, attempt, args.model, material),
        *retrain_incumbent(night, attempt, args.model, material),
    ]
    for each in done:  # not before: a retry would learn all anew
        each.delete()


def prepare(night: Night, name: str, precision: str) -> Material:
    """Reads the training events and what else `fit` takes; InputError where there are no events."""
    known = ids(night)
    parts = split(night, known)
    items, models = catalogue(night, known), load_members(night, name, known)
    data = TrainingData(parts.train, items, parts.validation, night.seed, models=models)
    return Material(known, parts, replace(data, mixed_precision=PRECISIONS[precision]))


def train_tonight(night: Night, attempt: Attempt, name: str, material: Material) -> Unfinished:
    """Trains with tonight's settings; writes the artifact, its facts, and the item vectors of the model that has them
    published."""
    unfinished = Unfinished(night, name)
    config = new_model(night, name).config
    model, facts = train(night, name, config, unfinished.add_storage(material), attempt.folder("artifact"))
    attempt.facts |= facts
    if name == item_vectors.MODEL and (vectors := model.item_vectors()) is not None:
        write(item_vectors.table(night, material.known, vectors), attempt.folder("item_vectors"))
    return unfinished


def retrain_incumbent(night: Night, attempt: Attempt, name: str, material: Material) -> list[Unfinished]:
    """Where the model is the incumbent and its settings have changed since, trains it with the former ones too, so
    that the gate compares settings and not nights."""
    former = incumbent_settings(night, name, asdict(new_model(night, name).config))
    if former is None:
        return []
    log.info("%s is the incumbent with other settings; it is trained with them too: %s", name, former)
    unfinished = Unfinished(night, as_incumbent(name))
    _, attempt.facts[FACT] = train(night, name, former, unfinished.add_storage(material), attempt.folder(FACT))
    return [unfinished]


def train(night: Night, name: str, config: Any, material: Material, folder: str) -> tuple[Recommender, dict[str, Any]]:
    """Fits a model, saves it into `folder` and returns it with its facts; resumes an attempt that was killed.

    A network's curves, for TensorBoard, go into `<folder>_curves`.
    """
    known, data = material.known, material.data
    assert data.workspace is not None
    started = time.perf_counter()
    start = warm_start(night, name, asdict(config), known, material.parts)
    try:
        model = REGISTRY[name](config).fit(replace(data, start=start.model if start else None))
    except UnlearnableError as error:  # the same again, were it tried again
        raise InputError(f"{night.run.domain} {night.ds}: {error}") from error
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as local:
        model.save(Path(local), known.items.to_pylist())
        checksum = fingerprint(Path(local))
        upload(local, folder)
    facts = {"artifact": folder, "checksum": checksum, "train_seconds": round(seconds, 3)}
    facts |= {"config": asdict(model.config), "settings": asdict(config)}
    facts["learned"] = [TRAIN]  # parts of the sequences: `evaluate` and `warm_start` take nothing that knows more
    if name in NEURAL:
        training = model.trained  # type: ignore[attr-defined]
        facts |= {"trained": training._asdict(), "warm_from": start.address if start and training.warm else None}
        facts |= model.usage  # type: ignore[attr-defined]
    if (curves := data.workspace / CURVES).exists():
        upload(str(curves), f"{folder}_{CURVES}")
    log.info("%s learned from %d events in %.2f s", name, len(data.histories.items), seconds)
    return model, facts


def new_model(night: Night, name: str) -> Recommender:
    """Makes an untrained model with the run's settings for it."""
    model = REGISTRY[name]
    return model(override(model.Config(), night.model_settings(name), f"models.{name}"))


def load_members(night: Night, name: str, known: Ids) -> dict[str, Recommender]:
    """Loads the models that the run has trained, for the ensemble; none for any other model."""
    if name != ENSEMBLE:
        return {}
    trained = {other: artifact for other, artifact in artifacts(night).items() if other != name}
    for other in trained:
        require_unseen(night, other)
    return {other: load(other, artifact, known) for other, artifact in trained.items()}
