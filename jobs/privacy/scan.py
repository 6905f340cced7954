"""The scan behind `encore erase --verify`: decodes every file of some folders and says where users still stand."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from jobs.privacy.decode import Raw, Text, Users, parts
from jobs.privacy.ids import Ids
from jobs.storage.files import filesystem, listing

THREADS = 4


@dataclass(frozen=True, order=True)
class Finding:
    """A user in a file. place: the member, column or table in it; hashed: not the id stands there but a digest."""

    address: str
    place: str
    user: str
    hashed: bool

    def __str__(self) -> str:
        """One line."""
        return f"{self.address}{self.place}: {'a hash of ' if self.hashed else ''}{self.user!r}"


@dataclass
class Scan:
    """What was looked at, and what was found. unread: files that vanished or could not be opened."""

    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def join(self, other: "Scan") -> "Scan":
        """Both."""
        findings, unread = self.findings + other.findings, self.unread + other.unread
        return Scan(self.files + other.files, self.bytes + other.bytes, findings, unread)


def scan(ids: Ids, addresses: Iterable[str], hashes: bool = True) -> Scan:
    """Decodes every file below some folders, each file once. hashes: whether digests of ids count."""
    result = Scan()
    every = sorted({file for folder in addresses for file in listing(folder, recursive=True)})
    with ThreadPoolExecutor(THREADS) as pool:
        for address, (size, findings) in zip(every, pool.map(lambda one: _of_file(ids, one), every), strict=True):
            if size is None:
                result.unread.append(address)
                continue
            result.files, result.bytes = result.files + 1, result.bytes + size
            result.findings += sorted(finding for finding in findings if hashes or not finding.hashed)
    return result


def _of_file(ids: Ids, address: str) -> tuple[int | None, Sequence[Finding]]:
    fs, path = filesystem(address)
    try:
        with fs.open_input_stream(path, compression=None) as stream:
            content = bytes(stream.read())
    except OSError:
        return None, ()
    name = address.rsplit("/", 1)[-1]
    names = [Finding(address, " (its name)", match.user, match.hashed) for match in ids.matches(name)]
    return len(content), [*names, *{Finding(address, *hit) for hit in hits(ids, content)}]


def hits(ids: Ids, content: bytes) -> Iterator[tuple[str, str, bool]]:
    """(place, user, hashed) of all that a file's content says of the users."""
    for part in parts(content):
        match part:
            case Users(place, values):
                for user in ids.among(values):
                    yield place, user, False
                yield from _in_text(ids, place, "\n".join(text for text in values.unique().to_pylist() if text), True)
            case Text(place, text):
                yield from _in_text(ids, place, text, False)
            case Raw(place, raw):
                yield from ((place, user, hashed) for user, hashed in ids.in_bytes(raw))


def _in_text(ids: Ids, place: str, text: str, only_hashes: bool) -> Iterator[tuple[str, str, bool]]:
    for match in ids.matches(text):
        if match.hashed or not only_hashes:
            yield place, match.user, match.hashed
