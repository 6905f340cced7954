"""Delimited text (csv, tab, `|`, `::`): every line is one record."""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells import Mask
from jobs.sources.folder import Folder
from jobs.sources.lines import LONGEST, Lines, lines
from jobs.sources.records import Records, check_columns

csv.field_size_limit(LONGEST)  # lines.py refuses longer lines


@dataclass(frozen=True)
class Delimited:
    """Text whose fields stand between delimiters; `names` where the file has no header line that gives them.

    Quoted fields may hold the delimiter, not a line end: every physical line is one record.
    """

    delimiter: str = ","
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"
    quoted: bool = True

    def columns(self, folder: Folder, file: str) -> Collection[str]:
        """The names of its columns."""
        with folder.open(file) as stream:
            head = next(lines(stream, self.encoding), None)
        return () if head is None else self._names(folder.where(file), head.text[0].as_py(), ())

    def records(self, folder: Folder, file: str, wanted: Collection[str]) -> Iterator[Records]:
        """A line with more or fewer fields than there are columns is broken."""
        names = self.names
        with folder.open(file) as stream:
            for block in lines(stream, self.encoding):
                if block.first == 1:
                    names = self._names(stream.where, block.text[0].as_py(), wanted)
                    block = block if self.names else block.after(1)
                if len(block.text):
                    yield self._split(block, names, wanted)

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
        names = self.names or tuple(name.strip() for name in fields)
        check_columns(where, wanted, names, line)
        for name in wanted:
            if names.count(name) > 1:
                raise InputError(f"{where}: the column {name!r} stands there twice: {line[:300]}; rename one of them")
        return names

    def _split(self, block: Lines, names: tuple[str, ...], wanted: Collection[str]) -> Records:
        blank = self.delimiter * (len(names) - 1)
        quoted = self._quoted(block.text)
        plain = block.text if quoted is None else pc.if_else(quoted, blank, block.text)
        lists = pc.split_pattern(plain, self.delimiter)
        broken: Mask = None
        if pc.any(pc.not_equal(pc.list_value_length(lists), len(names))).as_py():
            wrong = pc.not_equal(pc.list_value_length(lists), len(names))
            broken = np.array(wrong)
            lists = pc.split_pattern(pc.if_else(wrong, blank, plain), self.delimiter)
        cells, width = lists.values, len(names)
        columns = {name: cells.take(pa.array(np.arange(names.index(name), len(cells), width))) for name in wanted}
        if quoted is not None:
            broken = self._read_quoted(block.text, quoted, names, columns, broken)
        return Records(block.text, block.first, broken, columns, block.read)

    def _quoted(self, text: pa.Array) -> pa.Array | None:
        mask = pc.match_substring(text, '"') if self.quoted else None
        return mask if mask is not None and pc.any(mask).as_py() else None

    def _read_quoted(
        self, text: pa.Array, quoted: pa.Array, names: tuple[str, ...], columns: dict[str, pa.Array], broken: Mask
    ) -> Mask:
        """Puts the cells of the lines with quotes into `columns`; returns the mask of broken lines."""
        rows = [self._fields(line) for line in text.filter(quoted).to_pylist()]
        wrong = np.array([len(row) != len(names) for row in rows])
        for name in columns:
            at = names.index(name)
            cells = pa.array(["" if bad else row[at] for row, bad in zip(rows, wrong, strict=True)], pa.string())
            columns[name] = pc.replace_with_mask(columns[name], quoted, cells)
        if not wrong.any():
            return broken
        broken = np.zeros(len(text), dtype=np.bool_) if broken is None else broken.copy()
        broken[np.array(quoted)] = wrong
        return broken

    def _fields(self, line: str) -> list[str]:
        """The fields of one line; none where its quotes do not match."""
        if not self.quoted or '"' not in line:
            return line.split(self.delimiter)
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True))
        except csv.Error:
            return []
