"""Keras' backend: one setting, chosen before Keras is imported."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from jobs import continuations, recommend, sentiment, train
from jobs.backend import require_gpu, set_up_keras
from jobs.errors import InputError
from jobs.settings import ROOT, Settings, load
from schemas.names import GPU_DEVICE
from schemas.tables import TABLES


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


def test_a_required_gpu_that_is_not_there_is_wrong_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["cpu:0"])
    settings = load_toml(tmp_path, "[training]\nrequire_gpu = true")
    with pytest.raises(InputError, match=re.escape("training.require_gpu = true: there is no GPU, only cpu:0")):
        require_gpu(settings)
    with pytest.raises(InputError, match=r"^--require-gpu: there is no GPU"):
        require_gpu(load({}), option=True)
    require_gpu(load({}))
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["gpu:0"])
    require_gpu(settings, option=True)


class ReachedError(Exception):
    """The job asked for a GPU."""


@pytest.mark.parametrize(
    ("job", "champion", "asks"),
    [
        (train, "sasrec", True),
        (train, "item_knn", False),
        (recommend, "ensemble", True),
        (recommend, "item_knn", False),
        (continuations, "seq2seq", True),
    ],
)
def test_jobs_of_networks_ask_for_the_gpu(job: Any, champion: str, asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else is read, so that a wrong worker ends at once."""

    def asked(settings: Settings, option: bool) -> None:
        assert option
        raise ReachedError

    facts = {"champion": champion, "artifact": "artifact", "checksum": "0"}
    run = SimpleNamespace(entry=lambda task: SimpleNamespace(facts=facts))
    night: Any = SimpleNamespace(settings=load({}), run=run)
    monkeypatch.setattr(job, "require_gpu", asked)
    monkeypatch.setattr(continuations, "artifacts", lambda night: {"seq2seq": "artifact"})
    arguments = argparse.Namespace(model=champion, require_gpu=True, precision="auto")
    with pytest.raises(ReachedError if asks else (AttributeError, InputError)):
        job.compute(night, SimpleNamespace(), arguments)


def test_sentiment_asks_for_the_gpu_where_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = TABLES["reviews"].schema
    stars = [5.0, 1.0] * sentiment.MIN_REVIEWS
    columns = {field.name: pa.nulls(len(stars), field.type) for field in schema}
    rows = pa.table(columns | {"rating": pa.array(stars, schema.field("rating").type)}, schema=schema)
    monkeypatch.setattr(sentiment, "read", lambda files, schema: rows if files else schema.empty_table())
    monkeypatch.setattr(sentiment, "require_gpu", lambda settings, option: (_ for _ in ()).throw(ReachedError))
    entry = SimpleNamespace(files={"reviews": ["file"]})
    night: Any = SimpleNamespace(
        settings=load({}), history=lambda table: [], run=SimpleNamespace(entry=lambda _: entry)
    )
    with pytest.raises(ReachedError):
        sentiment.compute(night, SimpleNamespace(facts={}), argparse.Namespace(require_gpu=False))  # type: ignore[arg-type]


@pytest.mark.skipif(GPU_DEVICE.exists(), reason="TensorFlow says what it finds of a GPU")
def test_an_import_without_a_gpu_prints_nothing() -> None:
    call = "from jobs.backend import set_up_keras; from jobs.settings import load; set_up_keras(load()); import keras"
    ended = subprocess.run([sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_other_lines_of_an_import_stay(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "import os\nos.write(2, b'I0000 Could not find cuda drivers\\nout of memory\\n')\n"
    )
    call = "from jobs.backend import import_quietly; import_quietly('loud'); import loud, os; os.write(2, b'later\\n')"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    ended = subprocess.run([sys.executable, "-c", call], env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == "out of memory\nlater\n"
