"""Delimited text (csv, tab, `|`, `::`): a header line, or names given, then a record a line.

A quoted field may hold delimiters and line ends. Blank lines, and header lines that come again where files were
joined, are no records; they are counted. A record with more or fewer fields than there are columns is broken. Two
habits of writers are told by the first lines: spaces around all fields, and a delimiter behind the last one.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells.scalars import Bits, beginning_with, bits, either, holding, some
from jobs.sources.escapes import Escapes
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder, Stream
from jobs.sources.lines import lines
from jobs.sources.quotes import Block, Quoting
from jobs.sources.records import Records, check_columns, refuse_other_header

ESCAPED = "quotes or delimiters with a backslash before them, which are rejected (if it escapes them: --escape '\\')"
PADDED = "spaces around fields, as in the header line, which are left away"
MORE = (
    "the first record has one more than the header line: if it begins with a row name, as R writes, name all fields "
    "with --columns; if a text has the delimiter in it, it must stand in quotes"
)
TRAILING = "a delimiter behind the last field of every line, which is left away"
OUTLINES = "lines around a printed table left out"
NO_HEADER = r"sep=.|\+[-+]+\+"  # Excel's own hint in the first line; the upper edge of a table that MySQL prints
OUTLINE = r"^(?:[-+|:= ]*--[-+|:= ]*|\(\d+ rows?\))$"  # of a printed table: rulers, and the last line of psql


@dataclass(frozen=True)
class Delimited:
    """Text whose fields stand between delimiters; `names` where the file has no header line that gives them.

    `quote` is empty where quotes are letters, `escape` where no character escapes others. Only delimiters of one
    character can be quoted. What the first lines tell: padded, spaces around fields are no text; spare, how many more
    fields than names the records have (1: a delimiter ends every record; -1: it ends the header line alone; 2: one
    more that is not empty, so that they are broken).
    """

    delimiter: str = ","
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"
    quote: str = '"'
    escape: str = ""
    padded: bool = False
    spare: int = 0

    @property
    def _quoting(self) -> Quoting | None:
        quoted = self.quote and len(self.delimiter) == 1
        return Quoting(self.delimiter, self.quote, self.padded) if quoted else None

    @property
    def _escapes(self) -> Escapes | None:
        return Escapes(self.escape, self.delimiter, self.quote) if self.escape else None

    def columns(self, folder: Folder, file: str) -> Collection[str]:
        """The names of its columns."""
        if self.names:
            return self.names
        with folder.open(file) as stream:
            first = next(lines(stream, self.encoding), None)
        if first is None:
            return ()
        form = self._with_habits(first.text[:1000].to_pylist())
        with folder.open(file) as stream:
            block = next(form._blocks(stream), None)
        return () if block is None else form._fields(_first_record(block)[0])

    def records(self, folder: Folder, file: str, wanted: Collection[str], findings: Findings) -> Iterator[Records]:
        """The records below the header line."""
        with folder.open(file) as stream:
            first = next(lines(stream, self.encoding), None)
            form = self if first is None else self._with_habits(first.text[:1000].to_pylist())
        habits = {PADDED: form.padded, TRAILING: form.spare in (1, -1), MORE: form.spare > 1}
        if any(habits.values()):
            findings.notes["fields"] = "; ".join(habit for habit, there in habits.items() if there)
        yield from form._records(folder, file, wanted, findings)

    def _with_habits(self, start: Sequence[str]) -> "Delimited":
        """The form with what the file's first lines tell of it."""
        header, *rows = [line for line in start if line.strip() and not re.fullmatch(NO_HEADER, line)] or [""]
        spaced = self._is_spaced(header) and (not self.names or all(map(self._is_spaced, rows)))
        form = replace(self, padded=spaced and " " not in self.delimiter)
        names = list(self.names) or form._fields(header)
        cells = [form._fields(row) for row in ([header] if self.names else []) + rows[:100]]
        kinds = Counter((len(row) - len(names), row[-1] == "") for row in cells)
        spare, is_empty = max(kinds, key=lambda kind: (kinds[kind], kind[0] == 0, kind[1]), default=(0, False))
        likely = {1: 1 if is_empty else 2 * (not self.names), -1: -1 if not self.names and names[-1] == "" else 0}
        return replace(form, spare=likely.get(spare, 0))

    def _is_spaced(self, line: str) -> bool:
        cells = line.split(self.delimiter)
        inner = cells[1:-1] if cells[0] == cells[-1] == "" else cells  # between bars, as in Markdown
        begin, end = (cell[:1] == " " for cell in inner[1:]), (cell[-1:] == " " for cell in inner[:-1])
        return len(inner) > 1 and (all(begin) or all(end))

    def _records(self, folder: Folder, file: str, wanted: Collection[str], findings: Findings) -> Iterator[Records]:
        with folder.open(file) as stream:
            blocks = self._blocks(stream)
            head = next(blocks, None)
            if head is None:
                return
            header, at = _first_record(head)
            names = self._names(stream.where, header, wanted)
            there = self._fields(header)
            is_header = not self.names or there in (list(self.names), list(self.names[1:]))
            head = head.filter(np.arange(len(head.text)) >= at + is_header)
            for block in chain([head], blocks):
                block = self._without_blanks(block, header if is_header else None, findings)
                if len(block.text):
                    yield self._read(stream.where, block, names, wanted, findings)

    def _without_blanks(self, block: Block, header: str | None, findings: Findings) -> Block:
        """The block without lines that are no records, which are counted."""
        nothing: Bits = np.zeros(len(block.text), np.bool_)
        lines_out = {
            "blank lines left out": self._blank(block.text),
            "repeated header lines left out": nothing if header is None else bits(pc.equal(block.text, header)),
            OUTLINES: bits(pc.match_substring_regex(block.text, OUTLINE)) if self.padded else nothing,
        }
        for what, mask in lines_out.items():
            _note(findings, what, mask, block)
        out = np.logical_or.reduce(list(lines_out.values()))
        return block.filter(~out) if out.any() else block

    def _blank(self, text: pa.Array) -> Bits:
        """Which lines have no field: they hold nothing, spaces, or delimiters alone, as Excel writes."""
        blank = beginning_with(text, f" \t\f\r{self.delimiter[0]}")
        if blank.any():
            pattern = rf"^(?:\s|{re.escape(self.delimiter)})*$"
            blank[blank] = bits(pc.match_substring_regex(text.filter(pa.array(blank)), pattern))
        return blank

    def _blocks(self, stream: Stream) -> Iterator[Block]:
        text = lines(stream, self.encoding)
        blocks: Iterator[Block] = (Block(b.text, b.first + np.arange(len(b.text)), None, b.read) for b in text)
        if escapes := self._escapes:
            blocks = escapes.hide(blocks)
        return quoting.records(blocks) if (quoting := self._quoting) else blocks

    def _names(self, where: str, line: str, wanted: Collection[str]) -> tuple[str, ...]:
        """The names of the columns; InputError where the first line shows another delimiter or other columns."""
        fields = self._fields(line)
        other = next((d for d in (";", "\t", "|", ",", "::") if d in line), None)
        if len(fields) == 1 and other:
            raise InputError(
                f"{where}: wrong delimiter: expected fields with {self.delimiter!r} between them, the first line has "
                f"{other!r}: {line[:300]!r}. Convert the file, or use `encore import csv --delimiter`"
            )
        fields = fields[:-1] if self.spare == -1 else fields
        if self.names and (self.spare == 1 or fields == list(self.names[1:])):  # R names no column of row names
            fields = [*self.names]
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

    def _read(
        self, where: str, block: Block, names: tuple[str, ...], wanted: Collection[str], findings: Findings
    ) -> Records:
        broken = np.zeros(len(block.text), np.bool_) if block.broken is None else block.broken
        columns, wrong = self._split(block.text, broken, names, wanted)
        escapes = self._escapes
        raw = block.text
        if escapes:
            raw = escapes.restore(raw)
            columns = {name: escapes.show(cells) for name, cells in columns.items()}
        block = Block(raw, block.line, block.broken, block.read)
        if broken.any():
            escaped = broken & holding(raw, "\\")
            _note(findings, ESCAPED, escaped, block)
            what = "quotes that do not match (if quotes are letters in this file: --quote none)"
            _note(findings, what, broken & ~escaped, block)
        for name in () if self.names else list(wanted)[:1]:
            refuse_other_header(where, block.text, block.line, columns[name], names)
        if wrong.any():
            escaped = wrong & holding(raw, "\\") & ~broken if not escapes else np.zeros(len(raw), np.bool_)
            _note(findings, ESCAPED, escaped, block)
            _note(findings, f"more or fewer fields than the {len(names)} columns", wrong & ~escaped, block)
        return Records(raw, pa.array(block.line), either(some(broken), some(wrong)), columns, block.read)

    def _split(
        self, text: pa.Array, broken: Bits, names: tuple[str, ...], wanted: Collection[str]
    ) -> tuple[dict[str, pa.Array], Bits]:
        """The cells of the wanted columns, and which records have another number of fields."""
        width = len(names) + (self.spare == 1)
        blank = self.delimiter * (width - 1)
        quoting = self._quoting
        quoted = holding(text, self.quote) if quoting else np.zeros(len(text), np.bool_)
        plain = pc.if_else(pa.array(quoted), blank, text) if quoted.any() else text
        fields = pc.split_pattern(plain, self.delimiter)
        wrong = bits(pc.not_equal(pc.list_value_length(fields), width))
        if wrong.any():
            fields = pc.split_pattern(pc.if_else(pa.array(wrong), blank, plain), self.delimiter)
        flat = fields.values
        places = {name: names.index(name) for name in wanted} | ({"": width - 1} if self.spare == 1 else {})
        columns = {name: flat.take(pa.array(np.arange(place, len(flat), width))) for name, place in places.items()}
        whole = quoted & ~broken
        if quoting and whole.any():
            parts, bad = quoting.split(text.filter(pa.array(whole)), width)
            for name, place in places.items():
                columns[name] = pc.replace_with_mask(columns[name], pa.array(whole), parts[place])
            wrong[whole] |= bad
        if self.padded:
            columns = {name: pc.utf8_trim(cells, " \t") for name, cells in columns.items()}
        if self.spare == 1:
            wrong |= bits(pc.not_equal(columns.pop(""), ""))
        return columns, wrong

    def _fields(self, line: str) -> list[str]:
        """The fields of the header line, without spaces around them."""
        quoting = self._quoting
        if quoting is None or self.quote not in line or not re.match(quoting.whole, line):
            return [field.strip() for field in line.split(self.delimiter)]
        return [field.strip() for field in quoting.fields(line)]


def _first_record(block: Block) -> tuple[str, int]:
    """The first record that is not blank, and its place; an Excel file's `sep=;` before it is passed over."""
    for place, record in enumerate(block.text[:1000].to_pylist()):
        if record.strip() and not re.fullmatch(NO_HEADER, record):
            return record, place
    return block.text[0].as_py(), 0


def _note(findings: Findings, what: str, mask: Bits, block: Block) -> None:
    if mask.any():
        place = int(np.flatnonzero(mask)[0])
        findings.add(what, int(mask.sum()), int(block.line[place]), block.text[place].as_py() or None)
