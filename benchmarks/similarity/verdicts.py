"""What the similarity engine must reach, and whether the lines of a run say that it does."""

from collections.abc import Iterator
from typing import Any

Line = dict[str, Any]
FULL = "1"
MEMORY_MIB = 6 * 1024
# (data, side, contestant, rival, times as fast as the rival at least)
FASTER = (
    (FULL, "items", "encore", "implicit", 3.0),
    (FULL, "users", "encore", "implicit", 4.0),
    (FULL, "items", "encore-spark", "implicit", 1.0),
    (FULL, "users", "encore-spark", "implicit", 2.5),
    ("ml-1m", "items", "encore-spark", "self-join", 10.0),
    ("ml-1m", "items", "encore-spark", "columnSimilarities", 10.0),
    (FULL, "users", "cluster-2", "cluster-1", 1.7),
)


def verdicts(lines: list[Line]) -> list[Line]:
    """The goals that the run's lines can judge: goal, measured, holds."""
    result = {(line["data"], line["side"], line["contestant"]): line for line in lines if "seconds" in line}
    return [*_faster(result), *_memory(result), *_growth(result)]


def _faster(result: dict[Any, Line]) -> Iterator[Line]:
    for data, side, contestant, rival, wanted in FASTER:
        ours, theirs = (result.get((data, side, name)) for name in (contestant, rival))
        if ours and theirs:
            times = theirs["seconds"] / ours["seconds"]
            goal = f"{data} {side}: {contestant} at least {wanted} times as fast as {rival}"
            yield {"goal": goal, "measured": times, "holds": times >= wanted}


def _memory(result: dict[Any, Line]) -> Iterator[Line]:
    for side in ("items", "users"):
        once, twice = (result.get((data, side, "encore-spark")) for data in (FULL, f"{FULL}:2"))
        if once:
            peak = once["peak_mib"]
            yield {"goal": f"{FULL} {side}: at most {MEMORY_MIB} MiB", "measured": peak, "holds": peak <= MEMORY_MIB}
        if once and twice:
            times = twice["peak_mib"] / once["peak_mib"]
            goal = f"{side}: peak memory with twice the users within 20 %"
            yield {"goal": goal, "measured": times, "holds": abs(times - 1) <= 0.2}


def _growth(result: dict[Any, Line]) -> Iterator[Line]:
    for contestant in ("encore", "encore-streamed"):
        for side in ("items", "users"):
            small, large = (result.get((data, side, contestant)) for data in ("1/16", FULL))
            if small and large:
                times = small["multiply_adds_per_second"] / large["multiply_adds_per_second"]
                goal = f"{side}: {contestant}'s time per multiply-add from 1/16 to {FULL} within 25 %"
                yield {"goal": goal, "measured": times, "holds": abs(times - 1) <= 0.25}
