"""Runs the DAG of one night through Airflow without a scheduler, and reads its log line by line."""

import hashlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from jobs.output import say
from jobs.settings import ROOT, Settings
from schemas.names import ENDINGS, OPTIONAL_TASKS, ExitCode

# The lines of the DAGs' operator (dags/common.py) in Airflow's log, which puts the name of the logger behind each.
MARK = re.compile(r"\[encore\] (\S+) (started|" + "|".join(ENDINGS.values()) + r")(?:: (.*?))?\s+\[airflow")
CODES = {ENDINGS[code]: int(code) for code in (ExitCode.WRONG_INPUT, ExitCode.FAULT)}
POOLS = ROOT / "dags" / "pools.json"
GRACE_SECONDS = 30
SILENT_SECONDS, LOOK_SECONDS = 15.0, 1.0
EXECUTOR = "dags.executor.SideBySideExecutor"
MOST_WORKERS, WORKER_BYTES = 8, 4 << 30  # with 22 million events a task takes up to 3.8 GiB
HARMLESS = ("spark_stop", *OPTIONAL_TASKS)  # the caller stops the server in any case
Problems = dict[str, tuple[int, str]]  # task → exit code and reason


def prepare(config: Settings, log: Path) -> None:
    """Makes Airflow's database and pools, once for each version of them."""
    versions = [file.read_bytes() for file in (POOLS, ROOT / "docker" / "airflow.lock") if file.exists()]
    wanted = hashlib.sha256(b"".join(versions)).hexdigest()
    stamp = Path(config.airflow_home) / "nightly.prepared"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"preparing Airflow in {config.airflow_home}")
    for arguments in (["db", "migrate"], ["pools", "import", str(POOLS)]):
        with log.open("a") as output:
            ended = subprocess.run([config.airflow, *arguments], env=environment(config), stdout=output, stderr=output)
        if ended.returncode:
            raise RuntimeError(
                f"airflow {' '.join(arguments)} ended with exit code {ended.returncode}; the log is {log}"
            )
    stamp.write_text(wanted)


def environment(config: Settings) -> dict[str, str]:
    """Airflow's: this project's DAGs and nothing else, this very `encore`, and a database of its own.

    Its own, because a scheduler on the same database (`make up`) would run the night's tasks as well.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    chosen = {
        "ENCORE": str(Path(sys.executable).with_name("encore")),
        "AIRFLOW__CORE__PARALLELISM": str(workers(len(os.sched_getaffinity(0)), memory)),
    }
    ours = {
        "AIRFLOW__CORE__EXECUTOR": EXECUTOR,
        "AIRFLOW_HOME": config.airflow_home,
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{Path(config.airflow_home).resolve()}/nightly.db",
    }
    return {**chosen, **os.environ, **ours}


def workers(cores: int, memory: int) -> int:
    """How many tasks run at a time on so many cores and bytes: 2 at least, so that one that waits does not stop all."""
    return max(2, min(cores, MOST_WORKERS, memory // WORKER_BYTES))


class Progress:
    """Reads Airflow's lines: prints one for each task that ends and one where nothing ends for a while, and keeps what
    ended badly, and the newest line. ended: called with the name of each task that ended, well or not."""

    def __init__(self, tasks: int, ended: Callable[[str], None]) -> None:
        self.problems: Problems = {}
        self.newest = ""
        self.ended, self.left, self.last = ended, tasks, time.monotonic()
        self.running: dict[str, float] = {}

    def read(self, line: str) -> None:
        """Takes one line of Airflow's log."""
        self.newest = line.strip() or self.newest
        if not (match := MARK.search(line)):
            return
        task, state, reason = match.groups(default="")
        if state == "started":
            self.running[task] = self.last = time.monotonic()
            return
        self.last = time.monotonic()
        seconds = self.last - self.running.pop(task, self.last)
        say(f"  {task:<28} {state:<8} {seconds:6.1f} s  {reason}".rstrip())
        self.problems.pop(task, None)
        if state in CODES and task.rpartition(".")[2] not in HARMLESS:
            self.problems[task] = (CODES[state], reason)
        if state not in CODES:  # else it may be tried again
            self.left -= 1
        self.ended(task)

    def wait(self) -> None:
        """Says what runs, since when, and how many tasks are left, where no task has ended for SILENT_SECONDS."""
        now = time.monotonic()
        if self.running and now - self.last >= SILENT_SECONDS:
            self.last = now
            running = ", ".join(f"{task} for {now - since:.0f} s" for task, since in self.running.items())
            say(f"  … running: {running}; {self.left} tasks are left")


def follow(
    config: Settings, arguments: list[str], log: Path, extra: Mapping[str, str], progress: Progress
) -> tuple[int, Problems]:
    """Runs Airflow to its end, with `extra` in its environment; returns its exit code and failed tasks."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be ended is to be interrupted
    with (
        log.open("ab", buffering=0) as output,
        subprocess.Popen(
            [config.airflow, *arguments],
            env=environment(config) | dict(extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as airflow,
    ):
        try:
            for line in lines(airflow, progress):
                output.write(line)
                progress.read(line.decode(errors="replace"))
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(airflow.pid, signal.SIGINT)  # its workers' operators end the running jobs
            with suppress(subprocess.TimeoutExpired):
                airflow.communicate(timeout=GRACE_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(airflow.pid, signal.SIGKILL)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    return airflow.returncode, progress.problems


def lines(airflow: "subprocess.Popen[bytes]", progress: Progress) -> Iterator[bytes]:
    """Airflow's lines as they come; `progress` is asked to speak where none comes."""
    assert airflow.stdout is not None
    os.set_blocking(airflow.stdout.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(airflow.stdout, selectors.EVENT_READ)
        while True:
            selector.select(LOOK_SECONDS)
            progress.wait()
            some: bytes | None = airflow.stdout.read()
            if some is None:  # nothing yet
                continue
            *whole, rest = (rest + some).split(b"\n")
            yield from (line + b"\n" for line in whole)
            if not some:
                if rest:
                    yield rest
                return
