"""The archive for Spark's executors: it imports all that the Python daemon needs, and nothing from here."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from jobs import package
from jobs.cli import main


def test_requirements_are_closed_and_without_spark() -> None:
    result = package.requirements(["pandas"])
    assert {"pandas", "numpy", "python-dateutil", "tzdata"} <= set(result)
    assert "pyspark" not in package.requirements(["pyspark", "numba"])
    assert {"numba", "llvmlite", "numpy"} <= set(package.requirements(["numba"]))


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
