"""Checkpoints in a folder and in a store: whichever is newer, whole, and no fault of the store ends a training."""

import threading
from pathlib import Path

import numpy as np
import pytest

from models.training.checkpoint import FETCHED, FILE, STATE, Checkpoint


class Store:
    """Keeps the last file in memory."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def write(self, file: Path) -> None:
        self.kept.append(file.read_bytes())

    def read(self, file: Path) -> bool:
        if self.kept:
            file.write_bytes(self.kept[-1])
        return bool(self.kept)


class Broken:
    def write(self, file: Path) -> None:
        raise OSError("no route to host")

    def read(self, file: Path) -> bool:
        raise OSError("no route to host")


def write(folder: Path, store: Store | Broken | None, epoch: int, batches: int) -> None:
    folder.mkdir(exist_ok=True)
    checkpoint = Checkpoint("sasrec", folder, store)
    checkpoint.write({STATE: np.array([epoch, batches, 7.0]), "variable0": np.arange(3)})
    checkpoint.close()


def state(folder: Path, store: Store | Broken | None) -> list[float] | None:
    folder.mkdir(exist_ok=True)
    arrays = Checkpoint("sasrec", folder, store).read()
    assert not (folder / FETCHED).exists()
    return None if arrays is None else arrays[STATE].tolist()


@pytest.mark.parametrize(("here", "there"), [((1, 5), (2, 0)), ((2, 0), (1, 5)), ((1, 5), (1, 4)), ((1, 4), (1, 5))])
def test_the_newer_of_both_is_taken(here: tuple[int, int], there: tuple[int, int], tmp_path: Path) -> None:
    store = Store()
    write(tmp_path / "other", store, *there)
    write(tmp_path / "own", None, *here)
    assert state(tmp_path / "own", store) == [*max(here, there), 7]
    assert state(tmp_path / "third", store) == [*there, 7], "another machine has the store's alone"
    assert state(tmp_path / "fourth", None) is None


@pytest.mark.parametrize("spoilt", [b"", b"PK\x03\x04 half a file"])
def test_what_cannot_be_read_is_told_and_the_other_taken(
    spoilt: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    write(tmp_path, store, 1, 2)
    (tmp_path / FILE).write_bytes(spoilt)
    assert state(tmp_path, store) == [1, 2, 7]
    assert f"sasrec: {tmp_path / FILE} cannot be read" in caplog.text
    store.kept = [spoilt]
    assert state(tmp_path, store) is None


def test_a_store_that_is_away_is_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, Broken(), 3, 1)
    assert "sasrec: the checkpoint stays on this machine alone: no route to host" in caplog.text
    assert state(tmp_path, Broken()) == [3, 1, 7]
    assert "cannot be fetched: no route to host" in caplog.text


def test_a_slow_store_stops_nobody_and_gets_the_newest(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    class Slow(Store):
        def write(self, file: Path) -> None:
            begun.set()
            assert go.wait(20)
            super().write(file)

    store = Slow()
    checkpoint = Checkpoint("sasrec", tmp_path, store)
    for epoch in range(5):
        checkpoint.write({STATE: np.array([epoch, 0])})
        assert begun.wait(20)
    go.set()
    checkpoint.close()
    assert len(store.kept) == 2, "the one under way, and the last of those that waited"
    assert state(tmp_path / "other", store) == [4, 0]
