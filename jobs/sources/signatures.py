"""What a file is by its first bytes, whatever its name says."""

import re
import zipfile
from pathlib import PurePosixPath
from typing import IO

from jobs.errors import InputError

GZIP = b"\x1f\x8b"
# The last one that fits holds: UTF-32's begins with UTF-16's.
BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
BOMS |= {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"}
OFFICE = {"[Content_Types].xml", "mimetype"}  # a member of every document of Excel, of OpenDocument
_UNPACK = "unpack it, or pack it as gzip"
# First bytes → what such a file is, and what to do with it. None of them is text.
KINDS = {
    b"PAR1": ("a Parquet file", "import it with `encore import parquet`"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (xls)", "save it as CSV UTF-8"),
    b"SQLite format 3\0": ("an SQLite database", "export its tables as csv"),
    GZIP: ("packed with gzip twice", "unpack it once"),  # once unpacked already
    b"BZh": ("packed with bzip2", _UNPACK),
    b"\xfd7zXZ\0": ("packed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it and import the folder"),
    b"Rar!": ("a RAR archive", "unpack it and import the folder"),
    b"ORC": ("an ORC file", "convert it to Parquet"),
    b"Obj\x01": ("an Avro file", "convert it to Parquet"),
    b"%PDF": ("a PDF", "export the data as csv"),
    b"\x89PNG": ("a picture", "take it out of the folder"),
    b"\xff\xd8\xff": ("a picture", "take it out of the folder"),
    b"\x89HDF": ("an HDF5 file", "export the data as csv or Parquet"),
    b"\x93NUMPY": ("a NumPy array", "export the data as csv or Parquet"),
    b"\x80\x04\x95": ("a Python pickle", "export the data as csv or Parquet"),
    b"\x80\x05\x95": ("a Python pickle", "export the data as csv or Parquet"),
    b"ARROW1": ("a Feather file", "convert it to Parquet"),
    b"PARE": ("an encrypted Parquet file", "decrypt it"),
}
# Endings of names whose files are not read → what to do with them.
ENDINGS = {
    (".xlsx", ".xlsm", ".xls", ".ods", ".numbers"): "save its sheets as CSV UTF-8",
    (".parquet.gz", ".zst", ".bz2", ".xz", ".lz4", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".zip"): "unpack it",
    (".db", ".sqlite", ".sqlite3", ".pkl", ".feather", ".orc", ".avro", ".h5"): "export it as csv or Parquet",
}
MARKUP = (b"<!doctype html", b"<html", b"<?xml")


def advice(name: str) -> str:
    """What to do with a file whose name says that it is not read; empty for others."""
    lower = name.lower()
    return next((f"{name}: {remedy}. " for endings, remedy in ENDINGS.items() if lower.endswith(endings)), "")


def refuse_other_than_parquet(where: str, head: bytes) -> None:
    """InputError where Parquet is expected and the first bytes are those of another kind of file."""
    if head.startswith(b"PAR1"):
        return
    if head.startswith(GZIP):
        raise InputError(f"{where}: this is packed with gzip, which Parquet need not be; unpack it")
    refuse_other_kinds(where, head, "no Parquet file")
    if head and not re.search(rb"[\0-\x08]", head):
        raise InputError(f"{where}: this is text, no Parquet file; import it with `encore import csv` or `jsonl`")


def refuse_other_kinds(where: str, head: bytes, expected: str = "not text") -> None:
    """InputError where text is expected and the first bytes are those of another kind of file."""
    for start, (kind, remedy) in KINDS.items():
        if head.startswith(start):
            raise InputError(f"{where}: this is {kind}, {expected}; {remedy}")
    if head[257:262] == b"ustar":
        raise InputError(f"{where}: this is a tar archive, {expected}; unpack it and import the folder")
    if head.startswith(b"PK\x03\x04"):
        is_excel = b"xl/" in head or b"[Content_Types].xml" in head or b"opendocument" in head
        kind = "a workbook (xlsx, ods)" if is_excel else "a zip archive"
        remedy = "save it as CSV UTF-8" if is_excel else "give it the ending .zip, or unpack it"
        raise InputError(f"{where}: this is {kind}, {expected}; {remedy}")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith(MARKUP):
        raise InputError(f"{where}: this is a web page or XML, perhaps of a login or an error; fetch the file again")


def utf_16_without_mark(head: bytes) -> str | None:
    """utf-16-le or utf-16-be where every other byte is zero, as in western text without a byte order mark."""
    pairs = len(head[:2048]) // 2
    zeros = [head[: 2 * pairs][side::2].count(0) for side in (0, 1)]
    if pairs < 4 or min(zeros) > 0.05 * pairs or max(zeros) < 0.6 * pairs:
        return None
    return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"


def is_packed(handle: IO[bytes]) -> bool:
    """Whether the content is gzip; the place in the file stays."""
    start = handle.read(2)
    handle.seek(0)
    return start == GZIP


def is_zip(handle: IO[bytes]) -> bool:
    """Whether the content is a zip archive that is no Office document."""
    if not zipfile.is_zipfile(handle):
        return False
    handle.seek(0)
    with zipfile.ZipFile(handle) as archive:
        return not OFFICE & set(archive.namelist())


def is_left_by_a_system(name: str) -> bool:
    """Whether an operating system put the file there: macOS's __MACOSX and ._x, .DS_Store, Windows' Thumbs.db."""
    parts = PurePosixPath(name).parts
    last = parts[-1] if parts else ""
    return "__MACOSX" in parts or last.startswith("._") or last in (".DS_Store", "Thumbs.db", "desktop.ini")
