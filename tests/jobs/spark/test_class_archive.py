"""Java's archive of Spark's classes: one for these jars and this Java, and none beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.spark.class_archive import class_archive, keep_archive


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that could be Java, in JAVA_HOME."""
    program = tmp_path / "jdk" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    return program


def test_another_java_gets_another_archive(java: Path, tmp_path: Path) -> None:
    before = class_archive(tmp_path)
    assert before.parent == tmp_path
    assert class_archive(tmp_path) == before
    os.utime(java, (1, 1))
    assert class_archive(tmp_path) != before


@pytest.mark.usefixtures("java")
def test_a_new_archive_takes_the_place_of_older_ones(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "classes-1.0.jsa").write_text("old")
    new = class_archive(tmp_path)
    new.with_suffix(".1234").write_text("new")
    keep_archive(tmp_path, 1234, ended.pid)
    assert {file.name: file.read_text() for file in tmp_path.glob("classes-*")} == {new.name: "new"}
