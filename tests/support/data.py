"""Real data sets for tests: they lie below the folder that ENCORE_DATA names, or the test is skipped."""

import os
from pathlib import Path

import pytest


def data_file(name: str) -> Path:
    """A file or folder below ENCORE_DATA; skips the test that asks where there is none."""
    folder = os.environ.get("ENCORE_DATA")
    if not folder:
        pytest.skip(f"{name}: ENCORE_DATA names no folder of data sets")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{name} is not in ENCORE_DATA")
    return path
