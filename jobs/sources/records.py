"""Records of a file before they are read: their text, their line number, and the cells of the columns asked for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells.scalars import Mask, bits
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder


@dataclass(frozen=True)
class Records:
    """A block of records, with the number of the line (in Parquet: row) where each begins.

    Cells keep the type that the file gives them, null where there is none. All cells of a broken record are unreadable,
    and those that `unreadable` marks by column. `read` counts the file's stored bytes so far.
    """

    raw: pa.Array
    line: pa.Array
    broken: Mask
    cells: Mapping[str, pa.Array]
    read: int
    unreadable: Mapping[str, Mask] = field(default_factory=dict)


class Form(Protocol):
    """How a file keeps its records."""

    def columns(self, folder: Folder, file: str) -> Collection[str] | None:
        """The names of its columns; None where every record has its own."""

    def records(self, folder: Folder, file: str, wanted: Collection[str], findings: Findings) -> Iterator[Records]:
        """All records of a file with the cells of the wanted columns; InputError where the file is not of this form."""


def check_columns(where: str, wanted: Collection[str], there: Collection[str], source: str, hint: str = "") -> None:
    """InputError for a wanted column that is not there, or is there twice; `found` is the header as it stands."""
    names = list(there)
    for column in wanted:
        if column not in names:
            raise InputError(
                f"{where}: there is no column {column!r}; it has: {source[:300]}. {hint}"
                "Is this the right file? `encore import csv|jsonl|parquet --map` gives other names to columns"
            )
        if names.count(column) > 1:
            raise InputError(f"{where}: the column {column!r} stands there twice: {source[:300]}; rename one of them")


def refuse_other_header(where: str, texts: pa.Array, lines: np.ndarray, cells: pa.Array, names: Sequence[str]) -> None:
    """InputError for a header line in another order amid the records, as joined files of two kinds have it."""
    similar = bits(pc.is_in(cells, pa.array(names, pa.string())))
    for place in np.flatnonzero(similar):
        record = texts[int(place)].as_py()
        if all(name in record for name in names):
            raise InputError(
                f"{where}, line {lines[place]}: another header line, with its columns in another order "
                f"({record[:200]!r}); import the joined files one by one"
            )
