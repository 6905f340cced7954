"""Artifacts of models are opened where they are what was saved, and nothing in them is ever run."""

import ast
from pathlib import Path

import numpy as np
import pytest

from jobs.errors import InputError
from jobs.learning.artifacts import Artifact, fingerprint, load
from models.base import ARRAYS, TrainingData
from models.classic.popularity import Popularity
from models.neural.ncf import NCF, NCFConfig
from models.neural.recommender import NETWORK
from tests.support.examples import histories_of

ROOT = Path(__file__).parents[3]
HISTORIES = histories_of([0, 1], [1, 2], [0, 2], n_items=3)


class Payload:
    """Makes the file `ran` where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.folder / "ran",)  # type: ignore[return-value]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model."""
    Popularity().fit(TrainingData(HISTORIES)).save(tmp_path / "model")
    return tmp_path / "model"


def artifact(folder: Path) -> Artifact:
    """What a training would record of a folder."""
    return Artifact(folder.as_uri(), fingerprint(folder))


def test_what_was_saved_is_loaded(folder: Path) -> None:
    scores = load("popularity", artifact(folder)).score(HISTORIES)
    np.testing.assert_array_equal(scores, Popularity().fit(TrainingData(HISTORIES)).score(HISTORIES))


@pytest.mark.parametrize("change", ["a byte", "a file more", "a file less", "another name"])
def test_changed_files_are_not_opened(folder: Path, change: str) -> None:
    saved = artifact(folder)
    arrays = folder / ARRAYS
    content = arrays.read_bytes()
    if change == "a byte":
        arrays.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "a file more":
        (folder / "more").touch()
    elif change == "a file less":
        arrays.unlink()
    else:
        arrays.rename(folder / "Arrays.npz")
    with pytest.raises(InputError, match=f"its training recorded {saved.checksum}.*not opened; train popularity again"):
        load("popularity", saved)


def test_pickles_in_arrays_are_not_run(folder: Path, tmp_path: Path) -> None:
    np.savez(folder / ARRAYS, counts=np.array([Payload(tmp_path)], object))
    with pytest.raises(InputError, match="damaged, no artifact of popularity"):
        load("popularity", artifact(folder))
    assert not (tmp_path / "ran").exists()
    np.load(folder / ARRAYS, allow_pickle=True)["counts"]
    assert (tmp_path / "ran").exists()  # what NumPy's other setting does


def test_code_in_a_network_is_not_run(tmp_path: Path) -> None:
    import keras

    model = NCF(NCFConfig(epochs=1, dim=4)).fit(TrainingData(HISTORIES))
    model.save(tmp_path / "model")
    outside = keras.Input((1,))
    code = keras.layers.Lambda(lambda x: x + 1)
    keras.Model(outside, code(outside)).save(tmp_path / "model" / NETWORK)
    with pytest.raises(InputError, match="damaged, no artifact of ncf"):
        load("ncf", artifact(tmp_path / "model"))


def test_nothing_reads_pickles() -> None:
    """No module of Encore's own imports what turns bytes into code, or opens a model with its protection off."""
    readers = []
    for file in [*ROOT.glob("jobs/**/*.py"), *ROOT.glob("models/**/*.py"), *ROOT.glob("schemas/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.partition(".")[0] for name in names} & {
                "pickle",
                "cloudpickle",
                "dill",
                "joblib",
                "shelve",
                "marshal",
            }:
                readers.append(str(file.relative_to(ROOT)))
            if isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "safe_mode"}:
                safe = node.arg == "safe_mode"
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is safe, f"{file}:{node.value.lineno}"
    assert not readers
