"""Model artifacts of a run: where they are, loading them, what they have learned, and their checksum."""

import hashlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from jobs.errors import ContractError, InputError
from jobs.learning.arrays import Ids
from jobs.night import Night
from jobs.storage.files import download
from models.base import Recommender
from models.registry import REGISTRY
from models.vocabulary import VocabularyError
from schemas.names import TaskState
from schemas.working import TRAIN

# What NumPy, Keras, zipfile and json raise where a file is not what was saved.
DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError),
    *(MemoryError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error),
)


class Artifact(NamedTuple):
    """A saved model: the address of its folder, and the SHA-256 that its training recorded (`fingerprint`)."""

    address: str
    checksum: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The artifact that the facts of a training or of a gate name."""
        return cls(facts["artifact"], facts["checksum"])


def artifacts(night: Night) -> dict[str, Artifact]:
    """Model → the artifact that the run trained."""
    entries = night.run.entries()
    trained = {name: entries.get(f"train_{name}") for name in night.models}
    done = {name: entry for name, entry in trained.items() if entry and entry.state == TaskState.DONE}
    return {name: Artifact.of(entry.facts) for name, entry in done.items()}


def require_unseen(night: Night, name: str) -> None:
    """Raises ContractError where an artifact has learned more than the training events."""
    learned = night.run.entry(f"train_{name}").facts.get("learned")
    if learned != [TRAIN]:
        raise ContractError(
            f"{night.run.domain} {night.ds}: the artifact of {name} has learned {learned or 'unknown parts'}; only "
            f"one that has learned {[TRAIN]} is judged on the test; train it again in this run"
        )


def load(name: str, artifact: Artifact, known: Ids | None = None) -> Recommender:
    """A trained model; InputError where its files are not those that were saved, before any of them is opened, where
    they are damaged, or where its item rows are not those of `known`."""
    address = artifact.address
    with tempfile.TemporaryDirectory() as folder:
        download(address, folder)
        if (checksum := fingerprint(Path(folder))) != artifact.checksum:
            raise InputError(
                f"{address}: its files have the checksum {checksum}, its training recorded {artifact.checksum}: they "
                f"have changed since and are not opened; train {name} again"
            )
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
