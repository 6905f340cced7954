"""Records of a file before they are read: their text, their line number, and the cells of the columns asked for."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from jobs.errors import InputError
from jobs.sources.cells import Mask
from jobs.sources.folder import Folder


@dataclass(frozen=True)
class Records:
    """A block of records. Cells of a broken record are empty; `read` counts the file's stored bytes so far."""

    raw: pa.Array
    first: int
    broken: Mask
    cells: Mapping[str, pa.Array]
    read: int

    @property
    def line(self) -> pa.Array:
        """Line numbers."""
        return pa.array(np.arange(self.first, self.first + len(self.raw)))


class Form(Protocol):
    """How a file keeps its records."""

    def columns(self, folder: Folder, file: str) -> Collection[str] | None:
        """The names of its columns; None where every record has its own."""

    def records(self, folder: Folder, file: str, wanted: Collection[str]) -> Iterator[Records]:
        """All records of a file with the cells of the wanted columns; InputError where the file is not of this form."""


def check_columns(where: str, wanted: Collection[str], there: Collection[str], found: str) -> None:
    """InputError that names the first wanted column which is not there; `found` is the header as it stands."""
    for column in wanted:
        if column not in there:
            raise InputError(
                f"{where}: there is no column {column!r}; it has: {found[:300]}. "
                "Is this the right file? `encore import csv|jsonl|parquet --map` gives other names to columns"
            )
