"""Cache of small files that are never rewritten: what was read once in this process, or written by it, is not asked for
again.

On an object store a look at a file is a request. PyIceberg reads a table's metadata and manifests at every look at the
table, and DuckDB asks for size and time of each file before each use of it. Not for landed files: an erasure rewrites
these in place.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import Any

import pyarrow as pa
from fsspec.implementations.arrow import ArrowFile, ArrowFSWrapper
from pyarrow import fs as arrow_fs

from jobs.storage.object_store import ObjectStore, object_store

SMALL = 1 << 20  # bytes of a file that is read whole and kept
KEPT = 1 << 26  # bytes that are kept at most; those that were used longest ago go first
WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)  # of every file, as none changes


class SmallFiles:
    """Contents of small files by path, and the sizes of all files that were opened. Threads may share it."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def open(self, path: str, open_file: Callable[[], pa.NativeFile]) -> pa.NativeFile:
        """The file at `path`, which `open_file` opens where it is not kept."""
        with self._lock:
            content = self._contents.get(path)
            if content is not None:
                self._contents.move_to_end(path)
        if content is None:
            file = open_file()
            if (size := file.size()) > SMALL:
                self._sizes[path] = size
                return file
            with file:
                content = file.read()
            self.keep(path, content)
        return pa.BufferReader(content)

    def size(self, path: str, open_file: Callable[[], pa.NativeFile]) -> int:
        """Bytes of the file at `path`; where that is not known, the file is opened."""
        if path not in self._sizes:
            self.open(path, open_file).close()
        return self._sizes[path]

    def keep(self, path: str, content: bytes) -> None:
        """Keeps the content of a file."""
        with self._lock:
            self._bytes += len(content) - len(self._contents.get(path, b""))
            self._contents[path] = content
            self._sizes[path] = len(content)
            while self._bytes > KEPT:
                _, oldest = self._contents.popitem(last=False)
                self._bytes -= len(oldest)


def small_files() -> SmallFiles:
    """The cache of this process for the object store that the environment names."""
    return _small_files(object_store(), os.getpid())


@lru_cache(maxsize=4)
def _small_files(store: ObjectStore, pid: int) -> SmallFiles:
    return SmallFiles()


class ImmutableFiles(ArrowFSWrapper):  # type: ignore[misc]
    """An Arrow file system for DuckDB, read-only, through the cache."""

    cachable = False  # one for each connection, which ends with it

    def __init__(self, fs: arrow_fs.FileSystem, scheme: str, files: SmallFiles) -> None:
        super().__init__(fs, skip_instance_cache=True)
        self.scheme = scheme
        self._files = files

    @property
    def protocol(self) -> str:
        """The scheme of the addresses, which Arrow's own name of a file system need not be."""
        return self.scheme

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Name, size, type and time of a file; FileNotFoundError where there is none."""
        path = self._strip_protocol(path)
        size = self._files.size(path, lambda: self.fs.open_input_file(path))
        return {"name": path, "size": size, "type": "file", "mtime": WRITTEN}

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is such a file."""
        try:
            return bool(self.info(path))
        except FileNotFoundError:
            return False

    def isfile(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.exists(path)

    def modified(self, path: str) -> datetime:
        """The same time for every file."""
        return WRITTEN

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> ArrowFile:
        if mode != "rb":
            raise PermissionError(f"{path}: these files are only read")
        path = self._strip_protocol(path)
        return ArrowFile(self, self._files.open(path, lambda: self.fs.open_input_file(path)), path, mode)
