"""One publication of a domain at a time: two at once would leave a night made of both."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import fs as arrow_fs

from jobs.storage.files import create_folder, filesystem

log = logging.getLogger(__name__)


@contextmanager
def alone(warehouse: str, domain: str) -> Iterator[None]:
    """Waits until no other process changes the domain's tables; the lock ends with the process.

    An object store has no locks: there it is the scheduler that starts a night when the one before has ended.
    """
    folder = f"{warehouse}/runs/{domain}"
    fs, path = filesystem(folder)
    if not isinstance(fs, arrow_fs.LocalFileSystem):
        yield
        return
    create_folder(folder)
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another run of %s publishes; waits for it", domain)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
