"""How a file of a source becomes rows of the landing format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.sources import cells
from jobs.sources.cells import Mask, Parser
from jobs.sources.folder import Folder
from jobs.sources.records import Form, Records
from schemas.landing import LANDING

LINE = "#line"


@dataclass(frozen=True)
class Field:
    """A landing column made from columns of the file: `parse` takes their cells in this order."""

    parse: Parser
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """One file and the landing table that it becomes: its form, its columns, and what is the same in every row.

    `lookups` are other files that the fields need. The source column LINE is the record's line number.
    """

    file: str
    table: str
    form: Form
    fields: Mapping[str, Field]
    constants: Mapping[str, str | bool] = field(default_factory=dict)
    lookups: tuple[str, ...] = ()

    def rows(self, folder: Folder) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Blocks of rows in the landing format, each with the file's stored bytes read so far."""
        sources = (source for made in self.fields.values() for source in made.sources if source != LINE)
        wanted = list(dict.fromkeys(sources))
        for records in self.form.records(folder, self.file, wanted):
            yield self._land(records), records.read

    def _land(self, records: Records) -> pa.RecordBatch:
        schema = LANDING[self.table].schema
        count = len(records.raw)
        columns: dict[str, pa.Array] = {
            "raw": records.raw,
            "file": pa.repeat(self.file, count),
            "line": records.line,
        }
        unparsable: dict[str, Mask] = {}

        def cell(source: str) -> pa.Array:
            return records.line.cast(pa.string()) if source == LINE else records.cells[source]

        for name, made in self.fields.items():
            columns[name], bad = made.parse(*(cell(source) for source in made.sources))
            unparsable[name] = bad if records.broken is None else records.broken | (False if bad is None else bad)
        columns["unparsable"] = _names(unparsable, count)
        for name, value in self.constants.items():
            columns[name] = pa.repeat(value, count)
        arrays = [columns[f.name] if f.name in columns else pa.nulls(count, f.type) for f in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def integer(source: str) -> Field:
    """The column as a whole number of 32 bits."""
    return Field(partial(cells.integer, type=pa.int32()), (source,))


def named(source: str, names: Mapping[Any, str], as_list: bool = False) -> Field:
    """The name that stands for the column's code; a code without a name is unparsable."""
    then = partial(cells.parts, separator=cells.LIST) if as_list else cells.text
    return Field(partial(cells.named, names={str(code): name for code, name in names.items()}, then=then), (source,))


def flags(names: tuple[str, ...]) -> Field:
    """The list of those columns that hold 1; the others hold 0."""
    return Field(partial(cells.flags, names=names), names)


@dataclass(frozen=True)
class Options:
    """What the command line may say of files that do not explain themselves; None and empty: nothing was said."""

    format: str
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"


def _names(masks: Mapping[str, Mask], count: int) -> pa.Array:
    """For every row the names of the columns whose mask is set."""
    matrix = np.zeros((count, len(masks)), dtype=np.bool_)
    for column, mask in enumerate(masks.values()):
        if mask is not None:
            matrix[:, column] = mask
    offsets = np.concatenate([[0], matrix.sum(axis=1).cumsum()]).astype(np.int32)
    names = np.array(list(masks), dtype=object)[matrix.nonzero()[1]]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(names, pa.string()))


def text(source: str) -> Field:
    """The column as it is."""
    return Field(cells.text, (source,))


def number(source: str) -> Field:
    """The column as a number."""
    return Field(cells.number, (source,))


def moment(source: str) -> Field:
    """The column, epoch seconds or ISO 8601, as a time."""
    return Field(cells.moment, (source,))


def parts(source: str, separator: str, none: str = "") -> Field:
    """The column as a list."""
    return Field(partial(cells.parts, separator=separator, none=none), (source,))
