"""A real server, and commands that ask it, in processes of their own; what they run is a job of these tests."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from jobs import forkserver

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the server needs Linux")

# `encore` for the server: a job for each first argument.
JOBS = """
import json, os, sys, time
from jobs import cli, forkserver, warm

def job(words):
    if words[0] == "tell":
        print(json.dumps([words, os.getcwd(), os.environ.get("SHOWN"), forkserver.SOCKET in os.environ, os.getpgid(0)]))
        print("a line of its own", file=sys.stderr)
        return int(words[1])
    if words[0] == "fail":
        raise RuntimeError("as planned")
    if words[0] == "read":
        print(sys.stdin.read().upper())
        return 0
    open(words[1], "w").write(str(os.getpid()))
    time.sleep(60)

def become(server, request, streams, real=warm.Server._become):
    if request["argv"][0] == "late":
        job(request["argv"])  # before it has a group of its own
    real(server, request, streams)

cli.main = job
warm.preload = lambda: None
warm.Server._become = become
warm.main()
"""
ASK = "import sys; from jobs import forkserver; sys.exit(forkserver.delegate(sys.argv[1:]))"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    address = str(tmp_path / "socket")
    with subprocess.Popen([sys.executable, "-c", JOBS, address], stdin=subprocess.PIPE) as process:
        appears(Path(address))
        yield address, process
        process.kill()


def appears(file: Path) -> str:
    """Its text, once it has any or is no plain file."""
    for _ in range(1000):
        if file.exists() and (not file.is_file() or file.read_text()):
            return file.read_text() if file.is_file() else ""
        time.sleep(0.01)
    raise AssertionError(f"{file} did not appear")


def ended(pid: int) -> bool:
    """Whether a process comes to its end within ten seconds."""
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


def ask(address: str, *words: str, folder: Path | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ASK, *words],
        env=environment(address),
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def environment(address: str) -> Mapping[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, forkserver.SOCKET: address, "SHOWN": "a value"}


def test_a_job_has_words_folder_environment_and_streams_of_who_asked(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    for code in (0, 3):
        done = ask(server[0], "tell", str(code), folder=tmp_path)
        assert (done.returncode, done.stderr) == (code, "a line of its own\n")
        argv, folder, shown, again, group = json.loads(done.stdout)
        assert (argv, folder, shown, again) == (["tell", str(code)], str(tmp_path), "a value", False)
        assert group != os.getpgid(server[1].pid)
    assert ask(server[0], "read", text="given").stdout == "GIVEN\n"


def test_a_fault_is_told_and_ends_nothing_else(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    failed = ask(server[0], "fail")
    assert failed.returncode == 1
    assert "RuntimeError: as planned" in failed.stderr
    assert ask(server[0], "tell", "3").returncode == 3


def test_jobs_run_at_once_and_get_their_own_signals(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    files = [tmp_path / "first", tmp_path / "second"]
    askers = [
        subprocess.Popen([sys.executable, "-c", ASK, "sleep", str(file)], env=environment(server[0])) for file in files
    ]
    pids = [int(appears(file)) for file in files]
    askers[0].send_signal(signal.SIGTERM)
    assert askers[0].wait(30) == 128 + signal.SIGTERM
    assert ended(pids[0])
    assert Path(f"/proc/{pids[1]}").exists()
    askers[1].kill()  # it cannot say so: the server sees that it is gone
    askers[1].wait()
    assert ended(pids[1])


def test_a_killed_job_is_named_as_such(server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    argv = [sys.executable, "-c", ASK, "sleep", str(tmp_path / "pid")]
    client = subprocess.Popen(argv, env=environment(server[0]), stderr=subprocess.PIPE, text=True)
    os.kill(int(appears(tmp_path / "pid")), signal.SIGKILL)
    message = client.communicate(timeout=30)[1]
    assert client.returncode == 128 + signal.SIGKILL
    match = re.fullmatch(r"error: sleep: ended by SIGKILL, as .* memory runs out; peak memory ([\d,]+) MiB\n", message)
    assert match
    assert 5 < int(match[1].replace(",", "")) < 5000


def test_a_signal_that_comes_before_the_job_has_a_group_reaches_it_and_nobody_else(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    requester = subprocess.Popen([sys.executable, "-c", ASK, "late", str(tmp_path / "pid")], env=environment(server[0]))
    pid = int(appears(tmp_path / "pid"))
    requester.send_signal(signal.SIGTERM)
    assert requester.wait(10) == 128 + signal.SIGTERM
    assert ended(pid)
    assert ask(server[0], "tell", "3").returncode == 3


WHOLE = json.dumps({"argv": ["tell", "0"], "folder": "/", "environment": {}}).encode()


@pytest.mark.parametrize(
    ("head", "body", "streams"),
    [
        (b"", b"", 0),
        (b"\0\0", b"", 3),
        (len(WHOLE).to_bytes(4, "big"), WHOLE[:-1], 3),
        (len(WHOLE).to_bytes(4, "big"), b"\xff" * len(WHOLE), 3),
        (len(WHOLE).to_bytes(4, "big"), WHOLE, 2),
        (len(WHOLE).to_bytes(4, "big"), WHOLE, 0),
    ],
    ids=["nothing", "half a head", "no end", "no JSON", "a stream short", "no streams"],
)
def test_a_request_that_is_not_whole_is_dropped(
    server: tuple[str, subprocess.Popen[bytes]], head: bytes, body: bytes, streams: int
) -> None:
    """No answer, no stream left open; and the next request is heard."""
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as requester:
        requester.connect(server[0])
        if head:
            socket.send_fds(requester, [head], [writer] * streams)
        with suppress(OSError):  # the server has left already
            requester.sendall(body)
            requester.shutdown(socket.SHUT_WR)
        os.close(writer)
        assert os.read(reader, 1) == b""
        with suppress(ConnectionResetError):  # the server left before it had read everything
            assert requester.recv(1) == b""
    os.close(reader)
    assert ask(server[0], "tell", "3").returncode == 3


def test_a_request_without_words_fails_alone(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    with socket.socket(socket.AF_UNIX) as requester, Path(os.devnull).open("r+b") as nothing:
        requester.connect(server[0])
        socket.send_fds(requester, [(2).to_bytes(4, "big")], [nothing.fileno()] * 3)
        requester.sendall(b"{}")
        assert requester.recv(1) == b"\1"  # the exit code of a fault
    assert ask(server[0], "tell", "3").returncode == 3


def test_a_server_that_ends_before_it_has_the_request_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(forkserver.SOCKET, str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        dying = Thread(target=lambda: listener.accept()[0].close())
        dying.start()
        assert forkserver.delegate(["a word that no buffer takes" * 1_000_000]) is None
        dying.join()


def test_the_end_of_the_server_ends_its_jobs(server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    client = subprocess.Popen([sys.executable, "-c", ASK, "sleep", str(tmp_path / "pid")], env=environment(server[0]))
    pid = int(appears(tmp_path / "pid"))
    stdin = server[1].stdin
    assert stdin is not None
    stdin.close()
    assert server[1].wait(10) == 0
    assert ended(pid)
    assert client.wait(10) == 1


def test_without_a_server_a_command_runs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(forkserver.SOCKET, raising=False)
    assert forkserver.delegate(["tell", "0"]) is None
    monkeypatch.setenv(forkserver.SOCKET, str(tmp_path / "nobody"))
    assert forkserver.delegate(["tell", "0"]) is None


def test_a_server_that_is_off_is_neither_started_nor_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(forkserver.SOCKET, "off")
    with (tmp_path / "log").open("wb") as log, forkserver.running(log) as extra:
        assert extra == {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("off")
        listener.listen()
        listener.setblocking(False)
        assert forkserver.delegate(["tell", "0"]) is None
        with pytest.raises(BlockingIOError):
            listener.accept()


PRELOADED = """
import json, os, sys
from pathlib import Path
from jobs import warm
warm.GPU_DEVICE = Path(sys.argv[1])
warm.preload()
names = ("keras", "tensorflow", "pyspark", "jobs.train", "jobs.sentiment", "jobs.continuations")
print(json.dumps([name for name in names if name in sys.modules]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "gpu", "expected"),
    [
        ("tensorflow", False, ["keras", "tensorflow", "pyspark", "jobs.train", "jobs.sentiment", "jobs.continuations"]),
        ("tensorflow", True, ["pyspark", "jobs.train"]),
        ("jax", False, ["pyspark", "jobs.train"]),
    ],
)
def test_keras_is_imported_only_where_a_fork_can_use_it(
    tmp_path: Path, backend: str, gpu: bool, expected: list[str]
) -> None:
    """The real imports, in a process of their own; `gpu`: the driver's device is there."""
    device = tmp_path / "nvidiactl"
    if gpu:
        device.touch()
    env = {**environment(""), "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", PRELOADED, str(device)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == expected


@pytest.mark.slow
def test_a_night_has_one_that_knows_the_jobs_and_leaves_nothing(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, forkserver.running(log) as result:
        address = Path(result[forkserver.SOCKET])
        for _ in range(6000):
            if address.exists():
                break
            time.sleep(0.01)
        wrong = ask(str(address), "train", "--domain=books")  # would be 0 without a server
        assert wrong.returncode == 2
        assert "invalid choice: 'books'" in wrong.stderr
    assert not address.parent.exists()


@pytest.mark.slow
def test_a_network_that_is_trained_in_a_fork_is_the_same(tmp_path: Path) -> None:
    """The server has imported Keras, in the other process it is imported anew."""
    train = """
import sys, numpy as np
from models.neural.sasrec import SASRec
from models.base import TrainingData
from tests.support.examples import example
from tests.support.networks import CONFIG

def job(words):
    weights = SASRec(CONFIG).fit(TrainingData(example(), seed=3)).network.get_weights()
    np.savez(words[0], *weights)
    return 0
"""
    address = str(tmp_path / "socket")
    served = train + "from jobs import cli, warm\ncli.main = job\nwarm.main()\n"
    words = [sys.executable, "-c", served, address]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment("")) as process:
        for _ in range(6000):
            if Path(address).exists():
                break
            time.sleep(0.01)
        assert ask(address, str(tmp_path / "fork.npz")).returncode == 0
        process.kill()
    alone = [sys.executable, "-c", train + "job(sys.argv[1:])", str(tmp_path / "alone.npz")]
    subprocess.run(alone, env=environment(""), check=True)
    with np.load(tmp_path / "fork.npz") as result, np.load(tmp_path / "alone.npz") as expected:
        assert len(expected.files) > 5
        for name in expected.files:
            np.testing.assert_array_equal(result[name], expected[name])
