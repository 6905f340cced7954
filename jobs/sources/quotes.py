"""Records of quoted text: a quoted field may go over several physical lines, which are joined (LF between them).

Fields are as RFC 4180 has them: quoted with doubled quotes inside, or plain; a quote within a plain field is a letter.
A quote that is opened and never closed spoils its own line alone: the next line is a record of its own again. Every
line is looked at once by regular expressions that take linear time, so odd files cost no more than others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from jobs.sources.cells.scalars import Bits, Mask, bits, holding, some
from jobs.sources.lines import MAX_LINE_BYTES

WHOLE, OPEN, BAD = 0, 1, 2


@dataclass(frozen=True)
class Block:
    """Some records: their text, the number of the line where each begins, and which are malformed."""

    text: pa.Array
    line: np.ndarray
    broken: Mask
    read: int

    def filter(self, keep: Bits) -> "Block":
        """The records that are to be kept."""
        broken = None if self.broken is None else some(self.broken[keep])
        return Block(self.text.filter(pa.array(keep)), self.line[keep], broken, self.read)

    def after(self, rest: "Block | None") -> "Block":
        """The rest of the block before, and this one; neither is judged yet."""
        if rest is None or not len(rest.text):
            return self
        text = pa.concat_arrays([rest.text, self.text])
        return Block(text, np.concatenate([rest.line, self.line]), None, self.read)


@dataclass(frozen=True)
class Quoting:
    """A delimiter and a quote, one character each. padded: spaces around quoted fields are no text."""

    delimiter: str
    quote: str = '"'
    padded: bool = False

    @cached_property
    def _field(self) -> str:
        q, d = _escape(self.quote), _escape(self.delimiter)
        if self.padded:
            return rf"(?: *{q}(?:[^{q}]|{q}{q})*{q} *| *(?:[^{q}{d}\n ][^{d}\n]*)?)"
        return rf"(?:{q}(?:[^{q}]|{q}{q})*{q}|(?:[^{q}{d}\n][^{d}\n]*)?)"

    @cached_property
    def whole(self) -> str:
        """A regular expression (RE2 and Python) for a well-formed record."""
        return rf"^(?:{self._field}{_escape(self.delimiter)})*{self._field}$"

    @cached_property
    def opening(self) -> str:
        """One for a line that ends within a quoted field."""
        q, space = _escape(self.quote), " *" if self.padded else ""
        return rf"^(?:{self._field}{_escape(self.delimiter)})*{space}{q}(?:[^{q}]|{q}{q})*$"

    def records(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The records of all lines."""
        rest: Block | None = None
        waiting: Block | None = None
        for block in blocks:
            if waiting is not None:
                parsed, rest = self._assemble(waiting.after(rest), last=False)
                yield parsed
            waiting = block
        if waiting is not None:
            parsed, _ = self._assemble(waiting.after(rest), last=True)
            yield parsed

    def _assemble(self, block: Block, last: bool) -> tuple[Block, Block | None]:
        """The records of some lines, and the lines of a record that is not complete yet."""
        text, line = block.text, block.line
        closed = self._classes(text)
        if not closed.any():
            return block, None
        inside = self._classes(pc.binary_join_element_wise(self.quote, text, ""))
        merges, broken, cut = _walk(closed, inside, _starts(text), last)
        kept = np.ones(len(text), dtype=np.bool_)
        kept[cut:] = False
        joined = []
        for start, end in merges:
            kept[start + 1 : end + 1] = False
            joined.append("\n".join(text[start : end + 1].to_pylist()))
        if merges:
            starts = np.zeros(len(text), dtype=np.bool_)
            starts[[start for start, _ in merges]] = True
            text = pc.replace_with_mask(text, pa.array(starts), pa.array(joined, pa.string()))
        result = Block(text.filter(pa.array(kept)), line[kept], some(broken[kept]), block.read)
        return result, Block(text[cut:], line[cut:], None, block.read)

    def _classes(self, text: pa.Array) -> np.ndarray:
        """Of each line whether it is a whole record, ends within quotes, or is malformed."""
        classes = np.zeros(len(text), dtype=np.int8)
        quoted = holding(text, self.quote)
        if quoted.any():
            some_text = text.filter(pa.array(quoted))
            whole = bits(pc.match_substring_regex(some_text, self.whole))
            open_: Bits = np.zeros(len(some_text), dtype=np.bool_)
            if not whole.all():
                open_ = bits(pc.match_substring_regex(some_text, self.opening))
            classes[quoted] = np.where(whole, WHOLE, np.where(open_, OPEN, BAD))
        return classes

    def split(self, text: pa.Array, width: int) -> tuple[list[pa.Array], Bits]:
        """The fields of well-formed records, column by column, and which records have another number of fields."""
        names = [str(n) for n in range(width)]
        wrong: list[int] = []

        def note(row: csv.InvalidRow) -> str:
            wrong.append(row.number)
            return "skip"

        if self.padded or ord(self.delimiter) > 127 or ord(self.quote) > 127:
            return self._split_slowly(text, width)
        whole = pa.ListArray.from_arrays(pa.array([0, len(text)], pa.int32()), text.cast(pa.binary()))
        content = pc.binary_join(whole, b"\n")[0].as_buffer()
        table = csv.read_csv(
            content,
            csv.ReadOptions(use_threads=False, column_names=names, block_size=content.size + 16),
            csv.ParseOptions(
                delimiter=self.delimiter,
                quote_char=self.quote,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
        if table.num_rows + len(wrong) != len(text):  # a CR within a plain field is a line end to Arrow, not to us
            return self._split_slowly(text, width)
        bad = np.zeros(len(text), dtype=np.bool_)
        bad[np.array(wrong, dtype=np.int64) - 1] = True
        return [_spread(pa.concat_arrays([pa.array([], pa.string()), *c.chunks]), bad) for c in table.columns], bad

    def _split_slowly(self, text: pa.Array, width: int) -> tuple[list[pa.Array], Bits]:
        rows = [self.fields(record) for record in text.to_pylist()]
        bad = np.array([len(row) != width for row in rows])
        good = [[""] * width if wrong else row for row, wrong in zip(rows, bad, strict=True)]
        return [pa.array(column, pa.string()) for column in zip(*good, strict=True)], bad

    def fields(self, record: str) -> list[str]:
        """The fields of one well-formed record."""
        result: list[str] = []
        place = -1  # the delimiter before the field
        while place < len(record):
            field = self._one.match(record, place + 1)
            assert field is not None
            result.append(self._plain(field[0]))
            place = field.end()
        return result

    @cached_property
    def _one(self) -> re.Pattern[str]:
        return re.compile(self._field)

    def _plain(self, field: str) -> str:
        field = field.strip(" ") if self.padded else field
        if not field.startswith(self.quote):
            return field
        return field[1:-1].replace(self.quote * 2, self.quote)


def _spread(values: pa.Array, bad: Bits) -> pa.Array:
    """The values at the rows that are not bad, empty text at the others."""
    if not bad.any():
        return values
    return pc.replace_with_mask(pa.repeat("", len(bad)), pa.array(~bad), values)


def _starts(text: pa.Array) -> np.ndarray:
    """Where each line begins, in bytes; one more for the end."""
    lengths = pc.binary_length(text).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths + 1)])


def _walk(
    closed: np.ndarray,
    inside: np.ndarray,
    starts: np.ndarray,
    last: bool,
) -> tuple[list[tuple[int, int]], Bits, int]:
    """(first, last line) of records of several lines, the malformed lines, and where an incomplete record begins."""
    count = len(closed)
    ends = np.flatnonzero(inside != OPEN)
    odd = np.flatnonzero(closed != WHOLE)
    broken = np.zeros(count, dtype=np.bool_)
    merges: list[tuple[int, int]] = []
    line = 0
    for start in odd.tolist():
        if start < line:
            continue
        place = np.searchsorted(ends, start + 1)
        end = int(ends[place]) if place < len(ends) else count
        too_long = starts[min(end, count - 1) + 1] - starts[start] > MAX_LINE_BYTES
        if closed[start] == OPEN and end == count and not last and not too_long:
            return merges, broken, start
        if closed[start] == BAD or end == count or too_long or inside[end] == BAD:
            broken[start] = True
            continue
        merges.append((start, end))
        line = end + 1
    return merges, broken, count


def _escape(character: str) -> str:
    """The character in a regular expression, for RE2 and for Python alike."""
    return character if character.isalnum() or ord(character) > 127 else rf"\x{ord(character):02x}"
