"""The Keras models on JAX: a backend is chosen when keras is imported, so that another process runs their tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.base import TrainingData
from models.layers.lookup import SMALL_TABLE
from models.neural.lstm import LSTM, LSTMConfig
from models.neural.ncf import NCF, NCFConfig
from models.neural.sasrec import SASRec, SASRecConfig
from schemas.names import NEURAL
from tests.support.examples import example

ROOT = Path(__file__).parents[3]
FILES = [f"tests/models/{name}.py" for name in ("neural/test_sasrec", "neural/test_lstm", "neural/test_ncf")]
FILES += ["tests/models/layers/test_losses.py", "tests/models/training/test_steps.py"]
# Of the contract what a backend can break; the rest is NumPy's.
CHOSEN = "test_losses or test_steps or same_output or saved_model"
TRAINED = [
    SASRec(SASRecConfig(dim=8, blocks=1, length=6, batch_rows=4, epochs=1)),
    LSTM(LSTMConfig(dim=4, units=8, length=6, batch_rows=4, epochs=1)),
    NCF(NCFConfig(dim=4, units=8, length=6, batch_users=8, epochs=1)),
]
SCORES = """
import sys
from pathlib import Path
import numpy as np
from models.registry import REGISTRY
from tests.support.examples import example
for name in sys.argv[2:]:
    np.save(f"{sys.argv[1]}/{name}.npy", REGISTRY[name].load(Path(sys.argv[1]) / name).score(example(seed=1)))
"""


def on_jax(*words: str, **variables: str) -> str:
    # Most of the time would go into optimizing code that runs once.
    quick = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment = {**os.environ, **quick, "KERAS_BACKEND": "jax", **variables}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_models_keep_the_contract_on_jax() -> None:
    on_jax("-m", "pytest", *FILES, "-k", CHOSEN)


@pytest.mark.slow
def test_what_one_backend_saved_predicts_the_same_on_the_other(tmp_path: Path) -> None:
    scores = {}
    for model in TRAINED:
        model.fit(TrainingData(example())).save(tmp_path / model.name)
        scores[model.name] = model.score(example(seed=1))
    on_jax("-c", SCORES, str(tmp_path), *scores)
    for name, expected in scores.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_no_gradient_of_a_step_scatters_onto_a_small_table_on_a_gpu() -> None:
    """Additions onto few rows wait for each other there, for seconds a step; on a CPU they are the fast way."""
    on_cpu, on_gpu = (
        json.loads(on_jax("-m", "tests.support.programs.scatters", kind).splitlines()[-1]) for kind in ("cpu", "gpu")
    )
    assert all(on_cpu.values()), "the test finds those of a CPU"
    assert on_gpu.keys() == {*NEURAL, "review_sentiment"}
    small = {name: [rows for rows in tables if rows <= SMALL_TABLE] for name, tables in on_gpu.items()}
    assert not any(small.values()), small


@pytest.mark.slow
def test_a_second_training_finds_its_programs_compiled(tmp_path: Path) -> None:
    command = (
        "from models.base import TrainingData; from models.neural.sasrec import SASRec\n"
        "from tests.support.examples import example; from tests.support.networks import CONFIG\n"
        "SASRec(CONFIG).fit(TrainingData(example()))"
    )
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
    programs = []
    for _ in range(2):
        on_jax("-c", command, **cache)
        programs.append({file.name for file in tmp_path.glob("*train_step*-cache")})
    assert programs[0]
    assert programs[0] == programs[1]
