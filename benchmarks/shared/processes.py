"""What a command takes with all its processes: seconds, CPU seconds, and memory at its worst."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

PERIOD = 0.1  # seconds between two looks
MARK = "ENCORE_MEASURED"
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """seconds: wall time. cpu_seconds: user and system, of all processes. peak_mib: the largest sum of their resident
    memory; pages that several of them share count once for each. state: `done`, `failed` or `stopped` at the limit."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    state: str


def measure(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    limit: float = 1e9,
    beside: Callable[[], Iterable[int]] = tuple,
) -> Usage:
    """Runs a command; its processes, those included that have made sessions of their own, are its memory and CPU.

    Output goes to `log`. After `limit` seconds all of them are killed. beside: leaders of other sessions that work for
    it, as a server does that was there before.
    """
    cpu = {(pid, began): ticks for leader in beside() for pid, began, ticks, _ in session(leader)}
    before = sum(cpu.values())
    peak, started, mark = 0, time.perf_counter(), uuid4().hex
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, env={**os.environ, **environment, MARK: mark}, stdout=output, stderr=output, start_new_session=True
        )
    stopped = False
    try:
        while True:
            seen = {one[:2]: one for leader in beside() for one in session(leader)}
            seen |= {one[:2]: one for one in session(child.pid, mark)}
            cpu.update({key: ticks for key, (*_, ticks, _) in seen.items()})
            peak = max(peak, sum(pages for *_, pages in seen.values()))
            try:
                child.wait(PERIOD)
                break
            except subprocess.TimeoutExpired:
                if time.perf_counter() - started > limit:
                    stopped = True
                    kill(child.pid, mark)
    finally:
        kill(child.pid, mark)  # also what a failed command has left
    seconds = time.perf_counter() - started
    state = "stopped" if stopped else "failed" if child.returncode else "done"
    return Usage(seconds, (sum(cpu.values()) - before) / TICK, peak * PAGE / 2**20, state)


def session(leader: int, mark: str = "") -> Iterator[tuple[int, str, int, int]]:
    """(pid, start, CPU ticks, resident pages) of the processes in a session, wherever they hang in the tree, and of
    those that began with `mark` in their environment, as what the session starts has it."""
    marked = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) != leader and not (mark and marked in (folder / "environ").read_bytes().split(b"\0")):
                    continue
            except OSError:  # gone meanwhile, or another user's
                continue
            yield int(folder.name), fields[19], int(fields[11]) + int(fields[12]), int(fields[21])


def kill(leader: int, mark: str = "") -> None:
    """Ends every process of a session, and those with `mark`."""
    for pid, *_ in list(session(leader, mark)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
