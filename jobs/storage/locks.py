"""Locks of a domain: one publication at a time, as two at once would leave a night made of both; and on an object store
one import at a time that gets its numbers."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table
from sqlalchemy.exc import DBAPIError

from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.catalog_loading import open_catalog
from jobs.storage.commits import retry
from jobs.storage.files import create_folder, delete_folder, filesystem

NAMESPACE = "encore_locks"
IMPORTS = "encore_import_locks"
FOLDERS = {NAMESPACE: "locks", IMPORTS: "import_locks"}
RENEWED, LEASE, POLL = 20.0, 120.0, 1.0  # seconds
SCHEMA = pa.schema([("held", pa.bool_())])
log = logging.getLogger(__name__)


class LostLockError(Exception):
    """Another process has taken the domain over, because this one gave no sign of life. A fault: it is tried again."""


@contextmanager
def alone(tables: Tables, domain: str) -> Iterator[Callable[[], None]]:
    """Waits until no other process changes the domain's tables.

    Yields what every commit through `tables` calls first meanwhile: it raises LostLockError once another process has
    taken over. Here the lock is one of the file system, which ends with the process; on an object store the catalog's.
    """
    fs, _ = filesystem(tables.warehouse)
    if isinstance(fs, arrow_fs.LocalFileSystem):
        with _file_lock(f"{tables.warehouse}/runs/{domain}", domain):
            yield lambda: None
        return
    with CatalogLock(tables.catalog, tables.warehouse, domain) as lock:
        tables.before_commit = lock.require
        try:
            yield lock.require
        finally:
            tables.before_commit = lambda: None


@contextmanager
def hold_numbers(settings: Settings, domain: str) -> Iterator[Callable[[], None]]:
    """Waits until no other process gives numbers to deliveries of the domain; for landing on an object store.

    Yields what raises LostLockError once another process has taken over.
    """
    create_folder(settings.warehouse)
    with CatalogLock(open_catalog(settings.warehouse, settings.catalog), settings.warehouse, domain, IMPORTS) as lock:
        yield lock.require


@contextmanager
def _file_lock(folder: str, domain: str) -> Iterator[None]:
    create_folder(folder)
    handle = os.open(filesystem(folder)[1], os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another run of %s publishes; waits for it", domain)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class CatalogLock:
    """A lock that any Iceberg catalog can hold: to create a table succeeds for one process alone.

    Its tables are `<namespace>.<domain>_<n>`; whoever created the one with the highest n holds the lock until that
    says `released`. Its process renews a property every RENEWED seconds. Where a waiting process sees the table
    released, or unchanged for LEASE seconds by its own clock, it tries to create n + 1 and drops the lower ones. No
    clocks are compared and no n comes twice, so one that was taken over learns it before its next commit. One that was
    on its way then is what a killed publication leaves: no reader sees it, and the next publication undoes it.
    """

    def __init__(self, catalog: Catalog, warehouse: str, domain: str, namespace: str = NAMESPACE) -> None:
        self._catalog, self._domain, self._namespace = catalog, domain, namespace
        self._folder = f"{warehouse}/{FOLDERS[namespace]}"
        self._number = 0
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> "CatalogLock":
        """Waits for the lock, and takes it."""
        retry(DBAPIError)(self._catalog.create_namespace_if_not_exists, self._namespace)  # others may be making it
        seen, since = "", time.monotonic()
        while not self._number:
            highest = self._highest()
            state = self._state(highest)
            if state and not seen:
                log.info("another process has the lock of %s; waits for it", self._domain)
            if state != seen:
                seen, since = state, time.monotonic()
            if state and time.monotonic() - since <= LEASE:
                time.sleep(POLL)
                continue
            if state:
                log.warning("the process with the lock of %s gave no sign of life for %.0f s", self._domain, LEASE)
            self._try(highest + 1)
        self._renewing.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the lock back."""
        self._done.set()
        self._renewing.join()
        with suppress(NoSuchTableError):  # another process took over
            self._say("released")

    def require(self) -> None:
        """LostLockError where another process holds the lock."""
        if self._highest() != self._number:
            raise LostLockError(
                f"another process has taken over the lock of {self._domain}, as this one gave no sign of life for "
                f"{LEASE:.0f} s; try again when that one has ended"
            )

    def _try(self, number: int) -> None:
        """Takes the lock as `number`, if nobody else has taken that or a higher one meanwhile."""
        name, location = self._name(number), f"{self._folder}/{self._domain}_{number}"
        try:
            self._catalog.create_table(name, SCHEMA, location)
        except TableAlreadyExistsError:
            return
        if self._highest() != number:
            self._drop(number)
            return
        self._number = number
        for old in [old for old in self._numbers() if old < number]:
            self._drop(old)

    def _renew(self) -> None:
        while not self._done.wait(RENEWED):
            try:
                self._say("renewed")
            except Exception as error:  # the next may succeed; if none does, another takes over and `require` says so
                log.warning("the lock of %s could not be renewed: %s", self._domain, error)

    def _say(self, word: str) -> None:
        with self._table(self._number).transaction() as transaction:
            transaction.set_properties({word: str(time.time_ns())})

    def _numbers(self) -> list[int]:
        names = [name[-1].rpartition("_") for name in self._catalog.list_tables(self._namespace)]
        return sorted(int(number) for domain, _, number in names if domain == self._domain)

    def _highest(self) -> int:
        return max(self._numbers(), default=0)

    def _state(self, number: int) -> str:
        """What changes with every renewal; empty where the lock is free."""
        try:
            table = self._table(number)
        except NoSuchTableError:
            return ""
        return "" if "released" in table.properties else str(table.metadata_location)

    def _table(self, number: int) -> Table:
        return self._catalog.load_table(self._name(number))

    def _name(self, number: int) -> str:
        return f"{self._namespace}.{self._domain}_{number}"

    def _drop(self, number: int) -> None:
        with suppress(NoSuchTableError):
            self._catalog.drop_table(self._name(number))
        delete_folder(f"{self._folder}/{self._domain}_{number}")
