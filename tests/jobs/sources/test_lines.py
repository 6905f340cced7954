"""Lines in blocks: the same lines whatever the blocks, within bounded memory."""

import io
import random

import pytest

from jobs.errors import InputError
from jobs.sources.folder import Stream
from jobs.sources.lines import MAX_LINE_BYTES, lines


class Chopped(io.BytesIO):
    """Gives its bytes in pieces of random size."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(random.Random(self.tell()).randint(1, 7))


def read(content: bytes, encoding: str = "utf-8") -> list[tuple[int, str]]:
    file = Chopped(content)
    result = []
    for block in lines(Stream("a.csv", file, file), encoding):
        result += list(enumerate(block.text.to_pylist(), start=block.first))
    return result


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
        (b"\xef\xbb\xbfone\n\ntwo\n\n", ["one", "", "two", ""]),
        ("é\n€\n".encode(), ["é", "€"]),
        (b"\n", [""]),
        (b"", []),
    ],
)
def test_lines_are_numbered_from_1(content: bytes, expected: list[str]) -> None:
    assert read(content) == list(enumerate(expected, start=1))


def test_the_wrong_byte_is_named() -> None:
    with pytest.raises(InputError, match="line 3: byte 2 of the line is 0xe9, which is not UTF-8"):
        read(b"one\ntwo\nx\xe9y\n")


def test_latin_1_reads_every_byte_but_zero() -> None:
    assert read(b"caf\xe9\n", "latin-1") == [(1, "café")]
    with pytest.raises(InputError, match="line 2: a zero byte, so this is not latin-1"):
        read(b"a\nb\0", "latin-1")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030", "utf-8"])
def test_a_file_that_ends_within_a_character_is_refused(encoding: str) -> None:
    whole = "a\n好ア".encode("shift_jis" if encoding == "shift_jis" else encoding)
    assert read(whole, encoding) == [(1, "a"), (2, "好ア")]
    with pytest.raises(InputError, match=r"a\.csv, line 2: (ends within a character of|byte 4 of the line is 0xe3)"):
        read(whole[:-1], encoding)


class Endless(io.RawIOBase):
    """A line without end; counts what was read of it."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return b"x" * size

    def tell(self) -> int:
        return self.given


def test_an_endless_line_is_refused_within_a_block() -> None:
    file = Endless()
    with pytest.raises(InputError, match=r"line 1: longer than 16,777,216 bytes"):
        list(lines(Stream("a.csv", file, file)))
    assert file.given <= MAX_LINE_BYTES + (8 << 20)


def test_a_long_line_amid_others_is_named() -> None:
    file = io.BytesIO(b"a\nb\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\nc\n")
    with pytest.raises(InputError, match="line 3: longer than"):
        list(lines(Stream("a.csv", file, file)))
    file = io.BytesIO(b"a\nb\n" + b"x" * MAX_LINE_BYTES + b"\nc\n")
    assert sum(len(block.text) for block in lines(Stream("a.csv", file, file))) == 4
