"""The summary of `.ci/test` counts what pytest really left, and ends with 1 where anything is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / ".ci" / "summary.py"
GOOD = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="no such data")
def test_skips():
    pass
"""
BAD = """
import pytest

def test_fails():
    assert 1 == 2

@pytest.fixture
def broken():
    raise OSError

def test_has_an_error(broken):
    pass
"""


def results(folder: Path, name: str, tests: str, *options: str) -> str:
    """What a run of pytest leaves, as `.ci/test` has it."""
    file = folder / f"test_{name}.py"
    file.write_text(tests)
    words = [sys.executable, "-m", "pytest", str(file), "--rootdir", str(folder), "-p", "no:cacheprovider", *options]
    done = subprocess.run([*words, "--junitxml", str(folder / f"{name}.xml")], capture_output=True)
    (folder / f"{name}.code").write_text(f"{done.returncode}\n")
    return str(folder / f"{name}.xml")


def summary(*words: str) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, str(PROGRAM), *words], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_skips_are_listed_with_their_reasons(tmp_path: Path) -> None:
    code, lines = summary("3", "0", results(tmp_path, "good", GOOD))
    assert (code, lines[-1]) == (0, "4 passed, 0 failed, 1 skipped")
    assert lines[:2] == ["── skipped", "    1  good: no such data"]
    assert sum("test_passes" in line for line in lines) == 1


def test_failures_and_errors_end_with_1(tmp_path: Path) -> None:
    code, lines = summary("0", "0", results(tmp_path, "good", GOOD), results(tmp_path, "bad", BAD))
    assert (code, lines[-1]) == (1, "1 passed, 2 failed, 1 skipped")


def test_a_linter_that_failed_ends_with_1(tmp_path: Path) -> None:
    code, lines = summary("2", "1", results(tmp_path, "good", GOOD))
    assert (code, lines[-1]) == (1, "3 passed, 1 failed, 1 skipped")


@pytest.mark.parametrize(
    ("tests", "options"), [(GOOD, ("--no-such-option",)), ("import nothing_like_it", ()), (GOOD, ("-k", "nothing"))]
)
def test_a_run_without_tests_is_a_failure(tests: str, options: tuple[str, ...], tmp_path: Path) -> None:
    """Wrong options leave no file, a module that cannot be imported leaves one error, no test leaves exit code 5."""
    code, lines = summary("1", "0", results(tmp_path, "none", tests, *options))
    assert (code, lines[-1]) == (1, "1 passed, 1 failed, 0 skipped")
