"""How soon a training makes its first step where an earlier night has compiled the same programs.

    python -m benchmarks.on_gpu.second_night NETWORK small|full

is what `second_night` starts twice, with one folder of compiled programs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.on_gpu.data import SETTINGS, movielens
from benchmarks.on_gpu.results import Facts
from benchmarks.on_gpu.steps import prepare
from benchmarks.shared.data import ROOT
from models.base import TrainingData
from models.registry import REGISTRY


def first_step(name: str, small: bool) -> Facts:
    """Seconds until a training has made its first step, from when its data lie in memory, and those of the step."""
    part, _ = movielens(small)
    model: Any = REGISTRY[name](REGISTRY[name].Config(**SETTINGS[name] | ({"length": 8} if small else {})))
    started = time.perf_counter()
    training, batches, _ = prepare(model, TrainingData(part.histories))
    ready = time.perf_counter()
    training.steps.learn(batches, [model.config.learning_rate], 0)
    return {"seconds": time.perf_counter() - started, "step": time.perf_counter() - ready}


def second_night(name: str, small: bool) -> Facts:
    """The same of two processes, one after the other, as of two nights."""
    with tempfile.TemporaryDirectory() as programs:
        variables = {"JAX_COMPILATION_CACHE_DIR": programs, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
        command = [sys.executable, "-m", "benchmarks.on_gpu.second_night", name, "small" if small else "full"]
        nights = [
            json.loads(subprocess.check_output(command, cwd=ROOT, env=os.environ | variables, text=True))
            for _ in range(2)
        ]
    return {"model": name, "first_night": nights[0], "second_night": nights[1]}


if __name__ == "__main__":
    print(json.dumps(first_step(sys.argv[1], sys.argv[2] == "small")))
