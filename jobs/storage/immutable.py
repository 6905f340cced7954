"""An Arrow file system for DuckDB, of files that are never rewritten: what was asked once is not asked again.

DuckDB asks for size and time of each file before each use of it, and opens it anew for each query. Of a store that is a
request each time: publishing a small night asked for 1,596 heads of objects, and asks for 148.
"""

import io
from typing import Any

from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import fs as arrow_fs

SMALL = 1 << 20  # bytes of a file that is read whole and kept
KEPT = 1 << 26  # bytes that are kept at most


class ImmutableFiles(ArrowFSWrapper):  # type: ignore[misc]
    """A read-only file system with a cache of information about files, and of small files."""

    cachable = False  # one for each connection, which ends with it

    def __init__(self, fs: arrow_fs.FileSystem, scheme: str) -> None:
        super().__init__(fs, skip_instance_cache=True)
        self.scheme = scheme
        self._known: dict[str, dict[str, Any]] = {}
        self._contents: dict[str, bytes] = {}
        self._kept = 0

    @property
    def protocol(self) -> str:
        """The scheme of the addresses, which Arrow's own name of a file system need not be."""
        return self.scheme

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Name, size, type and time of a file; FileNotFoundError where there is none."""
        if path not in self._known:
            self._known[path] = super().info(path, **kwargs)
        return self._known[path]

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is such a file."""
        try:
            return bool(self.info(path)["type"] == "file")
        except FileNotFoundError:
            return False

    def isfile(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.exists(path)

    def modified(self, path: str) -> Any:
        """When the file was written."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if mode != "rb":
            raise PermissionError(f"{path}: these files are only read")
        size = self.info(path)["size"]
        if path not in self._contents:
            file = super()._open(path, mode)
            if size > SMALL or self._kept + size > KEPT:
                return file
            with file:
                self._contents[path] = file.read()
            self._kept += size
        return io.BytesIO(self._contents[path])
