"""What was measured, as it is kept."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

Facts = dict[str, Any]


class Results:
    """What was measured, in a file from the first figure on."""

    def __init__(self, file: Path) -> None:
        self.file, self.facts = file, (json.loads(file.read_text()) if file.exists() else {})

    def add(self, stage: str, facts: Any) -> None:
        """One more entry of a stage."""
        self.facts.setdefault(stage, []).append(facts)
        self.file.write_text(json.dumps(self.facts, indent=1) + "\n")
        print(stage, json.dumps(facts), flush=True)


def median_seconds(work: Callable[[], Any], times: int) -> float:
    """Of so many runs behind a first one."""
    seconds = []
    for _ in range(times + 1):
        started = time.perf_counter()
        jax.block_until_ready(work())
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))
