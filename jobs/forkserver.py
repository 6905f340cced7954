"""Client of the fork server: jobs run in forks of a process that has imported what they need.

A night has some thirty jobs a domain. Starting Python and importing takes two seconds for most of them and five for
those of Keras, longer than many of them compute. `encore nightly` keeps a server (`jobs/warm.py`) beside the night and
names its socket in ENCORE_FORKSERVER; tasks of a scheduler have `worker` there, which stands for a server that the
worker keeps (`jobs/worker_server.py`). `encore JOB` then only sends its arguments, environment, folder and streams,
forwards signals and waits for the exit code. Where there is no server, or ENCORE_FORKSERVER is `off`, it runs the job
itself. docs/processes.md follows a request on its way.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jobs.errors import FAULT
from jobs.output import complain
from schemas.names import explain_end

SOCKET = "ENCORE_FORKSERVER"
OFF = "off"  # its value where no server is wanted
WORKER = "worker"  # where it is the one that this machine's worker keeps
STREAMS = (0, 1, 2)
ANSWER = struct.Struct(">BBQ")  # exit code, the signal that ended the job or 0, its peak memory in KiB
LENGTH_BYTES = 4  # in front of a request: its length, the most significant byte first
FORWARDED = (signal.SIGTERM, signal.SIGINT)
STOP_SECONDS = 10


@contextmanager
def running(log: IO[bytes]) -> Iterator[dict[str, str]]:
    """Runs a fork server within the context; yields the environment by which commands find it, empty without one.

    log: where it writes what it prints.
    """
    if os.environ.get(SOCKET) == OFF or not hasattr(os, "pidfd_open"):  # not wanted, or not Linux
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="encore-") as folder:  # nobody else may enter it
        address = str(Path(folder) / "socket")
        program = [sys.executable, "-m", "jobs.warm", address]
        server = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        try:
            yield {SOCKET: address}
        finally:
            if Path(address).exists():
                assert server.stdin is not None
                server.stdin.close()  # which ends it, and its jobs
                with suppress(subprocess.TimeoutExpired):
                    server.wait(STOP_SECONDS)
            server.kill()  # it hears nothing while it imports
            server.wait()


def delegate(argv: Sequence[str]) -> int | None:
    """Has the server run `encore ARGV`; returns its exit code, None where there is no server."""
    address = os.environ.get(SOCKET)
    if not address or address == OFF:
        return None
    if address == WORKER:
        from jobs import worker_server  # which other commands do without

        if (address := worker_server.address()) is None:
            return None
    with socket.socket(socket.AF_UNIX) as server:
        request: dict[str, Any] = {"argv": [*argv], "folder": str(Path.cwd()), "environment": dict(os.environ)}
        request |= {"umask": umask(), "nice": os.getpriority(os.PRIO_PROCESS, 0)}
        text = json.dumps(request).encode()
        try:
            server.connect(address)
            socket.send_fds(server, [len(text).to_bytes(LENGTH_BYTES, "big")], STREAMS)
            server.sendall(text)
        except OSError:  # it is not yet there, or gone, and a request that it has not read whole has begun nothing
            return None
        before = {n: signal.signal(n, lambda number, _: server.sendall(bytes([number]))) for n in FORWARDED}
        with server.makefile("rb") as answers:
            answer = answers.read(ANSWER.size)
        for number, handler in before.items():
            signal.signal(number, handler)
    if len(answer) < ANSWER.size:
        complain(f"error: {argv[0]}: the fork server is gone")
        return FAULT
    code, ending, peak_kib = ANSWER.unpack(answer)
    if ending:
        complain(f"error: {argv[0]}: {explain_end(ending, peak_kib / 1024)}")
    return int(code)


def umask() -> int:
    """That of this process; the system tells it only to who sets it."""
    os.umask(value := os.umask(0o077))
    return value
