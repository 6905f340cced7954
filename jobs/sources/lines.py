"""Lines of a text file as Arrow blocks, in bounded memory whatever the file holds.

Lines end with LF, CRLF or, in files whose first line does, CR. Text is UTF-8 unless its first bytes or the caller say
else. A byte order mark at the start of any line, as joined files have it, is no text.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.folder import Stream
from jobs.sources.signatures import BOMS, refuse_other_kinds, utf_16_without_mark

MAX_LINE_BYTES = 16 << 20  # as long as MySQL's MEDIUMTEXT; a block and its rest stay in memory
BOM = codecs.BOM_UTF8


@dataclass(frozen=True)
class Lines:
    """Some whole lines without their line ends; the first has the number `first`; `read` counts packed bytes so far."""

    text: pa.Array
    first: int
    read: int


def lines(stream: Stream, encoding: str = "utf-8") -> Iterator[Lines]:
    """All lines of a stream. InputError for a line over MAX_LINE_BYTES and for bytes that are not of the encoding."""
    first = 1
    blocks = _blocks(stream, encoding)
    while block_and_end := _next(blocks, stream.where, first):
        block, end = block_and_end
        block = _without_marks(block, end.encode())
        text = pc.split_pattern(_decode(block, stream.where, first, encoding), end).values
        if "\n" in end and b"\r" in block:
            text = pc.utf8_rtrim(text, "\r")
        _check_length(text, stream.where, first)
        yield Lines(text, first, stream.position)
        first += len(text)


def _blocks(stream: Stream, encoding: str) -> Iterator[tuple[bytes, str]]:
    """Blocks of whole lines in UTF-8, without the last line end; and what ends the lines."""
    rest = b""
    end = b""
    for chunk in _utf_8(stream, encoding):
        end = end or _line_end(chunk)
        if end == b"\r" and b"\n" in chunk:  # a file with CR that a program has added to
            chunk = chunk.replace(b"\r\n", end).replace(b"\n", end)
        head, separator, tail = chunk.rpartition(end)
        if separator:
            yield rest + head, end.decode()
            rest = tail
        else:
            rest += chunk
        if len(rest) > MAX_LINE_BYTES:
            raise _TooLongError
    if rest:
        yield rest, end.decode()


def _line_end(chunk: bytes) -> bytes:
    """CR where the first line that ends with LF holds it, else LF."""
    first = chunk[: chunk.find(b"\n")] if b"\n" in chunk else chunk
    return b"\r" if b"\r" in first.rstrip(b"\r") or (b"\r" in chunk and b"\n" not in chunk) else b"\n"


class _TooLongError(Exception):
    """A line without end, behind those that were given."""


def _next(blocks: Iterator[tuple[bytes, str]], where: str, first: int) -> tuple[bytes, str] | None:
    """The next block; `first` is the number of the line that it begins with."""
    try:
        return next(blocks, None)
    except _TooLongError as error:
        raise _too_long(where, first) from error


def _without_marks(block: bytes, end: bytes) -> bytes:
    # one byte is looked for much faster than three
    return block.removeprefix(BOM).replace(end + BOM, end) if BOM[:1] in block and BOM in block else block


def _utf_8(stream: Stream, encoding: str) -> Iterator[bytes]:
    """The stream's bytes, in UTF-8 where they are of another encoding."""
    chunk = stream.read()
    if chunk in BOMS or (not chunk and stream.position):  # nothing but a mark, or packed
        raise InputError(f"{stream.where}: the file is empty; fetch it again, or take it out of the folder")
    refuse_other_kinds(stream.where, chunk[:2048])
    for mark, name in BOMS.items():
        if chunk.startswith(mark):
            encoding = name
            while name == "utf-8" and chunk.startswith(mark):  # twice where a program added its own
                chunk = chunk.removeprefix(mark)
    if encoding == "utf-8" and (likely := utf_16_without_mark(chunk)):
        raise InputError(f"{stream.where}, line 1: every other byte is zero: say --encoding {likely}")
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
    seen = 0
    while chunk:
        if decoder is None:
            yield chunk
        else:
            text = _decode_chunk(decoder, chunk, stream.where, encoding, seen)
            seen += text.count("\n")
            yield text.encode("utf-8", "surrogatepass")
        chunk = stream.read()
    if decoder is not None:  # bytes that wait for the rest of their character
        yield _decode_chunk(decoder, b"", stream.where, encoding, seen).encode("utf-8", "surrogatepass")


def _decode_chunk(decoder: codecs.IncrementalDecoder, chunk: bytes, where: str, encoding: str, seen: int) -> str:
    """The chunk's text; an empty chunk is the end of the file."""
    try:
        text = decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        if not chunk:
            raise InputError(
                f"{where}, line {seen + 1}: ends within a character of {encoding}; fetch the file again, or name "
                "another --encoding"
            ) from error
        line = seen + 1 + error.object[: error.start].decode(encoding, "replace").count("\n")
        byte = f"{error.object[error.start]:#04x}"
        raise InputError(f"{where}, line {line}: the byte {byte} is not {encoding}; name another --encoding") from error
    except UnicodeError as error:  # UTF-16 and UTF-32 without their mark
        remedy = f"{encoding}-le, {encoding}-be or another" if encoding in ("utf-16", "utf-32") else "another"
        raise InputError(f"{where}: {' '.join(str(error).split())}; say --encoding {remedy}") from error
    if "\0" in text:
        line = seen + 1 + text.count("\n", 0, text.index("\0"))
        raise InputError(f"{where}, line {line}: a zero byte, so this is not {encoding} text; name another --encoding")
    return text


def _decode(block: bytes, where: str, first: int, encoding: str) -> pa.Array:
    """One string with all lines."""
    try:
        return pa.array([block], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        pass
    try:
        return pa.array([block.decode("utf-8")])
    except UnicodeDecodeError as error:
        line = first + block.count(b"\n", 0, error.start)
        byte = error.start - block.rfind(b"\n", 0, error.start)
        remedy = "say --encoding windows-1252, latin-1 or whatever it is (csv), or convert it to UTF-8"
        raise InputError(
            f"{where}, line {line}: byte {byte} of the line is {block[error.start]:#04x}, which is not UTF-8; {remedy}"
        ) from error


def _check_length(text: pa.Array, where: str, first: int) -> None:
    lengths = pc.binary_length(text)
    if (longest := pc.max(lengths).as_py()) > MAX_LINE_BYTES:
        raise _too_long(where, first + pc.index(lengths, longest).as_py())


def _too_long(where: str, line: int) -> InputError:
    return InputError(
        f"{where}, line {line}: longer than {MAX_LINE_BYTES:,} bytes, the most that a line may have; is this a text "
        "file with one record a line? If it is, shorten that text or take the record out"
    )
