"""The version and commit that a publication names."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from jobs import version as module
from jobs.cli import main
from jobs.version import code_version

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the one in which Encore is installed."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "FILE", tmp_path / "commit.txt")
    code_version.cache_clear()
    return tmp_path


def git(folder: Path, *words: str) -> str:
    """What git says in a folder."""
    person = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *person, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_clone_tells_its_commit_and_whether_it_was_changed(elsewhere: Path) -> None:
    git(elsewhere, "init")
    (elsewhere / "a").write_text("1")
    git(elsewhere, "add", "a")
    git(elsewhere, "commit", "-m", "a")
    git(elsewhere, "tag", "v1")
    commit = git(elsewhere, "rev-parse", "HEAD")[:12]
    assert code_version() == f"{version('encore')}+{commit}"
    (elsewhere / "a").write_text("2")
    code_version.cache_clear()
    assert code_version() == f"{version('encore')}+{commit}.dirty"


def test_without_a_clone_the_file_of_the_build_tells_it(elsewhere: Path) -> None:
    (elsewhere / "commit.txt").write_text(f"{COMMIT}\n")
    assert code_version() == f"{version('encore')}+0123456789ab"


@pytest.mark.parametrize("text", ["", "main", "0123", None])
def test_without_either_the_version_stands_alone(elsewhere: Path, text: str | None) -> None:
    if text is not None:
        (elsewhere / "commit.txt").write_text(text)
    assert code_version() == version("encore")


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_the_command_line_tells_it(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    assert capsys.readouterr().out == f"encore {version('encore')}\n"


def test_a_clone_around_the_folder_is_something_else(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(elsewhere, "init")
    (elsewhere / "site-packages").mkdir()
    monkeypatch.setattr(module, "ROOT", elsewhere / "site-packages")
    assert code_version() == version("encore")
