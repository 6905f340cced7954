"""The fork server that a worker of Airflow keeps: found by what it was started from, started by the first task.

Its socket lies in a folder of this user's, and is called after the code, the lock file, the interpreter and what of the
environment Keras and its libraries read when they are imported. A change of any of these asks for another server; the
one of before ends once it has been idle. The task that starts a server does not wait for it: it runs itself.
"""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.settings import ROOT, VARIABLES

IDLE_SECONDS = 600.0
MEMORY_MIB = 2048.0  # of the server itself, which holds 0.6 GiB of imports; a job is a process of its own
PACKAGES = ("schemas", "models", "jobs")
LOCK = ROOT / "docker" / "jobs.lock"
# Read when Keras, NumPy or Numba are imported, or before.
READ_AT_IMPORT = ("KERAS_", "TF_", "XLA_", "JAX_", "CUDA_", "OMP_", "OPENBLAS_", "MKL_", "NUMBA_", "LD_", "PYTHON")


def address() -> str | None:
    """The socket of this worker's server; None where there is none yet: then it has been started, unless it was before.

    Also None on another system than Linux, and where the folder is not this user's alone.
    """
    folder = place()
    if folder is None or not hasattr(os, "pidfd_open"):
        return None
    socket = folder / f"{installation()}-{stamp()}"
    with socket.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # held by the server as long as it lives
            return str(socket) if socket.exists() else None
        socket.unlink(missing_ok=True)  # of one that was killed
        start(socket, lock.fileno())
    return None


def start(socket: Path, lock: int) -> None:
    """Starts a server that lives on its own and holds the lock."""
    limits = ["--idle", str(IDLE_SECONDS), "--memory", str(MEMORY_MIB)]
    with socket.with_suffix(".log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jobs.warm", str(socket), *limits],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,), cwd="/",
        )  # fmt: skip
    socket.with_suffix(".pid").write_text(str(server.pid))
    server.returncode = 0  # nobody here waits for it


def stop() -> None:
    """Ends every server of this user and this copy of Encore."""
    for file in (place() or Path("/nowhere")).glob(f"{installation()}-*.pid"):
        with file.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # it lives, so the number is its
                with suppress(ProcessLookupError):
                    os.kill(int(file.read_text()), signal.SIGTERM)
        for name in (file, file.with_suffix("")):  # the socket too, if it was left
            name.unlink(missing_ok=True)


def place() -> Path | None:
    """The folder of this user's servers, which nobody else may enter; None where somebody else made it."""
    folder = Path(tempfile.gettempdir()) / f"encore-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    return folder if about.st_uid == os.getuid() and about.st_mode & 0o170077 == 0o040000 else None


def installation() -> str:
    """Eight digits for this copy of Encore."""
    return hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]


def stamp() -> str:
    """Sixteen digits for what a server has in it: another text where another is needed."""
    digest = hashlib.sha256()
    for file in files():
        about = file.stat()
        digest.update(f"{file} {about.st_mtime_ns} {about.st_size}\n".encode())
    for name, value in sorted(os.environ.items()):
        if name.startswith(READ_AT_IMPORT):
            digest.update(f"{name}={value}\n".encode())
    digest.update(sys.executable.encode())
    return digest.hexdigest()[:16]


def files() -> Iterator[Path]:
    """What servers are started from: Encore's modules, the lock file, and the settings of the deployment."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))
    yield from (file for file in (LOCK, Path(os.environ.get(VARIABLES["config"]) or "/nowhere")) if file.exists())


if __name__ == "__main__":
    stop()
