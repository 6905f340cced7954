"""Program of the fork server: `python -m jobs.warm SOCKET` imports what jobs need, then forks for each request.

It ends, with its jobs, when its standard input does. With `--idle SECONDS --memory MIB` it belongs to no process, as
that of a worker: it ends when for so long nobody has asked and no job runs, or when it has taken more memory itself,
once its jobs have ended. `jobs/forkserver.py` and `jobs/worker_server.py` start it and speak to it.
"""

import argparse
import atexit
import gc
import json
import math
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from jobs import cli, output
from jobs.backend import set_up_keras
from jobs.commands import JOBS
from jobs.errors import DONE, FAULT, InputError
from jobs.forkserver import ANSWER, LENGTH_BYTES, SOCKET, STREAMS
from jobs.output import complain, show_error
from jobs.settings import load
from schemas.names import GPU_DEVICE

KILLED = 128  # added to the number of the signal that ended a job, as shells do


def main() -> NoReturn:
    """Imports, forks for each request, ends as its arguments say."""
    parser = argparse.ArgumentParser(prog="python -m jobs.warm", description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("--idle", type=float, help="seconds without a job after which it ends")
    parser.add_argument("--memory", type=float, default=math.inf, help="MiB above which it ends")
    args = parser.parse_args()
    output.prepare()
    with suppress(InputError):  # which each job says itself
        set_up_keras(load())
    preload()
    gc.freeze()  # the forks' collections of garbage do not copy what was imported
    with socket.socket(socket.AF_UNIX) as listener:
        part = Path(args.socket + ".part")
        part.unlink(missing_ok=True)
        listener.bind(str(part))
        listener.listen()
        part.rename(args.socket)
        argv = Server(listener, args.idle, args.memory).run()
    if argv is None:
        sys.exit(DONE)
    end(argv)


def end(argv: list[str]) -> NoReturn:
    """Runs `encore ARGV`, then ends this process. It does not take down what it has imported, which would
    take two seconds."""
    sys.argv = ["encore", *argv]
    try:
        code = cli.main(argv)
    except SystemExit as exit:  # argparse has printed what was wrong
        code = exit.code if isinstance(exit.code, int) else FAULT
    except BaseException:
        show_error()
        code = FAULT
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def preload() -> None:
    """Imports what jobs import, Keras only where forks can use it."""
    from models.registry import REGISTRY
    from schemas.names import NEURAL

    keras = keras_survives_fork()
    for job in JOBS:
        if keras or not job.keras:
            import_module(job.module)
    import_module("jobs.storage.catalog")
    for name in REGISTRY:
        if keras or name not in NEURAL:
            REGISTRY[name]
    import_module("duckdb").close()  # its default connection, whose thread no fork has


def keras_survives_fork() -> bool:
    """Whether a fork can use a Keras that was imported before it: on TensorFlow, which starts its threads when it first
    computes, and not beside a GPU, whose driver outlives no fork."""
    return os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow" and not GPU_DEVICE.exists()


class Server:
    """Waits for requests, for the end of jobs and for signals to them. connections: by the pid of the job.

    idle: seconds without a job after which it ends; None: it ends with its standard input. memory: MiB above which it
    takes no more requests.
    """

    def __init__(self, listener: socket.socket, idle: float | None = None, memory: float = math.inf) -> None:
        self.listener, self.idle, self.memory = listener, idle, memory
        self.selector = selectors.DefaultSelector()
        self.connections: dict[int, socket.socket] = {}

    def run(self) -> list[str] | None:
        """In the server None when it is to end; in a fork the arguments of the job that it is to run."""
        if self.idle is None:
            self.selector.register(0, selectors.EVENT_READ)
        self.selector.register(self.listener, selectors.EVENT_READ)
        while True:
            events = self.selector.select(None if self.connections else self.idle)
            if self.idle is not None and not self.connections and (not events or resident_mib() > self.memory):
                return self._last()
            for key, _ in events:
                if key.fileobj == 0:
                    for pid in self.connections:
                        _signal(pid, signal.SIGTERM)
                    return None
                if key.fileobj is self.listener:
                    if argv := self._begin(self.listener.accept()[0]):
                        return argv
                elif isinstance(key.fileobj, socket.socket):
                    self._forward(key.fileobj, key.data)
                else:
                    self._end(key.fd, key.data)

    def _last(self) -> list[str] | None:
        """Runs what has asked before the socket's name was gone, then ends."""
        Path(self.listener.getsockname().removesuffix(".part")).unlink(missing_ok=True)
        self.listener.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                if argv := self._begin(self.listener.accept()[0]):
                    return argv
        self.idle = 0.0
        self.selector.unregister(self.listener)
        while self.connections:
            for key, _ in self.selector.select():
                if isinstance(key.fileobj, socket.socket):
                    self._forward(key.fileobj, key.data)
                else:
                    self._end(key.fd, key.data)
        return None

    def _begin(self, connection: socket.socket) -> list[str] | None:
        """Forks for a request; returns its arguments in the fork. A request that is not whole gets no answer."""
        streams: list[int] = []
        try:
            head, streams, *_ = socket.recv_fds(connection, LENGTH_BYTES, len(STREAMS))
            with connection.makefile("rb") as file:
                request = json.loads(file.read(int.from_bytes(head, "big")))
            if len(streams) < len(STREAMS):
                raise ValueError(f"{len(streams)} of {len(STREAMS)} streams")
            pid = os.fork()
        except (OSError, ValueError) as fault:  # the client has died over it, or there are too many processes
            complain(f"a request was dropped: {fault!r}")
            pid = None
        if pid == 0:
            connection.close()
            self._become(request, streams)
            return [*request["argv"]]
        for stream in streams:
            os.close(stream)
        if pid is None:
            connection.close()
            return None
        os.setpgid(pid, pid)  # the fork does it as well: whoever is first, no signal comes before its group
        self.connections[pid] = connection
        self.selector.register(connection, selectors.EVENT_READ, pid)
        self.selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
        return None

    def _become(self, request: dict[str, Any], streams: list[int]) -> None:
        """Makes a fork what its client is, in a group of its own: signals to the job are for all it starts."""
        os.setpgid(0, 0)
        pidfds = [key.fd for key in self.selector.get_map().values() if isinstance(key.fileobj, int) and key.fd]
        self.selector.close()
        for connection in (self.listener, *self.connections.values()):
            connection.close()
        for own, given in zip(STREAMS, streams, strict=True):
            os.dup2(given, own)
        for descriptor in (*streams, *pidfds):
            os.close(descriptor)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update({name: value for name, value in request["environment"].items() if name != SOCKET})
        time.tzset()
        os.umask(request.get("umask", 0o077))
        with suppress(PermissionError):  # a user may only become nicer
            os.setpriority(os.PRIO_PROCESS, 0, request.get("nice", 0))

    def _forward(self, connection: socket.socket, pid: int) -> None:
        """Forwards a signal; a client that is gone wants the job no more."""
        if pid not in self.connections:  # it has ended in this very moment
            return
        try:
            number = connection.recv(1)
        except ConnectionError:
            number = b""
        _signal(pid, number[0] if number else signal.SIGTERM)
        if not number:
            self.selector.unregister(connection)

    def _end(self, pidfd: int, pid: int) -> None:
        """Sends the client how the job ended."""
        _, status, usage = os.wait4(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        connection = self.connections.pop(pid)
        with suppress(OSError):
            connection.send(ANSWER.pack(code if code >= 0 else KILLED - code, max(-code, 0), usage.ru_maxrss))
        with suppress(KeyError):
            self.selector.unregister(connection)
        self.selector.unregister(pidfd)
        os.close(pidfd)
        connection.close()


def resident_mib() -> float:
    """Memory of this process that is in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    main()
