"""Commands of Encore in processes that die by SIGKILL at a given step (`tests/support/programs/killed.py`)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jobs.settings import ROOT

Command = Callable[..., int]


@contextmanager
def killable(steps: Sequence[str] = ()) -> Iterator[Command]:
    """Yields run(words, die=None), which runs `encore words…` until step `die`; its exit code, -9 where it was killed.

    steps: functions before whose calls it can die too, "module:function".
    """
    words = [sys.executable, "-m", "tests.support.programs.killed"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(words: Sequence[str], die: int | None = None) -> int:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps({"words": list(words), "die": die, "steps": list(steps)}) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
