"""Keras' backend: one setting, chosen before Keras is imported."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.backend import set_up_keras
from jobs.errors import InputError
from jobs.settings import ROOT, Settings, load


def load_toml(folder: Path, text: str) -> Settings:
    file = folder / "encore.toml"
    file.write_text(text, encoding="utf-8")
    return load({"ENCORE_CONFIG": str(file)})


def test_the_backend_of_keras_is_one_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load({}).training.backend == "tensorflow"
    settings = load_toml(tmp_path, "[training]\nbackend = 'jax'")
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    set_up_keras(settings)
    assert os.environ["KERAS_BACKEND"] == "jax"
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == f"{settings.state}/compiled-by-jax"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    set_up_keras(settings)
    assert os.environ["KERAS_BACKEND"] == "tensorflow", "what the environment says stands"


def test_a_backend_that_comes_too_late_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras = SimpleNamespace(config=SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.setitem(sys.modules, "keras", keras)  # type: ignore[misc]
    monkeypatch.setattr(os, "environ", {})
    set_up_keras(load_toml(tmp_path, ""))
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(InputError, match=r"training.backend is jax, but this process has imported Keras with tensorfl"):
        set_up_keras(load_toml(tmp_path, "[training]\nbackend = 'jax'"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nbackend = 'torch'", "training.backend must be one of tensorflow, jax, got 'torch'"),
        ("[training]\nbakend = 'jax'", "training.bakend is not a setting"),
    ],
)
def test_a_backend_that_there_is_not_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load_toml(tmp_path, text)


def test_no_job_imports_keras_before_its_backend_is_chosen() -> None:
    command = (
        "import sys; from importlib import import_module; from jobs.commands import JOBS\n"
        "for job in JOBS: import_module(job.module)\n"
        "sys.exit('keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)
