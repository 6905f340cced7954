"""The files of Iceberg tables on an object store, for PyIceberg: through the file system of all other parts, and with
the cache of small files.

PyIceberg's own way asks whether a file is there before it writes it, writes each in the three requests of an upload in
parts, and reads metadata and manifests anew at every look at a table.
"""

import io
from typing import Any

import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from jobs.storage.immutable import SMALL, small_files
from jobs.storage.object_store import s3, s3_properties

CACHED = ("s3://", "gs://")


class IcebergFiles(PyArrowFileIO):  # type: ignore[misc]  # PyIceberg is not typed through
    """PyIceberg's access to files, which `py-io-impl` of a catalog names."""

    def _initialize_s3_fs(self, netloc: str | None) -> arrow_fs.FileSystem:
        """This process's own, unless [catalog] or the catalog gives other settings, as credentials of a table."""
        given = {name: value for name, value in self.properties.items() if name.startswith("s3.")}
        return s3() if given == s3_properties() else super()._initialize_s3_fs(netloc)

    def new_input(self, location: str) -> PyArrowFile:
        """A file to read."""
        return _cache(super().new_input(location))

    def new_output(self, location: str) -> PyArrowFile:
        """A file to write."""
        return _cache(super().new_output(location))


def _cache(file: PyArrowFile) -> PyArrowFile:
    if not file.location.startswith(CACHED):
        return file
    return IcebergFile(file.location, file._path, file._filesystem, file._buffer_size)


class IcebergFile(PyArrowFile):  # type: ignore[misc]
    """A file of a table: written once, under a name that holds a UUID."""

    def __len__(self) -> int:
        """Bytes of the file."""
        return small_files().size(self._path, super().open)

    def open(self, seekable: bool = True) -> pa.NativeFile:
        """Opens the file; FileNotFoundError where there is none."""
        return small_files().open(self._path, super().open)

    def create(self, overwrite: bool = False) -> "WrittenFile":
        """Opens the file for writing, without asking whether there is one of this name."""
        return WrittenFile(super().create(overwrite=True), self._path)


class WrittenFile(io.RawIOBase):
    """A file that is written to the store, and kept where it is small."""

    def __init__(self, stream: pa.NativeFile, path: str) -> None:
        self._stream, self._path = stream, path
        self._content = bytearray()
        self._small = True

    def writable(self) -> bool:
        """Whether one may write."""
        return True

    def write(self, content: Any) -> int:
        """Writes bytes; returns how many."""
        if self._small:
            self._content += content
            self._small = len(self._content) <= SMALL
        self._stream.write(content)
        return len(content)

    def close(self) -> None:
        """Ends the file, which the store shows from now on."""
        if self.closed:
            return
        super().close()
        self._stream.close()
        if self._small:
            small_files().keep(self._path, bytes(self._content))
