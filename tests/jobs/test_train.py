"""Training of a Keras model as the night does it: artifact, checkpoints, devices."""

from pathlib import Path
from typing import Any

import keras
import pytest

from jobs.cli import main
from jobs.learning.arrays import ids
from jobs.learning.artifacts import Artifact, load
from jobs.settings import Settings
from jobs.storage.files import listing
from models.base import Recommender
from models.data import HeldOut
from models.neural import recommender
from models.training.event_file import CURVES
from models.vocabulary import Vocabulary
from tests.support.tastes import jobs, night_of, spoil_vocabulary, with_settings


def folders(config: Settings) -> list[Path]:
    return sorted(Path(config.state).glob("training/movies/*/*"))


@pytest.mark.slow
def test_a_killed_training_is_gone_on_with_and_leaves_nothing(
    config: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    night = night_of(config, 3, models=["ncf"])
    measure, judged = recommender.mean_ndcg, []

    def killed(model: Recommender, held_out: HeldOut) -> float:
        judged.append(measure(model, held_out))
        if len(judged) == 2:
            raise KeyboardInterrupt
        return judged[-1]

    monkeypatch.setattr(recommender, "mean_ndcg", killed)
    assert jobs(night, "train") == [130]
    assert {file.name for folder in folders(config) for file in folder.iterdir()} == {"checkpoint.npz", CURVES}
    assert jobs(night, "train") == [0]
    assert folders(config) == []
    curves = listing(night.run.entry("train_ncf").facts["artifact"] + f"_{CURVES}")
    assert len(curves) == 2, "of both attempts"
    facts = night.run.entry("train_ncf").facts
    model = load("ncf", Artifact.of(facts))
    assert facts["config"]["epochs"] == model.trained.epochs  # type: ignore[attr-defined]
    assert jobs(night, "evaluate", "gate", "recommend") == [0, 0, 0]


def test_a_loss_that_is_no_number_is_not_tried_again(
    config: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: Any, **more: Any) -> dict[str, float]:
        return {"loss": float("nan")}

    monkeypatch.setattr(keras.Model, "train_on_batch", broken)
    night = night_of(config, 3, models=["ncf"])
    assert jobs(night, "train") == [2]
    assert "error: movies 2026-11-04: ncf epoch 1 of 20: the loss of batch 1 is nan" in capsys.readouterr().err


def test_more_items_than_a_model_takes_are_not_tried_again(
    config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    night = with_settings(night_of(config, 3, models=["ease"]), max_items=10)
    assert jobs(night, "train") == [2]
    assert "error: movies 2026-11-04: ease.max_items = 10, but " in capsys.readouterr().err


def test_an_artifact_of_other_items_is_not_judged(config: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    night = night_of(config, 3, models=["item_knn"])
    assert jobs(night, "train") == [0]
    artifact = spoil_vocabulary(night.run, "item_knn")
    assert jobs(night, "evaluate") == [2]
    message = capsys.readouterr().err
    items = ids(night).items.to_pylist()
    assert f"error: {artifact}: item_knn learned 200 items with the fingerprint {'0' * 16}" in message
    assert f"here are 200 items with the fingerprint {Vocabulary.of(items).sha256[:16]}" in message


@pytest.mark.parametrize(
    ("model", "message"), [("popularity", "is computed on the CPU"), ("sasrec", "there is no GPU")]
)
def test_a_gpu_that_is_required_and_not_there(
    config: Settings, model: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    night = night_of(config, 3, models=[model])
    words = ["--model", model, "--domain", "movies", "--ds", night.ds, "--run", night.run.run_id, "--require-gpu"]
    assert main(["train", *words]) == 2
    assert message in capsys.readouterr().err
