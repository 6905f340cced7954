"""Where the files of an import stand: a folder, a single file or a zip archive. Nothing is read from outside it."""

import gzip
import hashlib
import lzma
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from jobs.errors import InputError
from jobs.output import in_one_line
from jobs.sources.signatures import is_left_by_a_system, is_packed, is_zip

BLOCK = 8 << 20
# Deflate reaches about 1000; text of people stays below 20. Small files may be as dense as they like.
LARGEST_RATIO, SMALL = 100, 64 << 20  # times, bytes
# What the unpackers raise for bytes that nobody packed; NotImplementedError: a method that zipfile does not know.
DAMAGE = (
    *(EOFError, OSError, ValueError, LookupError, OverflowError, RuntimeError, NotImplementedError),
    *(zlib.error, lzma.LZMAError, struct.error, zipfile.BadZipFile),
)


@dataclass
class Stream:
    """Bytes of a file, unpacked. Damage and zip bombs raise InputError; `position` counts packed bytes."""

    where: str
    packed: IO[bytes]
    plain: IO[bytes]
    given: int = 0

    def read(self, size: int = BLOCK) -> bytes:
        """The next bytes, none at the end."""
        try:
            content = self.plain.read(size)
        except DAMAGE as error:
            raise _describe_damage(self.where, error) from error
        self.given += len(content)
        refuse_bomb(self.where, self.given, self.position)
        return content

    @property
    def position(self) -> int:
        """How far in the file as it is stored, in bytes."""
        return self.packed.tell()


def _describe_damage(where: str, error: Exception) -> InputError:
    return InputError(f"{where}: truncated or damaged archive ({error}); fetch the file again")


def refuse_bomb(where: str, plain: int, packed: int) -> None:
    """InputError where so few packed bytes unpack to so many."""
    if plain > SMALL and plain > LARGEST_RATIO * max(packed, 1):
        raise InputError(
            f"{where}: unpacks to more than {LARGEST_RATIO} times its size ({plain:,} bytes from {packed:,}), as a zip "
            "bomb does; if you trust the file, unpack it yourself and import the result"
        )


class Folder:
    """A folder on disk; `names` are the files directly in it.

    `skipped` are those that an operating system left there and the folders in it: they are not read.
    """

    def __init__(self, path: Path, chosen: tuple[str, ...] = ()) -> None:
        """`chosen` are files that the user named; these alone are read, wherever a link leads."""
        self.path = path
        self.root = path.resolve()
        _check_name(self.root)
        self.chosen = chosen
        there = sorted(path.iterdir()) if path.is_dir() and not chosen else []
        self.names = chosen or tuple(p.name for p in there if not p.is_dir() and not is_left_by_a_system(p.name))
        others = {p.name for p in there} - set(self.names)
        self.skipped = tuple(sorted(f"{name}/" if (path / name).is_dir() else name for name in others))

    @property
    def listing(self) -> str:
        """The names of its first files, for messages."""
        return ", ".join(map(in_one_line, self.names[:12])) + (", …" if len(self.names) > 12 else "") or "no files"

    def where(self, name: str) -> str:
        """The file as messages name it."""
        return in_one_line(str(self.path / name))

    def size(self, name: str) -> int:
        """Bytes of the file as it is stored; InputError for an empty file."""
        size = self._inside(name).stat().st_size
        if not size:
            raise InputError(f"{self.where(name)}: the file is empty; fetch it again, or take it out of the folder")
        return size

    def checksum(self, name: str) -> str:
        """SHA-256 of the file's bytes, hexadecimal."""
        with self._inside(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def open(self, name: str) -> Iterator[Stream]:
        """The file's bytes; those of a gzip file unpacked, whatever its name."""
        with self._inside(name).open("rb") as packed, _unpack(packed, self.where(name)) as plain:
            yield Stream(self.where(name), packed, plain)

    def open_seekable(self, name: str) -> IO[bytes]:
        """The file as it is stored, for readers that seek in it."""
        return self._inside(name).open("rb")

    def _inside(self, name: str) -> Path:
        _check_name(self.path / name)
        target = Path(os.path.realpath(self.root / name))  # resolve() fails for a link to itself
        if name not in self.chosen and not target.is_relative_to(self.root):
            raise InputError(
                f"{self.where(name)}: leads outside of the imported folder (to {target}); put the file itself there"
            )
        if not target.is_file():
            raise _no_file(target, self.where(name), "file")
        _check_readable(target)
        return target


class ZipFolder(Folder):
    """A zip archive, read without unpacking it. A single top folder, as in the MovieLens releases, is left away."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        """Raises InputError for members that escape, are encrypted, or are denser than text can be."""
        self.archive = archive
        every = [info for info in archive.infolist() if not info.filename.endswith("/")]
        members = [info for info in every if not is_left_by_a_system(info.filename)]
        for info in members:
            self._check(path, info)
        parts = [PurePosixPath(info.filename.replace("\\", "/")).parts for info in members]  # old Windows writes \\
        common = all(len(p) > 1 and p[0] == parts[0][0] for p in parts)
        self.members = {"/".join(p[common:]): info for p, info in zip(parts, members, strict=True)}
        if len(self.members) < len(members):
            self._refuse_twins(path, ["/".join(p[common:]) for p in parts])
        super().__init__(path, chosen=tuple(sorted(self.members)))
        self.skipped = tuple(sorted(info.filename for info in every if is_left_by_a_system(info.filename)))

    @staticmethod
    def _refuse_twins(path: Path, names: list[str]) -> None:
        twin, count = Counter(names).most_common(1)[0]
        raise InputError(
            f"{path}/{twin}: the archive has {count} members of this name; unpack it, give each file a "
            "name of its own, and import the folder"
        )

    @staticmethod
    def _check(path: Path, info: zipfile.ZipInfo) -> None:
        where = f"{path}/{info.filename}"
        if not info.filename:
            raise InputError(f"{path}: truncated or damaged archive (a member has no name); fetch the file again")
        if info.filename.startswith(("/", "\\")) or ".." in PurePosixPath(info.filename.replace("\\", "/")).parts:
            raise InputError(f"{where}: the archive's member leads outside of its folder; do not trust this archive")
        if info.flag_bits & 1:
            raise InputError(f"{where}: the archive's member is encrypted; unpack it and import the folder")
        refuse_bomb(where, info.file_size, info.compress_size)

    def size(self, name: str) -> int:
        """Bytes of the member; InputError for an empty one."""
        if not self.members[name].file_size:
            raise InputError(f"{self.where(name)}: the file is empty; fetch the archive again")
        return self.members[name].file_size

    def checksum(self, name: str) -> str:
        """SHA-256 of the member's bytes as the unpacked file would have them."""
        digest = hashlib.sha256()
        with self._member(name) as member:
            stream = Stream(self.where(name), member, member)
            while block := stream.read():
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def open(self, name: str) -> Iterator[Stream]:
        """The member's bytes; those of a gzip member unpacked."""
        with self._member(name) as packed, _unpack(packed, self.where(name)) as plain:
            yield Stream(self.where(name), packed, plain)

    def open_seekable(self, name: str) -> IO[bytes]:
        """The member, for readers that seek in it; seeking back unpacks it again."""
        return self._member(name)

    def _member(self, name: str) -> IO[bytes]:
        try:
            return self.archive.open(self.members[name])
        except DAMAGE as error:
            raise _describe_damage(self.where(name), error) from error


def _check_name(path: Path) -> None:
    r"""InputError for a name that is not UTF-8, as Linux allows: no table can say so where its rows are from."""
    if (name := os.fsencode(path).decode(errors="backslashreplace")) != str(path):
        raise InputError(f"{in_one_line(name)}: the name is not UTF-8; rename the file or the folder")


def _check_readable(path: Path) -> None:
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: this user may not read it; give it the right (chmod +r), or import a copy")


def _unpack(file: IO[bytes], where: str) -> AbstractContextManager[IO[bytes]]:
    try:
        packed = is_packed(file)
    except DAMAGE as error:
        raise _describe_damage(where, error) from error
    if not packed and where.endswith(".gz"):
        raise InputError(f"{where}: not packed with gzip; if it is text, take .gz off its name, else fetch it again")
    return gzip.GzipFile(fileobj=file) if packed else nullcontext(file)  # type: ignore[return-value]


def _no_file(path: Path, where: str, wanted: str) -> InputError:
    if path.exists() and not path.is_dir():
        return InputError(f"{where}: is a pipe, a device or a socket; write what it gives to a file and import that")
    return InputError(f"{where}: there is no such {wanted}; give the path of an existing one")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return is_zip(file)


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """The folder, the zip archive or the single file at `path`; InputError where there is none or it is damaged."""
    if path.exists():
        _check_readable(path)
    if path.is_dir():
        yield Folder(path)
    elif not path.is_file():
        raise _no_file(path, in_one_line(str(path)), "file or folder")
    elif path.suffix.lower() != ".zip" and not _is_zip(path):
        yield Folder(path.parent, chosen=(path.name,))
    else:
        try:
            archive = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise _describe_damage(str(path), error) from error
        with archive:
            yield ZipFolder(path, archive)
