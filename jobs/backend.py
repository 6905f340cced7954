"""Keras' backend: which one, its memory on a GPU, the cache of compiled programs, and what its import prints."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from jobs.errors import InputError
from jobs.settings import Settings
from schemas.names import GPU_DEVICE

COMPILED = "compiled-by-jax"  # a folder of the state
COMPILED_BYTES = 2 << 30  # of programs that are kept
# What TensorFlow's C++ parts write while they are imported, whatever TF_CPP_MIN_LOG_LEVEL says (TensorFlow 2.21).
HARMLESS = re.compile(rb"before absl::InitializeLog\(\)|oneDNN custom operations are on|Could not find cuda drivers")


def set_up_keras(settings: Settings) -> None:
    """Chooses Keras' backend, which must be done before Keras is imported; what the environment says stands.

    The backends take a GPU's memory as they need it, not all at once, and JAX keeps its compiled programs in the state
    folder, where the next night finds them. Without a GPU TensorFlow does not say that there is none. Raises InputError
    where Keras is there already with another backend.
    """
    if not GPU_DEVICE.exists():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import_quietly("tensorflow")
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


class QuietImport(MetaPathFinder):
    """Finds one module, once, and leaves harmless lines out of what its import prints."""

    def __init__(self, name: str) -> None:
        """name: of the module."""
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, with a loader that filters."""
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                with without_lines(HARMLESS):
                    execute(module)

            loader: Any = spec.loader
            loader.exec_module = execute_quietly
        return spec


def import_quietly(name: str) -> None:
    """Has the module's import, whenever it comes, leave HARMLESS lines out."""
    if name not in sys.modules and not any(getattr(finder, "name", None) == name for finder in sys.meta_path):
        sys.meta_path.insert(0, QuietImport(name))


@contextmanager
def without_lines(pattern: re.Pattern[bytes]) -> Iterator[None]:
    """Leaves out lines of file descriptor 2 that have the pattern; the others come at the end."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            for line in aside:
                if not pattern.search(line):
                    os.write(2, line)
