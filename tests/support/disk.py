"""A disk that is full, or read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mount(*words: str) -> None:
    """Calls `mount`; skips the test where this user may not."""
    try:
        mounted = subprocess.run(["mount", *words], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no disk of its own: {error}")
    if mounted.returncode:
        pytest.skip(f"no disk of its own: {mounted.stderr.strip()}")


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A folder that nobody can write in for a while, root included."""
    mount("--bind", str(place), str(place))
    try:
        mount("-o", "remount,bind,ro", str(place))
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """A file that takes all the space but `leave` bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
        file.truncate(max(file.tell() - leave, 0))
    return ballast
