"""What a job takes of the machine: seconds of its cores, bytes, memory, a GPU and energy, for `runs.tasks`.

A job is a process, or a fork, so that the system has counted for it alone. What its Spark server does meanwhile counts
too; where two jobs share the server at a time, each counts what it does for both.
"""

import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

PROC, RAPL = Path("/proc"), Path("/sys/class/powercap")
MIB = 1 << 20
# Where nothing tells the processor's energy: of a busy core of a server, with its share of the memory's. Thermal design
# powers are 280 W for 64 cores (AMD EPYC 7763) to 300 W for 32 (Intel Xeon Platinum 8375C).
JOULES_PER_CORE_SECOND = 10.0


class Taken(NamedTuple):
    """CPU seconds, and bytes that system calls read and wrote (files and pipes, whether in memory or not)."""

    cpu_seconds: float = 0.0
    read: int = 0
    written: int = 0

    def plus(self, other: "Taken", sign: int = 1) -> "Taken":
        """The sum, or with -1 the difference."""
        return Taken(
            self.cpu_seconds + sign * other.cpu_seconds,
            self.read + sign * other.read,
            self.written + sign * other.written,
        )


class Usage:
    """Measures from its making on. server: pid of the Spark server that works for the job; it leads its session."""

    def __init__(self, server: int | None = None) -> None:
        self.server = server
        self.before = of_session(server)
        self.energy, self.busy = energy(), busy_seconds()

    def facts(self, of_gpu: dict[str, Any]) -> dict[str, Any]:
        """`cpu_seconds`, `read_mib`, `written_mib`, `joules`, and whether these are `estimated`; of the facts of a
        training `gpu_seconds` and `gpu_joules`, which count among the joules."""
        taken = of_this_process().plus(of_session(self.server).plus(self.before, -1))
        facts = {
            "cpu_seconds": round(taken.cpu_seconds, 2),
            "read_mib": round(taken.read / MIB, 1),
            "written_mib": round(taken.written / MIB, 1),
        }
        after = energy()
        if after is None or self.energy is None or after < self.energy:  # the counter begins anew at its end
            joules, estimated = JOULES_PER_CORE_SECOND * taken.cpu_seconds, True
        else:  # that of the processors, by the share of their work
            share = min(1.0, taken.cpu_seconds / max(busy_seconds() - self.busy, 1e-9))
            joules, estimated = (after - self.energy) * share, False
        gpu = {name: of_gpu[name] for name in ("gpu_seconds", "gpu_joules") if name in of_gpu}
        return facts | gpu | {"joules": round(joules + gpu.get("gpu_joules", 0.0), 1), "estimated": estimated}


def of_this_process() -> Taken:
    """Of this process and its children that have ended, from its start or fork on."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Taken(sum(each.ru_utime + each.ru_stime for each in used), *read_transferred(PROC / "self"))


def of_session(leader: int | None) -> Taken:
    """Of the processes of a session and their children that have ended; nothing without a leader."""
    total = Taken()
    if leader is None:
        return total
    ticks = os.sysconf("SC_CLK_TCK")
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # it may end meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                total = total.plus(Taken(sum(map(int, fields[11:15])) / ticks, *read_transferred(folder)))
    return total


def read_transferred(process: Path) -> tuple[int, int]:
    """Bytes that a process has read and written; 0 where the system does not say."""
    with suppress(OSError):
        counts = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        return int(counts["rchar"]), int(counts["wchar"])
    return 0, 0


def energy() -> float | None:
    """Joules of all processors since some moment (RAPL); None where there is no counter, or only root may read it."""
    packages = sorted(RAPL.glob("intel-rapl:[0-9]*/energy_uj"))
    packages = [file for file in packages if file.parent.name.count(":") == 1]
    try:
        return sum(int(file.read_text()) for file in packages) / 1e6 if packages else None
    except OSError:
        return None


def busy_seconds() -> float:
    """Seconds that all cores of the machine have worked; 0 where the system does not say."""
    with suppress(OSError, ValueError):
        user, nice, system, _, _, *interrupts = map(int, (PROC / "stat").read_text().splitlines()[0].split()[1:8])
        return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def night(tasks: dict[str, dict[str, Any]], users: int) -> dict[str, tuple[float, float]]:
    """What a night took, by name in `runs.tasks`: of all tasks together, and for a thousand users; only what they tell,
    `peak_mib` the largest."""
    result = {}
    for name in ("cpu_seconds", "gpu_seconds", "read_mib", "written_mib", "joules", "peak_mib"):
        if given := [task[name] for task in tasks.values() if name in task]:
            total = max(given) if name == "peak_mib" else sum(given)
            result[name] = (total, 1000 * total / max(users, 1))
    return result
