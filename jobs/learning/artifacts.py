"""Model artifacts of a run: where they are, loading them, what they have learned, and their checksum."""

import hashlib
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from jobs.errors import ContractError, InputError
from jobs.learning.arrays import Ids
from jobs.night import Night
from jobs.states import TaskState
from jobs.storage.files import download
from models.base import Recommender
from models.registry import REGISTRY
from models.vocabulary import VocabularyError
from schemas.working import TRAIN

# What NumPy, Keras, zipfile and json raise where a file is not what was saved.
DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError),
    *(MemoryError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error),
)


def artifacts(night: Night) -> dict[str, str]:
    """Model → address of the artifact that the run trained."""
    entries = night.run.entries()
    trained = {name: entries.get(f"train_{name}") for name in night.models}
    return {name: entry.facts["artifact"] for name, entry in trained.items() if entry and entry.state == TaskState.DONE}


def require_unseen(night: Night, name: str) -> None:
    """Raises ContractError where an artifact has learned more than the training events."""
    learned = night.run.entry(f"train_{name}").facts.get("learned")
    if learned != [TRAIN]:
        raise ContractError(
            f"{night.run.domain} {night.ds}: the artifact of {name} has learned {learned or 'unknown parts'}; only "
            f"one that has learned {[TRAIN]} is judged on the test; train it again in this run"
        )


def load(name: str, address: str, known: Ids | None = None) -> Recommender:
    """A trained model; InputError where its files are damaged, or its item rows are not those of `known`."""
    with tempfile.TemporaryDirectory() as folder:
        download(address, folder)
        try:
            return REGISTRY[name].load(Path(folder), None if known is None else known.items.to_pylist())
        except VocabularyError as error:
            raise InputError(f"{address}: {error}") from error
        except DAMAGE as error:
            reason = f"{type(error).__name__}: {error}"[:300].splitlines()[0]
            raise InputError(f"{address}: damaged, no artifact of {name} ({reason}); train it again") from error


def fingerprint(folder: Path) -> str:
    """SHA-256 over the paths and contents of a folder's files, in the order of the paths."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
