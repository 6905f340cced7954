"""Runs jobs in forks of a process that has imported what they need.

A night has some thirty jobs a domain. Starting Python and importing takes two seconds for most of them and five for
those of Keras, longer than many of them compute. `encore nightly` keeps a server beside the night and names its socket
in ENCORE_FORKSERVER; `encore JOB` then only passes on its words, environment, folder and streams, forwards signals and
waits for the exit code. Where there is no server it runs the job itself.
"""

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

from jobs.errors import DONE, FAULT

SOCKET = "ENCORE_FORKSERVER"
STREAMS = (0, 1, 2)
HEAD = 4  # bytes that give the length of a request
KILLED = 128  # added to the number of the signal that ended a job, as shells do
FORWARDED = (signal.SIGTERM, signal.SIGINT)
STOP_SECONDS = 10


@contextmanager
def running(log: IO[bytes]) -> Iterator[dict[str, str]]:
    """A server as long as the context; gives the environment by which commands find it, empty where none can be.

    log: where it says what there is to say.
    """
    if not hasattr(os, "pidfd_open"):  # not Linux
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="encore-") as folder:  # nobody else may enter it
        address = str(Path(folder) / "socket")
        words = [sys.executable, "-c", "from jobs import forkserver; forkserver.main()", address]
        server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
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


def delegated(words: Sequence[str]) -> int | None:
    """The exit code of `encore WORDS` as a server ran it, or None: there is no server."""
    address = os.environ.get(SOCKET)
    if not address:
        return None
    with socket.socket(socket.AF_UNIX) as server:
        request = json.dumps({"words": [*words], "folder": str(Path.cwd()), "environment": dict(os.environ)}).encode()
        try:
            server.connect(address)
            socket.send_fds(server, [len(request).to_bytes(HEAD, "big")], STREAMS)
            server.sendall(request)
        except OSError:  # it is not yet there, or gone, and a request that it has not read whole has begun nothing
            return None
        before = {n: signal.signal(n, lambda number, _: server.sendall(bytes([number]))) for n in FORWARDED}
        answer = server.recv(1)
        for number, handler in before.items():
            signal.signal(number, handler)
    return answer[0] if answer else FAULT


def main() -> NoReturn:
    """The server: imports, forks for each request, ends with its standard input."""
    preload()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1] + ".part")
        listener.listen()
        Path(sys.argv[1] + ".part").rename(sys.argv[1])
        words = Server(listener).run()
    if words is None:
        sys.exit(DONE)
    end(words)


def end(words: list[str]) -> NoReturn:
    """Runs `encore WORDS` as the last that this process does. It does not take down what it has imported, which would
    take two seconds."""
    from jobs import cli

    sys.argv = ["encore", *words]
    try:
        code = cli.main(words)
    except SystemExit as asked:  # argparse: what was wrong is said
        code = asked.code if isinstance(asked.code, int) else FAULT
    except BaseException:
        traceback.print_exc()
        code = FAULT
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def preload() -> None:
    """Imports what jobs import.

    Keras only where forks can use it: on TensorFlow, which starts its threads when it first computes, and not beside a
    GPU, whose driver outlives no fork.
    """
    from jobs import cli
    from models.registry import REGISTRY
    from schemas.names import NEURAL

    for module, _ in cli.NIGHT.values():
        import_module(module)
    import_module("jobs.storage.catalog")
    keras = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow" and not Path("/dev/nvidiactl").exists()
    for name in REGISTRY:
        if keras or name not in NEURAL:
            REGISTRY[name]
    if keras:
        import_module("models.neural.review_sentiment")
    import_module("duckdb").close()  # its default connection, whose thread no fork has


class Server:
    """Waits for requests, for the end of jobs and for signals to them. connections: by the pid of the job."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.connections: dict[int, socket.socket] = {}

    def run(self) -> list[str] | None:
        """In the server None when standard input has ended; in a fork the words that it is to run."""
        self.selector.register(0, selectors.EVENT_READ)
        self.selector.register(self.listener, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj == 0:
                    for pid in self.connections:
                        _signal(pid, signal.SIGTERM)
                    return None
                if key.fileobj is self.listener:
                    if words := self._begin(self.listener.accept()[0]):
                        return words
                elif isinstance(key.fileobj, socket.socket):
                    self._forward(key.fileobj, key.data)
                else:
                    self._end(key.fd, key.data)

    def _begin(self, connection: socket.socket) -> list[str] | None:
        """Forks for a request; returns its words in the fork. A request that is not whole gets no answer."""
        streams: list[int] = []
        try:
            head, streams, *_ = socket.recv_fds(connection, HEAD, len(STREAMS))
            with connection.makefile("rb") as file:
                request = json.loads(file.read(int.from_bytes(head, "big")))
            if len(streams) < len(STREAMS):
                raise ValueError(f"{len(streams)} of {len(STREAMS)} streams")
            pid = os.fork()
        except (OSError, ValueError) as fault:  # who asked has died over it, or there are too many processes
            print(f"a request was dropped: {fault!r}", file=sys.stderr, flush=True)
            pid = None
        if pid == 0:
            connection.close()
            self._become(request, streams)
            return [*request["words"]]
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
        """Makes a fork what the asking process is, in a group of its own: signals to the job are for all it starts."""
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

    def _forward(self, connection: socket.socket, pid: int) -> None:
        """Forwards a signal; one who asked and is gone wants the job no more."""
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
        """Tells the exit code to who asked."""
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection = self.connections.pop(pid)
        with suppress(OSError):
            connection.send(bytes([code if code >= 0 else KILLED - code]))
        with suppress(KeyError):
            self.selector.unregister(connection)
        self.selector.unregister(pidfd)
        os.close(pidfd)
        connection.close()


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
