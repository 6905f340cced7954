"""Benchmarks run as modules of a package, from the root, and find real data through ENCORE_DATA alone."""

import importlib
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.shared import processes
from benchmarks.shared.data import ROOT, data_folder

MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "benchmarks").rglob("[!_]*.py")
)
PACKAGES = ("benchmarks.accuracy", "benchmarks.similarity")


@pytest.mark.parametrize("name", [*MODULES, *(f"{package}.__main__" for package in PACKAGES)])
def test_a_benchmark_can_be_imported_from_the_root(name: str) -> None:
    """Libraries that are compared with are imported when they are measured."""
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_with_a_command_explains_itself(name: str) -> None:
    done = subprocess.run([sys.executable, "-m", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"python -m {name}" in done.stdout


def test_nothing_in_the_project_has_a_default_for_real_data() -> None:
    beside = re.compile(r"\.\./" + "shared|shared" + "/data")
    folders = ("benchmarks", "dags", "docker", "docs", "jobs", "models", "schemas", "tests")
    files = [*ROOT.glob("*.*"), *(file for name in folders for file in (ROOT / name).rglob("*"))]
    texts = [file for file in files if file.suffix in (".py", ".md", ".sh", ".toml", ".cfg")]
    assert [str(file) for file in texts if beside.search(file.read_text("utf-8"))] == []


def test_missing_data_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCORE_DATA", raising=False)
    with pytest.raises(SystemExit, match=r"movielens-1m is needed: set ENCORE_DATA to the folder that holds it \(docs"):
        data_folder("movielens-1m")
    monkeypatch.setenv("ENCORE_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="holds no folder movielens-1m"):
        data_folder("movielens-1m")
    (tmp_path / "movielens-1m").mkdir()
    assert data_folder("movielens-1m") == tmp_path / "movielens-1m"


def test_processes_in_sessions_of_their_own_are_measured_and_ended(tmp_path: Path) -> None:
    """A job of a fork server, which is no child of the command: here one that has left its parent's session."""
    job = f"""
import pathlib, time
while time.process_time() < 0.5:
    pass
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(__import__("os").getpid()))
time.sleep(600)
"""
    command = f"""
import pathlib, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {job!r}], start_new_session=True)
while not pathlib.Path({str(tmp_path / "pid")!r}).exists():
    time.sleep(0.05)
time.sleep(5 * {processes.PERIOD})
"""
    usage = processes.measure([sys.executable, "-c", command], tmp_path / "log", {})
    assert usage.state == "done"
    assert usage.cpu_seconds >= 0.5
    process, deadline = Path("/proc", (tmp_path / "pid").read_text()), time.monotonic() + 60
    while process.exists() and time.monotonic() < deadline:  # a killed process stays until its parent has noticed
        time.sleep(0.1)
    assert not process.exists()
