"""Files as people have them, and their rows in the landing format."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.sources.folder import open_folder
from jobs.sources.options import Options
from jobs.sources.reading import Reading
from tests.support.data import data_file

NOTHING = Options("csv")
Files = dict[str, str | bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[Files], Path]:
    """Writes files into a folder of its own; those named `.gz` are packed."""

    def write(files: Files) -> Path:
        place = tmp_path / "files"
        place.mkdir(exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (place / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return place

    return write


@pytest.fixture
def read() -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """All rows of a source, by file."""

    def rows(readings: Callable[..., list[Reading]], path: Path, options: Options = NOTHING) -> dict[str, Any]:
        with open_folder(path) as source:
            result = readings(source, options)
            batches = {one.file: [batch for batch, _ in one.rows(source)] for one in result}
        return {file: pa.Table.from_batches(parts).to_pylist() if parts else [] for file, parts in batches.items()}

    return rows


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The folder of a real data set, or a skip."""
    return data_file
