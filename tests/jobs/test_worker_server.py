"""The fork server that a worker keeps: when there is one, when it ends, and that a job sees nothing of those before."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from jobs import forkserver, worker_server

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the server needs Linux")
ROOT = Path(__file__).parents[2]

# A server whose jobs change all that a process can change, or show it.
SERVER = """
import json, os, random, resource, signal, sys, threading, time
import numpy as np
from jobs import cli, warm

def shown():
    return {
        "environment": sorted(name for name in os.environ if name.startswith("SHOWN")),
        "folder": os.getcwd(),
        "umask": oct(os.umask(0o022)),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "zone": time.localtime(0).tm_hour,
        "numpy": float(np.random.random()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "handler": str(signal.getsignal(signal.SIGUSR1)),
        "modules": "wave" in sys.modules,
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }

def job(words):
    if words[0] == "change":
        import wave
        os.environ["SHOWN_BEFORE"] = "1"
        os.chdir("/")
        np.random.seed(1)
        np.random.random(5)
        random.seed(1)
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        job.kept = [open("/dev/null") for _ in range(20)]
        signal.signal(signal.SIGUSR1, lambda *_: None)
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    if words[0] == "wait":
        time.sleep(float(words[1]))
    print(json.dumps(shown()))
    return 0

cli.main = job
warm.preload = lambda: [bytearray(1 << 20)]
warm.main()
"""
ASK = "import sys; from jobs import forkserver; sys.exit(forkserver.delegate(sys.argv[1:]))"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server with the arguments given; returns its process once it listens."""
    started = []

    def server(*arguments: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", SERVER, str(tmp_path / "socket"), *arguments]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment(tmp_path))
        started.append(process)
        until((tmp_path / "socket").exists)
        return process

    yield server
    for process in started:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), forkserver.SOCKET: str(folder / "socket"), **more}


def ask(folder: Path, *words: str, **more: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *words], env=environment(folder, **more), cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_job_sees_nothing_of_the_jobs_before_it(start: Start, tmp_path: Path) -> None:
    start("--idle", "60")
    first = ask(tmp_path, "show", SHOWN="mine")
    changed = ask(tmp_path, "change", SHOWN="mine")
    after = ask(tmp_path, "show", SHOWN="mine")
    seeded = np.random.RandomState(1).random(6)[5]
    assert [job.pop("numpy") == seeded for job in (first, changed, after)] == [False, True, False]
    for name in ("environment", "folder", "threads", "files", "handler", "modules", "limit"):
        assert first[name] != changed[name]
    assert after == first
    assert (first["environment"], first["folder"], first["threads"]) == (["SHOWN"], str(tmp_path), 1)


def test_a_job_has_time_zone_umask_and_priority_of_the_one_that_asked(start: Start, tmp_path: Path) -> None:
    start("--idle", "60")
    words = ["nice", "-n", "7", "sh", "-c", f'umask 027; exec {sys.executable} -c "$0" show', ASK]
    done = subprocess.run(words, env=environment(tmp_path, TZ="Asia/Tokyo"), cwd=tmp_path, capture_output=True)
    result = json.loads(done.stdout)
    assert (result["zone"], result["umask"], result["nice"]) == (9, "0o27", 7 + os.getpriority(os.PRIO_PROCESS, 0))


def test_a_server_ends_when_nobody_has_asked_for_a_while_and_no_job_runs(start: Start, tmp_path: Path) -> None:
    server = start("--idle", "0.5")
    ask(tmp_path, "wait", "1.5")  # three times as long
    assert server.wait(30) == 0
    assert not (tmp_path / "socket").exists()


def test_a_server_that_has_grown_ends_after_its_jobs(start: Start, tmp_path: Path) -> None:
    server = start("--idle", "600", "--memory", "1")
    ask(tmp_path, "show")
    assert server.wait(30) == 0
    assert not (tmp_path / "socket").exists()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two files whose servers are in a folder of its own; starts none."""
    (tmp_path / "jobs").mkdir()
    for name in ("jobs/train.py", "lock"):
        (tmp_path / name).write_text("a")
    monkeypatch.setattr(worker_server, "ROOT", tmp_path)
    monkeypatch.setattr(worker_server, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(worker_server.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(worker_server, "start", lambda socket, lock: started.append(socket))
    started: list[Path] = []
    return tmp_path


@pytest.mark.parametrize("name", ["jobs/train.py", "lock"])
def test_another_server_is_asked_for_when_code_or_lock_change(project: Path, name: str) -> None:
    before = worker_server.stamp()
    assert worker_server.stamp() == before
    (project / name).write_text("another")
    assert worker_server.stamp() != before


def test_another_server_is_asked_for_where_keras_would_be_another(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    before = worker_server.stamp()
    monkeypatch.setenv("SHOWN", "which no library reads")
    assert worker_server.stamp() == before
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert worker_server.stamp() != before


def test_the_first_task_starts_a_server_and_the_next_find_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[Path, int]] = []
    monkeypatch.setattr(worker_server, "start", lambda socket, lock: started.append((socket, os.dup(lock))))
    assert worker_server.address() is None
    ((socket, lock),) = started
    assert worker_server.address() is None  # it is being started: the lock is held
    socket.touch()
    assert worker_server.address() == str(socket)
    assert len(started) == 1
    os.close(lock)  # it was killed, and has left its socket
    assert worker_server.address() is None
    assert len(started) == 2
    assert not socket.exists()


def test_a_folder_that_others_may_enter_is_not_used(project: Path) -> None:
    folder = project / f"encore-{os.getuid()}"
    folder.mkdir(mode=0o755)
    assert worker_server.address() is None
    assert [*folder.iterdir()] == []


def test_a_task_runs_itself_where_there_is_no_server_yet(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(forkserver.SOCKET, forkserver.WORKER)
    assert forkserver.delegate(["tell", "0"]) is None


def test_stop_ends_the_servers_of_this_copy_and_no_other_process(project: Path) -> None:
    folder, ours = worker_server.place(), worker_server.installation()
    assert folder is not None
    with (folder / f"{ours}-a.lock").open("a") as held, subprocess.Popen(["sleep", "60"]) as server:
        fcntl.flock(held, fcntl.LOCK_EX)
        (folder / f"{ours}-a.pid").write_text(str(server.pid))
        (folder / f"{ours}-b.pid").write_text(str(os.getpid()))  # of one that is gone: the number is another's by now
        (folder / "another-c.pid").write_text(str(os.getpid()))
        (folder / f"{ours}-a").touch()
        worker_server.stop()
        assert server.wait(30) == -15
    assert sorted(file.name for file in folder.iterdir() if file.suffix != ".lock") == ["another-c.pid"]
