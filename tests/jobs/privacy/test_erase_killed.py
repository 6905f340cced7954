"""An erasure that is killed at any step: the same command again finishes it.

ENCORE_KILL_EVERY is how many steps lie between two kills (default: 7; `make fuzz`: 1, every step).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from tests.support import warehouse
from tests.support.killable import Command, killable
from tests.support.planted_users import ERASED, both_nights, erase_words, import_users, places_of_users, users_file

pytestmark = pytest.mark.slow

# Beside commits and files that are written: what is deleted.
EVERY = int(os.environ.get("ENCORE_KILL_EVERY", "7"))
STEPS = ["jobs.storage.rewrite:delete_file", "jobs.privacy.leftovers:delete", "jobs.storage.files:delete_file"]


@pytest.fixture
def command(config: Settings, tmp_path: Path) -> Iterator[Command]:
    """Runs words in a process of its own, which dies at a step; the exit code, -9 where it was killed."""
    with killable(STEPS) as run:
        yield run


def test_each_repeat_gets_one_step_further_and_the_last_ends_it(
    config: Settings, tmp_path: Path, command: Command
) -> None:
    both_nights(config)
    assert import_users(tmp_path) == 0
    words = erase_words("--users", users_file(tmp_path))
    step, code = 0, -9
    while code == -9:
        step += 3
        code = command(words, step)
    assert code == 0
    assert step > 12
    assert places_of_users(config, tmp_path) == []
    assert main(["tables", "check"]) == 0


@pytest.mark.timeout(1800)
def test_killed_at_a_step_the_repeat_finishes_it(
    config: Settings, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_nights(config)
    assert import_users(tmp_path) == 0
    words = erase_words("--users", users_file(tmp_path))
    kept = tmp_path.with_name(f"{tmp_path.name} as made")
    shutil.copytree(tmp_path, kept)
    step, code = 1 - EVERY, -9
    while code == -9:
        step += EVERY
        code = command(words, step)
        assert command(words, None) == 0, f"after step {step}"
        assert places_of_users(config, tmp_path, ERASED) == [], f"after step {step}"
        assert main(["tables", "check"]) == 0, f"after step {step}"
        shutil.rmtree(tmp_path)
        shutil.copytree(kept, tmp_path)
        warehouse.use(tmp_path, monkeypatch)
    print(f"killed up to step {step - EVERY}")
    assert step > 40
