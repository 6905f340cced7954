"""Reading and writing files at addresses (`file://`, `s3://`, `gs://`, `hdfs://`), whole or not at all."""

import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from pyarrow import ArrowInvalid
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq
from tenacity import Retrying, retry_if_exception_message, stop_after_attempt, wait_random_exponential

from jobs.errors import InputError
from jobs.storage.object_store import object_store, s3

# Where a store refuses for the moment in more bytes than the file has: AWS's library then does not try again itself.
LONG_REFUSAL = "Failed to flush response stream"
OBJECT_STORES = (arrow_fs.S3FileSystem, arrow_fs.GcsFileSystem)  # without folders; a file shows when it is whole


def filesystem(address: str) -> tuple[arrow_fs.FileSystem, str]:
    """The file system of an address and the path in it; InputError for addresses that no storage has.

    A local path stands in its address as it is, not as %20.
    """
    if address.startswith("file://"):
        return arrow_fs.LocalFileSystem(), address.removeprefix("file://")
    if address.startswith("s3://"):
        return s3(), address.removeprefix("s3://")
    try:
        fs, path = arrow_fs.FileSystem.from_uri(address)
    except ArrowInvalid as error:
        raise InputError(
            f"{address}: no storage has such addresses; name a path, or an address file://, s3://, gs:// or hdfs://"
        ) from error
    return fs, path


def require_folder(variable: str, address: str) -> None:
    """InputError where no folder can be at an address: a file is in the way, or no storage has such addresses."""
    try:
        if not address.startswith("file://"):
            filesystem(address)
            return
    except InputError as error:
        raise InputError(f"{variable}={error}") from error
    path = Path(address.removeprefix("file://"))
    # Path.exists would raise for what this user may not look into
    there = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not there.is_dir():
        kind = "a link to itself" if there.is_symlink() else "a file"
        raise InputError(f"{variable}={address}: {there} is {kind}, it must be a folder; name another one")


def read_bytes(address: str) -> bytes | None:
    """The content of a file; None where there is none."""
    fs, path = filesystem(address)
    attempts = Retrying(
        retry=retry_if_exception_message(match=f".*{LONG_REFUSAL}"),
        stop=stop_after_attempt(object_store().max_attempts),
        wait=wait_random_exponential(0.1, 5),
        reraise=True,
    )
    try:
        return attempts(_read, fs, path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _read(fs: arrow_fs.FileSystem, path: str) -> bytes:
    with fs.open_input_stream(path) as stream:
        return bytes(stream.read())


def write_bytes(address: str, content: bytes) -> None:
    """Replaces a file atomically: a reader sees the old content or the new one."""
    fs, path = filesystem(address)
    if not isinstance(fs, arrow_fs.LocalFileSystem):
        with fs.open_output_stream(path) as stream:  # an object store shows an object only when it is whole
            stream.write(content)
        return
    fs.create_dir(str(PurePosixPath(path).parent), recursive=True)
    aside = f"{path}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with fs.open_output_stream(aside) as stream:
            stream.write(content)
        fs.move(aside, path)
    except BaseException:
        if fs.get_file_info(aside).type == arrow_fs.FileType.File:
            fs.delete_file(aside)
        raise


def listing(address: str, suffix: str = "", recursive: bool = False) -> list[str]:
    """Addresses of the files below a folder, sorted; none where the folder is missing."""
    fs, path = filesystem(address)
    entries = fs.get_file_info(arrow_fs.FileSelector(path, allow_not_found=True, recursive=recursive))
    inside = (info.path[len(path) :] for info in entries if info.type == arrow_fs.FileType.File)
    return sorted(address + name for name in inside if name.endswith(suffix))


def folders(address: str) -> list[str]:
    """Names of the folders directly below a folder, sorted."""
    fs, path = filesystem(address)
    entries = fs.get_file_info(arrow_fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in entries if info.type == arrow_fs.FileType.Directory)


def create_folder(address: str) -> None:
    """Makes a folder with its parents; object stores need none."""
    fs, path = filesystem(address)
    if not isinstance(fs, OBJECT_STORES):
        fs.create_dir(path, recursive=True)


def delete_file(address: str) -> None:
    """Removes a file; nothing happens where it is missing."""
    fs, path = filesystem(address)
    if fs.get_file_info(path).type == arrow_fs.FileType.File:
        fs.delete_file(path)


def delete_folder(address: str) -> None:
    """Removes a folder and everything in it; nothing happens where it is missing."""
    fs, path = filesystem(address)
    if fs.get_file_info(path).type == arrow_fs.FileType.Directory:
        fs.delete_dir(path)


def rename_folder(source: str, target: str) -> None:
    """Moves a folder to its final name (atomic on a local disk)."""
    fs, path = filesystem(source)
    _, target_path = filesystem(target)
    fs.create_dir(str(PurePosixPath(target_path).parent), recursive=True)
    fs.move(path, target_path)


def upload(local: str, address: str) -> None:
    """Copies a local folder to an address."""
    create_folder(address)
    fs, path = filesystem(address)
    arrow_fs.copy_files(local, path, destination_filesystem=fs)


def download(address: str, local: str) -> None:
    """Copies a folder at an address to a local folder."""
    fs, path = filesystem(address)
    arrow_fs.copy_files(path, local, source_filesystem=fs)


def parquet_rows(address: str) -> int:
    """Number of rows of a Parquet file, from its footer; InputError where it is not a whole Parquet file."""
    fs, path = filesystem(address)
    try:
        with fs.open_input_file(path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (ArrowInvalid, FileNotFoundError) as error:
        raise InputError(f"{address}: not a whole Parquet file ({error}); import its source again") from error


def count_rows(addresses: Sequence[str]) -> int:
    """Number of rows of some Parquet files, from their footers."""
    with ThreadPoolExecutor(16) as pool:  # an object store answers each in its own time
        return sum(pool.map(parquet_rows, addresses))


def sizes_and_groups(addresses: Sequence[str]) -> list[tuple[int, int]]:
    """Bytes and row groups of some Parquet files; FileNotFoundError where one is missing."""

    def of_one(address: str) -> tuple[int, int]:
        fs, path = filesystem(address)
        with fs.open_input_file(path) as file:
            return int(file.size()), int(pq.ParquetFile(file).num_row_groups)

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(of_one, addresses))


def nonempty(addresses: list[str]) -> Iterator[tuple[str, int]]:
    """The Parquet files that hold rows, each with their number (Spark leaves empty ones behind)."""
    for address in addresses:
        if rows := parquet_rows(address):
            yield address, rows
