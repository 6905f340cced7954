"""Damaged files of every form: each ends in rows, rejected rows or a clear error, within bounds of time and memory.

ENCORE_FUZZ is the number of files over all forms (default: a few hundred; `make fuzz`: 20,000). Seeds are the numbers
of the files, so that a failure names the one that shows it: ENCORE_FUZZ_FIRST starts there.
"""

import io
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from jobs.errors import InputError
from jobs.learning import artifacts
from jobs.report.posters import Posters
from jobs.sources.columns import readings
from jobs.sources.folder import open_folder
from jobs.sources.options import Options
from models.features.posters import pictures
from models.registry import REGISTRY
from schemas.landing import LANDING
from tests.support.seeds import FILES, damaged

COUNT = int(os.environ.get("ENCORE_FUZZ", "400"))
EACH = COUNT * 11 // 100  # of the eight forms and the arrays of models; the rest are networks
FIRST = int(os.environ.get("ENCORE_FUZZ_FIRST", "0"))
SECONDS, GROWTH_KIB = 5.0, 1 << 20  # of CPU for a file of a few hundred bytes; of memory over all
FORMS = {"csv": "csv", "gz": "csv", "jsonl": "jsonl", "parquet": "parquet", "zip": "csv"}


def imported(path: Path) -> None:
    """Reads the file as an import does, and looks at what comes out."""
    options = Options(FORMS[path.suffix[1:]])
    with open_folder(path) as folder:
        for reading in readings(folder, options):
            last = 0
            for block, _ in reading.rows(folder):
                block.validate(full=True)
                assert block.schema.equals(LANDING[reading.table].schema)
                lines = block["line"].to_pylist()
                assert lines == sorted(set(lines))
                assert not lines or lines[0] > last
                last = lines[-1] if lines else last
                for name in ("user_id", "item_id", "title"):
                    if name in block.schema.names:
                        pa.compute.utf8_length(block[name])


def shown(path: Path) -> None:
    """Reads the picture as the models and the report do: neither raises."""
    pictures([str(path)])
    Posters().uri(str(path))


def try_all(name: str, content: bytes, folder: Path, use: Callable[[Path], None], count: int) -> int:
    """Uses `count` damaged files; returns how many were refused."""
    refused = 0
    for seed in range(FIRST, FIRST + count):
        path = folder / name
        path.write_bytes(damaged(content, random.Random(f"{name} {seed}")))
        started = time.process_time()
        try:
            use(path)
        except InputError as error:
            refused += 1
            named = str(path.parent) in str(error) or path.name in str(error)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}: {type(error).__name__}: {error}") from error
        else:
            named = True
        assert named, f"{name}, seed {seed}: the error names no file"
        seconds = time.process_time() - started
        assert seconds < SECONDS, f"{name}, seed {seed}: {seconds:.1f} s"
    return refused


def peak_kib() -> int:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.timeout(3600)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    before = peak_kib()
    refused = try_all(name, FILES[name](), tmp_path, shown if "poster" in name else imported, EACH)
    assert peak_kib() - before < GROWTH_KIB
    print(f"{name}: {EACH} files, {refused} refused")


def artifact(folder: Path) -> artifacts.Artifact:
    """A folder with the checksum of what is in it now, so that its files are opened."""
    return artifacts.Artifact(folder.as_uri(), artifacts.fingerprint(folder))


ARTIFACTS = {"popularity": EACH, "ncf": COUNT // 100}


@pytest.mark.parametrize("name", ARTIFACTS)
@pytest.mark.timeout(3600)
def test_damaged_models(name: str, tmp_path: Path, saved: Callable[[str, Path], Path]) -> None:
    folder = saved(name, tmp_path / "model")
    whole = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def load(path: Path) -> None:
        try:
            artifacts.load(name, artifact(folder))
        finally:
            path.write_bytes(whole[path.name])

    for file in whole:
        refused = try_all(file, whole[file], folder, load, ARTIFACTS[name] // len(whole))
        print(f"{name}/{file}: {ARTIFACTS[name] // len(whole)} files, {refused} refused")


def test_the_good_files_are_good(tmp_path: Path, saved: Callable[[str, Path], Path]) -> None:
    for name, made in FILES.items():
        path = tmp_path / name
        path.write_bytes(made())
        if "poster" in name:
            assert pictures([str(path)])[1].all()
            assert Posters().uri(str(path))
        else:
            imported(path)
    for name in ARTIFACTS:
        assert isinstance(artifacts.load(name, artifact(saved(name, tmp_path / f"{name}-model"))), REGISTRY[name])


def test_huge_pictures_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (6000, 6000)).save(path)
    assert path.stat().st_size < 100_000
    assert not pictures([str(path)])[1].any()
    assert Posters().uri(str(path)) is None
    padded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(padded, "PNG")
    path.write_bytes(padded.getvalue() + bytes(20_000_001))
    assert not pictures([str(path)])[1].any()
    assert Posters().uri(str(path)) is None
