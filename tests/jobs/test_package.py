"""The archive for Spark's executors: it imports all that the Python daemon needs, and nothing from here."""

import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

from jobs import package
from jobs.cli import main
from jobs.commands import JOBS


def test_requirements_are_closed_and_without_spark() -> None:
    result = package.requirements(["pandas"])
    assert {"pandas", "numpy", "python-dateutil", "tzdata"} <= set(result)
    assert "pyspark" not in package.requirements(["pyspark", "numba"])
    assert {"numba", "llvmlite", "numpy"} <= set(package.requirements(["numba"]))


def test_what_only_learning_needs_is_left_out() -> None:
    assert not {"lightgbm", "keras", "tensorflow"} & set(package.requirements(package.NEEDED))


def test_a_name_that_is_not_installed_and_a_wrong_ending_are_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["package", "--to", str(tmp_path / "x.tar.gz"), "--with", "no-such-package"]) == 2
    assert "no-such-package is not installed" in capsys.readouterr().err
    assert main(["package", "--to", str(tmp_path / "x.zip")]) == 2
    assert "end it with .tar.gz" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_a_bare_python_finds_encore_in_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With numpy alone, for the sake of time: the cluster's tests use the whole of it."""
    monkeypatch.setattr(package, "NEEDED", ("numpy",))
    assert main(["package", "--to", str(tmp_path / "encore.tar.gz")]) == 0
    with tarfile.open(tmp_path / "encore.tar.gz") as archive:
        archive.extractall(tmp_path / "there", filter="data")
    code = "import jobs.errors, models, schemas.names, numpy; print(jobs.errors.__file__, numpy.__file__)"
    words = [sys.executable, "-S", "-c", code]
    done = subprocess.run(words, env={"PYTHONPATH": str(tmp_path / "there")}, capture_output=True, text=True, cwd="/")
    assert done.stdout.split() == [
        str(tmp_path / "there" / "jobs" / "errors.py"),
        str(tmp_path / "there" / "numpy" / "__init__.py"),
    ], done.stderr


def test_an_executor_can_import_every_job_of_spark(tmp_path: Path) -> None:
    """Tasks are pickled by their modules' names; the executor has what the archive has, and Spark's own packages."""
    for name in [*package.requirements(package.NEEDED), *package.SPARKS]:
        for file in metadata.distribution(name).files or []:
            place = tmp_path / file.parts[0]
            if file.parts[0] != ".." and not place.exists():
                place.symlink_to(
                    Path(str(file.locate())).parents[len(file.parts) - 2] if file.parts[1:] else file.locate()
                )
    for name in package.OURS:
        (tmp_path / name).symlink_to(package.ROOT / name)
    modules = ", ".join(job.module for job in JOBS if job.spark)
    words = [sys.executable, "-S", "-c", f"import {modules}, jobs.similarity.worker"]
    done = subprocess.run(words, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr[-2000:]
