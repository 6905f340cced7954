"""The landing folder: deliveries that have been imported and wait for a night.

<landing>/<domain>/<ds>/<batch>/batch.json            what is in the import; an import without it does not exist
                               /<table>/<n>.parquet   rows in the landing format (schemas/landing.py)
<landing>/.aside/<domain>-<ds>-<name>/                an import on its way, renamed when it is whole
<landing>/.aside/<domain>.last                        the number of the domain's last delivery

Every imported file is a delivery with a number, counted by domain in the order in which imports end. An object store
can neither rename nor lock: there an import is written in its place, in a folder of its own named after the next number
when it began, and the catalog's lock (jobs/storage/locks.py) is held while it gets its numbers.
"""

import fcntl
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

import pyarrow as pa
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.settings import Settings
from jobs.storage import files
from jobs.storage.deliveries import NUMBERED, Delivery, batch_facts, batches, deliveries, write_facts

ROWS_PER_FILE = 1_000_000
UNLIKE = ("raw", "line", "ts", "text", "description")  # hardly a value twice: a dictionary of them costs and saves none


class Batch:
    """An import being written. `deliveries` sees it whole once `new_batch` ends well, and nothing of it before.

    `address` is where it lies at last.
    """

    def __init__(self, folder: str) -> None:
        """`folder` is where its files are written."""
        self.folder = folder
        self.address = folder
        self.files: list[Delivery] = []
        self._written: dict[str, int] = {}

    def add(self, path: str, checksum: str, table: str, rows: Iterable[pa.RecordBatch], identity: str = "") -> Delivery:
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
        self.files.append(Delivery(path, checksum, table, count, tuple(data), identity=identity))
        return self.files[-1]

    def _next(self, table: str) -> str:
        number = self._written.get(table, 0)
        self._written[table] = number + 1
        files.create_folder(f"{self.folder}/{table}")
        return f"{table}/{number}.parquet"

    def _writer(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        fs, path = files.filesystem(f"{self.folder}/{name}")
        paths = [f"{one.name}.list.element" if pa.types.is_list(one.type) else one.name for one in schema]
        likely = [path for path in paths if path not in UNLIKE]
        return pq.ParquetWriter(path, schema, filesystem=fs, compression="zstd", use_dictionary=likely)

    def number(self, last: int) -> int:
        """Gives its deliveries the numbers behind `last`; returns the highest."""
        self.files = [
            replace(file, number=last + place, batch=last + 1) for place, file in enumerate(self.files, start=1)
        ]
        return last + len(self.files)


def require_landing(settings: Settings) -> None:
    """InputError where the landing folder or the warehouse cannot be; for a landing folder on an object store also
    where this, or the catalog with its lock, does not answer."""
    files.require_folder("ENCORE_WAREHOUSE", settings.warehouse)
    files.require_folder("ENCORE_LANDING", settings.landing)
    if not settings.landing.startswith("file://"):
        import_module("jobs.storage.preflight").require_storage(settings)  # PyIceberg takes a second to import


def lock_numbers(settings: Settings, domain: str) -> AbstractContextManager[Callable[[], None]] | None:
    """The `lock` of `new_batch` for the deployment's landing folder."""
    if settings.landing.startswith("file://"):
        return None
    lock: AbstractContextManager[Callable[[], None]] = import_module("jobs.storage.locks").hold_numbers(
        settings, domain
    )
    return lock


@contextmanager
def new_batch(
    landing: str,
    domain: str,
    ds: str,
    name: str,
    facts: Mapping[str, Any],
    lock: AbstractContextManager[Callable[[], None]] | None = None,
) -> Iterator[Batch]:
    """An import to fill; `facts` are kept in its `batch.json` beside the files, `mode` among them.

    name: hexadecimal digits that stand for its files. lock: for an object store, held while numbers are given; it
    yields what raises once it is lost. An error leaves nothing behind, a kill nothing that `deliveries` sees; on a
    local disk the same import run again clears that away. InputError where the same files are being imported there by
    another process.
    """
    fs, _ = files.filesystem(landing)
    if not isinstance(fs, arrow_fs.LocalFileSystem):
        began = _find_last_number(landing, domain) + 1
        batch = Batch(f"{landing}/{domain}/{ds}/{began:08d}-{name}-{uuid.uuid4().hex[:8]}")
        with _hold_and_clear(batch.folder, nullcontext()):
            yield batch
            with lock or nullcontext(lambda: None) as require:
                last = batch.number(_find_last_number(landing, domain))
                require()
                files.write_bytes(_counter_address(landing, domain), str(last).encode())  # first: a kill leaves a gap
                _finish(batch, facts)
        return
    aside = f"{landing}/.aside/{domain}-{ds}-{name}"
    batch = Batch(aside)
    with _hold_and_clear(aside, _lock(aside)):
        yield batch
        with _counting(landing, domain) as counter:
            first = max(int(counter.read() or 0), _last_number(landing, domain))
            last = batch.number(first)
            _finish(batch, facts)
            batch.address = f"{landing}/{domain}/{ds}/{first + 1:08d}-{name}"
            files.rename_folder(aside, batch.address)
            counter.seek(0)
            counter.write(str(last))
            counter.truncate()


@contextmanager
def _hold_and_clear(folder: str, lock: Any) -> Iterator[None]:
    with lock:
        try:
            yield
        except BaseException:
            _delete(folder)
            raise


def _counter_address(landing: str, domain: str) -> str:
    return f"{landing}/.aside/{domain}.last"


def _find_last_number(landing: str, domain: str) -> int:
    """The last number as it was written down, else the highest of the deliveries that are there; 0 without any."""
    if content := files.read_bytes(_counter_address(landing, domain)):
        return int(content)
    return max((0, *(one.number for one in deliveries(landing, domain))))


def _last_number(landing: str, domain: str) -> int:
    """The highest number of a domain's deliveries; 0 where there are none."""
    names = [(f"{landing}/{domain}/{night}/{name}", NUMBERED.match(name)) for night, name in batches(landing, domain)]
    newest = max((int(match[1]) for _, match in names if match), default=0)
    of_newest = [address for address, match in names if match and int(match[1]) == newest]
    return max(
        (newest - 1 + len((batch_facts(address) or {"files": [0]})["files"]) for address in of_newest), default=0
    )


def _delete(batch: str) -> None:
    """Removes an import, first of all what makes it exist."""
    fs, path = files.filesystem(f"{batch}/batch.json")
    if fs.get_file_info(path).type == arrow_fs.FileType.File:
        fs.delete_file(path)
    files.delete_folder(batch)


def _finish(batch: Batch, facts: Mapping[str, Any]) -> None:
    """Writes `batch.json`: last of all, for it makes the import exist."""
    kept = ("path", "checksum", "table", "rows", "data", "number", "identity")
    entries = [{name: asdict(file)[name] for name in kept} for file in batch.files]
    first = batch.files[0].batch if batch.files else 0
    write_facts(batch.folder, {**facts, "batch": first, "files": entries})


@contextmanager
def _lock(aside: str) -> Iterator[None]:
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


@contextmanager
def _counting(landing: str, domain: str) -> Iterator[Any]:
    """The file with the domain's last number, ours alone until the number is given."""
    _, path = files.filesystem(_counter_address(landing, domain))
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+") as counter:  # noqa: PTH123 (a+ cannot overwrite)
        fcntl.flock(counter, fcntl.LOCK_EX)
        yield counter
