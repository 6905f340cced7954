"""Keras' backend: which one, its memory on a GPU, and the cache of compiled programs."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from jobs.errors import InputError
from jobs.settings import GPU_DEVICE, Settings

COMPILED = "compiled-by-jax"  # a folder of the state
COMPILED_BYTES = 2 << 30  # of programs that are kept


def set_up_keras(settings: Settings) -> None:
    """Chooses Keras' backend, which must be done before Keras is imported; what the environment says stands.

    The backends take a GPU's memory as they need it, not all at once, and JAX keeps its compiled programs in the state
    folder, where the next night finds them. Without a GPU TensorFlow's own log is quiet: it would say as an error that
    there is none. Raises InputError where Keras is there already with another backend.
    """
    if not GPU_DEVICE.exists():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", settings.training.backend)
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(settings.state) / COMPILED))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    if find_spec("filelock"):  # which JAX needs to remove what was not used for longest
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(COMPILED_BYTES))
    chosen = os.environ["KERAS_BACKEND"]
    if (keras := sys.modules.get("keras")) is not None and keras.config.backend() != chosen:
        raise InputError(
            f"training.backend is {chosen}, but this process has imported Keras with {keras.config.backend()}; "
            f"set KERAS_BACKEND={chosen} for the process that starts it"
        )


def require_gpu(settings: Settings, option: bool = False) -> None:
    """Raises InputError where the `option` --require-gpu or the worker's `training.require_gpu` asks for a GPU and
    Keras finds none. For what is about to use a network: imports Keras."""
    if not (option or settings.training.require_gpu):
        return
    from models.layers.devices import device, on_gpu

    if not on_gpu():
        asked = "--require-gpu" if option else "training.require_gpu = true"
        raise InputError(f"{asked}: there is no GPU, only {device()}; run it on a worker of the gpu queue")
