"""Delimited text (csv, tab, `|`, `::`): a header line, or names given, then a record a line.

A quoted field may hold delimiters and line ends. Blank lines, and header lines that come again where files were
joined, are no records; they are counted. A record with more or fewer fields than there are columns is broken.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells.scalars import Bits, bits, either, holding, some
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder
from jobs.sources.lines import lines
from jobs.sources.quotes import Block, Quoting
from jobs.sources.records import Records, check_columns

# As MySQL writes; its ESCAPED BY '' would leave quotes within quotes as they are, ESCAPED BY '"' spoils line ends.
ESCAPED = "quotes or delimiters with a backslash before them, which are rejected: export doubled quotes, or JSON"
SEPARATOR_LINE = r"sep=."  # Excel's own hint in the first line


@dataclass(frozen=True)
class Delimited:
    """Text whose fields stand between delimiters; `names` where the file has no header line that gives them.

    `quote` is empty where quotes are letters. Only delimiters of one character can be quoted.
    """

    delimiter: str = ","
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"
    quote: str = '"'

    @property
    def _quoting(self) -> Quoting | None:
        return Quoting(self.delimiter, self.quote) if self.quote and len(self.delimiter) == 1 else None

    def columns(self, folder: Folder, file: str) -> Collection[str]:
        """The names of its columns."""
        if self.names:
            return self.names
        with folder.open(file) as stream:
            block = next(self._blocks(stream), None)
        return () if block is None else self._fields(_first_record(block)[0])

    def records(self, folder: Folder, file: str, wanted: Collection[str], findings: Findings) -> Iterator[Records]:
        """The records below the header line."""
        with folder.open(file) as stream:
            blocks = self._blocks(stream)
            head = next(blocks, None)
            if head is None:
                return
            header, at = _first_record(head)
            names = self._names(stream.where, header, wanted)
            is_header = not self.names or self._fields(header) == list(self.names)
            keep = np.arange(len(head.text)) >= at + is_header
            head = Block(*_kept(head, keep), head.read)
            for block in chain([head], blocks):
                block = _without_blanks(block, header if is_header else None, findings)
                if len(block.text):
                    yield self._split(stream.where, block, names, wanted, findings)

    def _blocks(self, stream) -> Iterator[Block]:  # type: ignore[no-untyped-def]
        text = lines(stream, self.encoding)
        if quoting := self._quoting:
            return quoting.records(text)
        return (Block(b.text, b.first + np.arange(len(b.text)), None, b.read) for b in text)

    def _names(self, where: str, line: str, wanted: Collection[str]) -> tuple[str, ...]:
        """The names of the columns; InputError where the first line shows another delimiter or other columns."""
        fields = self._fields(line)
        other = next((d for d in (";", "\t", "|", ",", "::") if d in line), None)
        if len(fields) == 1 and other:
            raise InputError(
                f"{where}: wrong delimiter: expected fields with {self.delimiter!r} between them, the first line has "
                f"{other!r}: {line[:300]!r}. Convert the file, or use `encore import csv --delimiter`"
            )
        if self.names and len(fields) != len(self.names):
            raise InputError(
                f"{where}: expected {len(self.names)} columns ({', '.join(self.names)}), the first line has "
                f"{len(fields)}: {line[:300]!r}. Is this the right file?"
            )
        if self.names and fields != list(self.names) and sorted(fields) == sorted(self.names):
            raise InputError(
                f"{where}: the first line is a header line with its columns in another order than --columns gives: "
                f"{line[:300]!r}; leave --columns out"
            )
        names = self.names or tuple(fields)
        looks_like_data = any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", name) for name in names)
        hint = "If it has no header line, name its columns with --columns. " if looks_like_data else ""
        check_columns(where, wanted, names, line, hint)
        return names

    def _split(
        self, where: str, block: Block, names: tuple[str, ...], wanted: Collection[str], findings: Findings
    ) -> Records:
        width = len(names)
        blank = self.delimiter * (width - 1)
        quoting = self._quoting
        quoted = holding(block.text, self.quote) if quoting else np.zeros(len(block.text), np.bool_)
        broken = np.zeros(len(quoted), np.bool_) if block.broken is None else block.broken
        if block.broken is not None:
            escaped = broken & holding(block.text, "\\")
            _note(findings, ESCAPED, escaped, block)
            what = "quotes that do not match (if quotes are letters in this file: --quote none)"
            _note(findings, what, broken & ~escaped, block)
        plain = pc.if_else(pa.array(quoted), blank, block.text) if quoted.any() else block.text
        lists = pc.split_pattern(plain, self.delimiter)
        wrong = bits(pc.not_equal(pc.list_value_length(lists), width))
        if wrong.any():
            lists = pc.split_pattern(pc.if_else(pa.array(wrong), blank, plain), self.delimiter)
        flat = lists.values
        columns = {name: flat.take(pa.array(np.arange(names.index(name), len(flat), width))) for name in wanted}
        whole = quoted & ~broken
        if quoting and whole.any():
            fields, bad = quoting.split(block.text.filter(pa.array(whole)), width)
            for name in wanted:
                columns[name] = pc.replace_with_mask(columns[name], pa.array(whole), fields[names.index(name)])
            wrong[whole] |= bad
        for name in () if self.names else list(wanted)[:1]:
            _refuse_other_header(where, block, columns[name], names)
        if wrong.any():
            escaped = wrong & holding(block.text, "\\") & ~broken
            _note(findings, ESCAPED, escaped, block)
            _note(findings, f"more or fewer fields than the {width} columns", wrong & ~escaped, block)
        return Records(block.text, pa.array(block.line), either(some(broken), some(wrong)), columns, block.read)

    def _fields(self, line: str) -> list[str]:
        """The fields of the header line, without spaces around them."""
        quoting = self._quoting
        if quoting is None or self.quote not in line or not re.match(quoting.whole, line):
            return [field.strip() for field in line.split(self.delimiter)]
        return [field.strip() for field in quoting.fields(line)]


def _first_record(block: Block) -> tuple[str, int]:
    """The first record that is not blank, and its place; an Excel file's `sep=;` before it is passed over."""
    for place, record in enumerate(block.text[:1000].to_pylist()):
        if record and not re.fullmatch(SEPARATOR_LINE, record):
            return record, place
    return block.text[0].as_py(), 0


def _kept(block: Block, keep: Bits) -> tuple[pa.Array, np.ndarray, Bits | None]:
    broken = None if block.broken is None else some(block.broken[keep])
    return block.text.filter(pa.array(keep)), block.line[keep], broken


def _without_blanks(block: Block, header: str | None, findings: Findings) -> Block:
    """The block without blank lines and repeated header lines, which are counted."""
    blank = bits(pc.equal(block.text, ""))
    again: Bits = np.zeros(len(blank), np.bool_) if header is None else bits(pc.equal(block.text, header))
    if not (blank | again).any():
        return block
    _note(findings, "blank lines left out", blank, block)
    _note(findings, "repeated header lines left out", again, block)
    return Block(*_kept(block, ~(blank | again)), block.read)


def _refuse_other_header(where: str, block: Block, cells: pa.Array, names: tuple[str, ...]) -> None:
    """InputError for a header line in another order amid the records, as joined files of two kinds have it."""
    similar = bits(pc.is_in(cells, pa.array(names, pa.string())))
    for place in np.flatnonzero(similar):
        record = block.text[int(place)].as_py()
        if all(name in record for name in names):
            raise InputError(
                f"{where}, line {block.line[place]}: another header line, with its columns in another order "
                f"({record[:200]!r}); import the joined files one by one"
            )


def _note(findings: Findings, what: str, mask: Bits, block: Block) -> None:
    if mask.any():
        place = int(np.flatnonzero(mask)[0])
        findings.add(what, int(mask.sum()), int(block.line[place]), block.text[place].as_py() or None)
