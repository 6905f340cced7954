"""The scripts behind `make setup`: Java and libgomp are found, installed or asked for; environments are built once."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "sed", "head", "cat", "dirname")


@pytest.fixture
def machine(tmp_path):
    """A machine with a few programs only; call it to add programs (shell scripts by name), then run a script on it."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for tool in TOOLS:
        (bin / tool).symlink_to(shutil.which(tool))

    def run(script, programs, **environment):
        for name, text in programs.items():
            (bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (bin / name).chmod(0o755)
        command = [bin / "bash", ROOT / "docker" / script]
        return subprocess.run(command, env={"PATH": str(bin), **environment}, capture_output=True, text=True)

    run.bin = bin
    return run


def java(version):
    return f"""echo 'openjdk version "{version}" 2025-04-15' >&2"""


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_java_is_used_where_it_is_new_enough(machine, version):
    done = machine("java.sh", {"java": java(version)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("programs", "result"), [({"java": java("1.8.0_412")}, 8), ({"java": java("11.0.2")}, 11), ({}, 0)]
)
def test_java_is_asked_for_in_one_line(machine, programs, result):
    done = machine("java.sh", {**programs, "id": "echo 1000", "apt-get": "exit 9"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"found version {result} " in done.stderr
    assert "run: sudo apt-get install openjdk-17-jre-headless" in done.stderr


def test_java_is_installed_by_root(machine):
    new = machine.bin / "java"
    install = f"""[ "$1" = update ] || {{ echo "$@" >>{machine.bin}/asked; cp {machine.bin}/new {new}; }}"""
    (machine.bin / "cp").symlink_to(shutil.which("cp"))
    done = machine("java.sh", {"id": "echo 0", "apt-get": install, "new": java("17.0.15")})
    assert done.returncode == 0, done.stderr
    assert "openjdk-17-jre-headless" in (machine.bin / "asked").read_text()


def test_java_home_that_is_too_old_is_named(machine, tmp_path):
    done = machine("java.sh", {"java": java("17.0.1"), "id": "echo 0"}, JAVA_HOME=str(tmp_path / "jre"))
    assert done.returncode == 1
    assert f"JAVA_HOME={tmp_path}/jre holds version 0" in done.stderr


def test_libgomp_is_used_where_it_is(machine):
    done = machine("openmp.sh", {"python3": "exit 0"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_libgomp_is_asked_for_in_one_line(machine):
    done = machine("openmp.sh", {"python3": "exit 1", "id": "echo 1000", "apt-get": "exit 9"})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run: sudo apt-get install libgomp1" in done.stderr


def test_libgomp_is_installed_by_root(machine):
    install = f"""[ "$1" = update ] || echo "$@" >>{machine.bin}/asked"""
    done = machine("openmp.sh", {"id": "echo 0", "apt-get": install, "python3": f"[ -f {machine.bin}/asked ]"})
    assert done.returncode == 0, done.stderr
    assert "libgomp1" in (machine.bin / "asked").read_text()


@pytest.fixture
def clone(tmp_path):
    """A project without dependencies of its own, and the uv of this clone."""
    for name in ("docker", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "uv").symlink_to(ROOT / ".state" / "uv")
    (tmp_path / "lock").write_text("")

    def build(**environment):
        command = [tmp_path / "docker" / "environment.sh", "env", "lock"]
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)

    build.folder = tmp_path
    return build


@pytest.mark.slow
def test_environment_is_built_once_and_repaired(clone):
    stamp = clone.folder / "env" / ".built"
    first = clone()
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("building env from lock: 0 packages, ")
    names = "import schemas.names; print(schemas.names.__file__)"
    python = clone.folder / "env" / "bin" / "python"
    assert str(clone.folder) in subprocess.check_output([python, "-c", names], text=True, cwd="/")

    again = clone()
    assert (again.returncode, again.stdout) == (0, "")

    stamp.unlink()  # as an interruption leaves it
    rubbish = clone.folder / "env" / "half-written"
    rubbish.touch()
    assert clone().stdout == first.stdout
    assert not rubbish.exists()
    assert stamp.exists()

    kept = clone.folder / "env" / "kept"
    kept.touch()
    (clone.folder / "lock").write_text("# changed\n")
    assert clone().stdout == first.stdout  # brought up to date in place
    assert kept.exists()

    (clone.folder / "lock").write_text("no such package at all\n")
    assert clone().returncode != 0
    assert not stamp.exists()


def test_python_is_asked_for_in_one_line(clone):
    done = clone(PYTHON="python2.7")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or 3.12" in done.stderr
