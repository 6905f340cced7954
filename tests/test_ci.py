"""CI, pre-commit and `make test` run the same commands; subjects of commits are checked."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_workflow_runs_the_targets_of_ci_run() -> None:
    targets = re.findall(r"^make ([\w-]+)$", text(".ci/run"), re.MULTILINE)
    workflow = text(".github/workflows/ci.yml")
    (matrix,) = re.findall(r"target: \[(.*?)\]", workflow)
    assert matrix.split(", ") == targets
    assert "- run: make ${{ matrix.target }}" in workflow


def test_pre_commit_runs_the_linters_of_make_test() -> None:
    linters = dict(re.findall(r'^    lint "([^"]+)" (.+)$', text(".ci/test"), re.MULTILINE))
    hooks = dict(
        re.findall(r"^        name: (.+)\n        entry: (.+)$", text(".pre-commit-config.yaml"), re.MULTILINE)
    )
    assert len(linters) == 5
    assert {name: hooks.get(name) for name in linters} == {
        name: re.sub(r" \.$", "", command) for name, command in linters.items()
    }


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("gate: refuse nights without events\n\nNobody could be judged.\n", 0),
        ("gate: " + "x" * 66 + "\n", 0),
        ("gate: " + "x" * 67 + "\n", 1),
        ("Refuse nights without events\n", 1),
        ("gate: refuse nights without events.\n", 1),
        ("gate: refuse nights\nwithout events\n", 1),
        ('Revert "gate: refuse nights"\n', 0),
    ],
)
def test_the_subject_of_a_commit_is_checked(message: str, code: int, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text(message)
    assert subprocess.run([ROOT / ".ci" / "subject", file], capture_output=True).returncode == code
