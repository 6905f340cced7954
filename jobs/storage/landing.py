"""The landing folder: what has been imported and waits for a night.

<landing>/<domain>/<ds>/<batch>/batch.json            what is in the batch; a batch without it does not exist
                               /<table>/<n>.parquet   rows in the landing format (schemas/landing.py)
<landing>/.aside/<domain>-<ds>-<batch>/               a batch on its way, renamed when it is whole

An object store cannot rename: there a batch is written in its place.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.storage import files

ROWS_PER_FILE = 1_000_000


@dataclass(frozen=True)
class Landed:
    """One imported file: where it stood, what it was, and the Parquet files that hold its rows."""

    path: str
    checksum: str
    table: str
    rows: int
    data: tuple[str, ...]


def landed(landing: str, domain: str, ds: str) -> list[Landed]:
    """All files imported for a domain for nights up to `ds`, oldest night first."""
    nights = [night for night in files.folders(f"{landing}/{domain}") if night <= ds]
    batches = [f"{landing}/{domain}/{n}/{b}" for n in nights for b in files.folders(f"{landing}/{domain}/{n}")]
    return [file for batch in batches for file in _read_batch(batch)]


def _read_batch(batch: str) -> list[Landed]:
    content = files.read_bytes(f"{batch}/batch.json")
    entries = json.loads(content)["files"] if content else []
    return [Landed(**{**entry, "data": tuple(f"{batch}/{name}" for name in entry["data"])}) for entry in entries]


def batch_name(checksums: Mapping[str, str]) -> str:
    """The name of a batch: 16 hexadecimal digits that stand for its files (path → checksum) and nothing else."""
    return hashlib.sha256(json.dumps(sorted(checksums.items())).encode()).hexdigest()[:16]


def batch_facts(address: str) -> dict[str, Any] | None:
    """The content of a batch's `batch.json`; None where there is no such batch."""
    content = files.read_bytes(f"{address}/batch.json")
    return dict(json.loads(content)) if content else None


class Batch:
    """A batch being written. `landed` sees it whole once `new_batch` ends well, and nothing of it before."""

    def __init__(self, folder: str) -> None:
        """`folder` is where its files are written."""
        self.folder = folder
        self.files: list[Landed] = []
        self._written: dict[str, int] = {}

    def add(self, path: str, checksum: str, table: str, rows: Iterable[pa.RecordBatch]) -> Landed:
        """Writes the rows of one file as Parquet files of about ROWS_PER_FILE rows."""
        data: list[str] = []
        count = in_file = 0
        writer: pq.ParquetWriter | None = None
        try:
            for block in rows:
                if writer is None:
                    data.append(self._next(table))
                    writer = self._writer(data[-1], block.schema)
                writer.write_batch(block)
                count, in_file = count + block.num_rows, in_file + block.num_rows
                if in_file >= ROWS_PER_FILE:
                    writer.close()
                    writer, in_file = None, 0
        finally:
            if writer is not None:
                writer.close()
        self.files.append(Landed(path, checksum, table, count, tuple(data)))
        return self.files[-1]

    def _next(self, table: str) -> str:
        number = self._written.get(table, 0)
        self._written[table] = number + 1
        files.create_folder(f"{self.folder}/{table}")
        return f"{table}/{number}.parquet"

    def _writer(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        fs, path = files.filesystem(f"{self.folder}/{name}")
        return pq.ParquetWriter(path, schema, filesystem=fs, compression="zstd")


@contextmanager
def new_batch(landing: str, domain: str, ds: str, name: str, facts: Mapping[str, Any]) -> Iterator[Batch]:
    """A batch to fill, which replaces one of the same name; `facts` are kept in its `batch.json` beside the files.

    An error leaves nothing behind, a kill nothing that `landed` sees; the same import run again clears that away.
    InputError where the same batch is being written by another process.
    """
    final = f"{landing}/{domain}/{ds}/{name}"
    fs, _ = files.filesystem(landing)
    local = isinstance(fs, arrow_fs.LocalFileSystem)
    aside = f"{landing}/.aside/{domain}-{ds}-{name}" if local else final
    with _locked(aside) if local else nullcontext():
        if not local:
            _delete(final)
        batch = Batch(aside)
        try:
            yield batch
            _finish(batch, facts)
            if local:
                _delete(final)
                files.rename_folder(aside, final)
        except BaseException:
            _delete(aside)
            raise


def _delete(batch: str) -> None:
    """Removes a batch, first of all what makes it exist."""
    fs, path = files.filesystem(f"{batch}/batch.json")
    if fs.get_file_info(path).type == arrow_fs.FileType.File:
        fs.delete_file(path)
    files.delete_folder(batch)


def _finish(batch: Batch, facts: Mapping[str, Any]) -> None:
    """Writes `batch.json`: last of all, for it makes the batch exist."""
    content = {**facts, "files": [asdict(file) for file in batch.files]}
    files.write_bytes(f"{batch.folder}/batch.json", json.dumps(content, indent=1, ensure_ascii=False).encode())


@contextmanager
def _locked(aside: str) -> Iterator[None]:
    """An empty folder of our own. The lock on it ends with the process, so that a killed import blocks nobody."""
    files.create_folder(aside)
    _, path = files.filesystem(aside)
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fs, _ = files.filesystem(aside)
        fs.delete_dir_contents(path)
        yield
    except BlockingIOError as error:
        raise InputError(f"{path}: another import of the same files is running; wait for it") from error
    finally:
        os.close(handle)
