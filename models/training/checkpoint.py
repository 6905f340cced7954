"""The checkpoint of a training: in a local folder, and in a store that other machines reach."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from models.data import CheckpointStore

FILE, FETCHED = "checkpoint.npz", "fetched.npz"
STATE = "state"
Arrays = dict[str, npt.NDArray[Any]]
log = logging.getLogger(__name__)


def list_numbered(arrays: Arrays, name: str) -> list[npt.NDArray[Any]]:
    """Names name0, name1, … in their order."""
    return [arrays[f"{name}{i}"] for i in range(sum(each.startswith(name) for each in arrays))]


class Checkpoint:
    """Arrays of a training, whole or not at all, the newest by the first two numbers of the array STATE.

    folder: a local one, None to keep nothing. store: gets a copy of each file, from a thread and only of the newest
    where it is slower than they come; what it cannot keep is a line in the log.
    """

    def __init__(self, name: str, folder: Path | None, store: CheckpointStore | None) -> None:
        self.name, self.folder = name, folder
        self.store = store if folder is not None else None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self.waiting: Future[None] | None = None

    def write(self, arrays: Arrays) -> None:
        """Replaces the local file, and has the store's replaced."""
        if self.folder is None:
            return
        part = self.folder / f"{FILE}.part.npz"
        np.savez(part, allow_pickle=False, **arrays)
        part.replace(self.folder / FILE)
        if self.store is not None:
            if self.waiting is not None:
                self.waiting.cancel()  # one that has not begun
            self.waiting = self.thread.submit(self._copy, self.store, self.folder / FILE)

    def _copy(self, store: CheckpointStore, file: Path) -> None:
        try:
            store.write(file)
        except Exception as error:  # of whatever storage: the training goes on, and the local file is there
            log.warning("%s: the checkpoint stays on this machine alone: %s", self.name, error)

    def read(self) -> Arrays | None:
        """The newest arrays; None, and a line in the log for what cannot be read, where there are none."""
        if self.folder is None:
            return None
        files = [self.folder / FILE]
        if self.store is not None and self._fetch(self.store, self.folder / FETCHED):
            files.append(self.folder / FETCHED)
        readable = [arrays for file in files if file.exists() and (arrays := self._arrays(file)) is not None]
        (self.folder / FETCHED).unlink(missing_ok=True)
        return max(readable, key=lambda arrays: tuple(arrays[STATE][:2])) if readable else None

    def _fetch(self, store: CheckpointStore, file: Path) -> bool:
        try:
            return store.read(file)
        except Exception as error:
            log.warning("%s: the checkpoint that others may have written cannot be fetched: %s", self.name, error)
            return False

    def _arrays(self, file: Path) -> Arrays | None:
        try:
            with np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored)
            arrays[STATE][1]
        except (OSError, EOFError, ValueError, KeyError, IndexError, BadZipFile) as error:
            log.warning("%s: %s cannot be read: %s", self.name, file, error)
            return None
        return arrays

    def close(self) -> None:
        """Waits for the copy under way."""
        self.thread.shutdown()
