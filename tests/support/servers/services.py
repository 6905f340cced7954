"""Servers on the loopback for tests: S3 (moto), PostgreSQL and Redis (Debian's packages), each as long as a context."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).resolve().parents[3]
MOTO = ROOT / ".venv-services" / "bin" / "moto_server"
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path("/usr/bin"))
START_SECONDS = 120.0
PASSWORD = "pässword of/the:tests@"  # with all signs that an address would take for its own


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(true: Callable[[], bool], what: str, seconds: float = START_SECONDS, every: float = 0.1) -> None:
    """Waits until it is true, asked every so many seconds; TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(every)


@contextmanager
def process(words: Sequence[str | Path], log: Path, port: int, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on `port`, ended with all that it started."""
    with log.open("ab") as output:
        server = subprocess.Popen(
            [str(word) for word in words], stdout=output, stderr=output, start_new_session=True, **options  # type: ignore[call-overload]
        )  # fmt: skip
    try:
        wait_until(lambda: answers(port) or server.poll() is not None, f"port {port}; see {log}")
        if server.poll() is not None:
            raise RuntimeError(f"{words[0]} ended with {server.returncode}: {log.read_text()[-2000:]}")
        yield server
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def statsd() -> Iterator[tuple[int, set[str]]]:
    """A port that takes StatsD's datagrams, and the names of the metrics that have come."""
    names: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))

        def receive() -> None:
            while True:
                try:
                    content = receiver.recv(1 << 16)
                except OSError:  # closed
                    return
                names.update(line.partition(":")[0] for line in content.decode(errors="replace").splitlines())

        Thread(target=receive, daemon=True).start()
        yield int(receiver.getsockname()[1]), names


@contextmanager
def moto(folder: Path) -> Iterator[int]:
    """An S3 server without objects; gives its port."""
    port = free_port()
    with process([MOTO, "-H", "127.0.0.1", "-p", str(port)], folder / "moto.log", port):
        yield port


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """A PostgreSQL of its own with the role `encore` (PASSWORD) and its databases `encore`, `airflow`; its port."""
    # Beside the folder: pytest shuts those of its tests to other users, and PostgreSQL does not run as root.
    data, port = Path(tempfile.mkdtemp(prefix="encore-postgres-")), free_port()
    owner: dict[str, object] = {}
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        shutil.chown(data, user.pw_uid, user.pw_gid)
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": data}
    secret = data.with_name(f"{data.name}.password")
    secret.touch(mode=0o600)
    if owner:
        shutil.chown(secret, "postgres")
    secret.write_text(PASSWORD)
    init = [POSTGRES / "initdb", "-D", data, "-U", "encore", "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
    subprocess.run([*init, "--no-sync"], check=True, capture_output=True, **owner)  # type: ignore[call-overload]
    secret.unlink()
    try:
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        words = [POSTGRES / "postgres", "-D", data, "-p", str(port), *options]
        with process(words, folder / "postgres.log", port, **owner):
            environment = {**os.environ, "PGPASSWORD": PASSWORD}
            for name in ("encore", "airflow"):
                create = [POSTGRES / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "encore", name]
                wait_until(
                    lambda words=create: not subprocess.run(words, env=environment, capture_output=True).returncode,  # type: ignore[misc]
                    f"database {name}; see {folder / 'postgres.log'}",
                )
            yield port
    finally:
        shutil.rmtree(data)


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """A Redis that keeps nothing; its port."""
    port = free_port()
    words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    with process(words, folder / "redis.log", port):
        yield port
