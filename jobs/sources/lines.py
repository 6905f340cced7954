"""Lines of a text file as Arrow blocks, in bounded memory whatever the file holds."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.folder import Stream

LONGEST = 1 << 20


@dataclass(frozen=True)
class Lines:
    """Some whole lines without their line ends; the first has the number `first`; `read` counts packed bytes so far."""

    text: pa.Array
    first: int
    read: int

    def after(self, count: int) -> "Lines":
        """Without the first lines."""
        return Lines(self.text[count:], self.first + count, self.read)


def lines(stream: Stream, encoding: str = "utf-8") -> Iterator[Lines]:
    """All lines of a stream. InputError for a line over LONGEST bytes and for bytes that are not of the encoding."""
    first = 1
    for block in _blocks(stream):
        if first == 1:
            block = block.removeprefix(b"\xef\xbb\xbf")
        text = _split(_decode(block, encoding, stream.where, first))
        if b"\r" in block:
            text = pc.utf8_rtrim(text, "\r")
        _check_length(text, stream.where, first)
        yield Lines(text, first, stream.position)
        first += len(text)


def _blocks(stream: Stream) -> Iterator[bytes]:
    """Blocks of whole lines, without the last line end."""
    rest = b""
    seen = 0
    while chunk := stream.read():
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            seen += chunk.count(b"\n")
            yield rest + head
            rest = tail
        else:
            rest += chunk
        if len(rest) > LONGEST:
            raise _too_long(stream.where, seen + 1)
    if rest:
        yield rest


def _decode(block: bytes, encoding: str, where: str, first: int) -> pa.Array:
    """One string with all lines."""
    if encoding != "utf-8":
        if b"\0" in block:
            line = first + block.count(b"\n", 0, block.index(b"\0"))
            raise InputError(f"{where}, line {line}: a zero byte, so this is not {encoding} text; convert it to UTF-8")
        return pa.array([block.decode(encoding)])
    try:
        return pa.array([block], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        pass
    try:
        return pa.array([block.decode("utf-8")])
    except UnicodeDecodeError as error:
        line = first + block.count(b"\n", 0, error.start)
        byte = error.start - block.rfind(b"\n", 0, error.start)
        raise InputError(
            f"{where}, line {line}: byte {byte} of the line is {block[error.start]:#04x}, which is not UTF-8; convert "
            "the file, for example: iconv -f latin1 -t utf-8"
        ) from error


def _split(block: pa.Array) -> pa.Array:
    return pc.split_pattern(block, "\n").values


def _check_length(text: pa.Array, where: str, first: int) -> None:
    lengths = pc.binary_length(text)
    if (longest := pc.max(lengths).as_py()) > LONGEST:
        raise _too_long(where, first + pc.index(lengths, longest).as_py())


def _too_long(where: str, line: int) -> InputError:
    return InputError(
        f"{where}, line {line}: longer than {LONGEST:,} bytes, the most that a line may have; is this a text file with "
        "one record a line?"
    )
