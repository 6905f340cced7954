"""Judges landed rows by the checks of their table (schemas/inputs.py): good, too early, or bad, with all reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.cleaning.database import database
from jobs.storage.files import filesystem
from schemas.inputs import EARLY
from schemas.landing import LANDING
from schemas.table import Check

Share = tuple[str, tuple[int, ...]]
Bits = npt.NDArray[np.int64]
IDS = ("user_id", "item_id", "kind")
BAD = pa.schema(
    [("number", pa.int64()), ("line", pa.int64()), ("table", pa.string()), ("file", pa.string()),
     ("reasons", pa.list_(pa.string())), ("raw", pa.string()), ("early", pa.bool_())]
)  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """How rows of a landing table are judged.

    checks: name → SQL, with the domain's and the night's values filled in. waits: whether a row that is early for this
    reason alone may wait. items: ids that the catalogue has; None where nothing asks for them.
    """

    table: str
    checks: Mapping[str, str]
    waits: frozenset[str] = frozenset()
    items: pa.Array | None = None
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Keeps the names in their order."""
        object.__setattr__(self, "names", tuple(self.checks))

    @property
    def early(self) -> int:
        """The bits of the reasons that wait."""
        return sum(1 << place for place, name in enumerate(self.names) if name in self.waits)

    def judge(self, rows: pa.Table) -> Bits:
        """For every row the bits of the checks that it fails, in the order of the checks; 0 for a good one."""
        if not self.checks or not rows.num_rows:
            return np.zeros(rows.num_rows, np.int64)
        if self.items is not None:
            rows = rows.append_column("item_known", _are_known(rows["item_id"], self.items))
        bits = " | ".join(
            f"CASE WHEN {violation} THEN {1 << place} ELSE 0 END"
            for place, violation in enumerate(self.checks.values())
        )
        rows = rows.append_column("place", pa.array(np.arange(rows.num_rows)))
        with database() as db:
            db.register("rows", rows)
            failures = db.execute(f"SELECT place, ({bits})::BIGINT AS bits FROM rows").fetchnumpy()
        judged = np.zeros(rows.num_rows, np.int64)
        judged[failures["place"]] = failures["bits"]
        return judged

    def reasons(self, bits: int) -> list[str]:
        """The names of the checks."""
        return [name for place, name in enumerate(self.names) if bits >> place & 1]


def rules_of(table: str, values: Mapping[str, str], *, waits: Sequence[str] = EARLY, items: pa.Array | None) -> Rules:
    """The rules of a landing table; without `items` nobody asks whether the catalogue has an item."""
    checks: Sequence[Check] = LANDING[table].checks
    filled = {c.name: c.violation.format(**values) for c in checks if items is not None or c.name != "unknown_item"}
    return Rules(table, filled, frozenset(waits), items if "unknown_item" in filled else None)


def _are_known(ids: pa.ChunkedArray, items: pa.Array) -> pa.Array:
    """Whether the catalogue has each item; true for a row without one."""
    coded = ids.combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    names = coded.dictionary.cast(pa.string())
    there = pc.or_(pc.is_in(names, value_set=items), pc.equal(names, ""))
    return pc.fill_null(there.take(coded.indices), True)


def shares(addresses: Sequence[str], rows_of_share: int = 1 << 20) -> list[Share]:
    """Landed files for tasks, each as (address, row groups), of at most about so many rows."""
    result: list[Share] = []
    for address in addresses:
        fs, path = filesystem(address)
        with fs.open_input_file(path) as source:
            metadata = pq.ParquetFile(source).metadata
        groups: list[int] = []
        rows = 0
        for group in range(metadata.num_row_groups):
            groups.append(group)
            rows += metadata.row_group(group).num_rows
            if rows >= rows_of_share:
                result.append((address, tuple(groups)))
                groups, rows = [], 0
        if groups:
            result.append((address, tuple(groups)))
    return result


def read_share(share: Share, table: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of a share's rows in the landing format, ids as dictionaries; one that a file lacks is null."""
    address, groups = share
    fs, path = filesystem(address)
    types = {f.name: f.type for f in LANDING[table].schema}
    with fs.open_input_file(path) as source:
        file = pq.ParquetFile(source, read_dictionary=[name for name in IDS if name in columns])
        there = [name for name in columns if name in file.schema_arrow.names]
        rows = file.read_row_groups(list(groups), columns=there, use_threads=False)
    for name in columns:
        if name not in there:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, types[name]))
    return rows.select(list(columns)).combine_chunks()


def bad_rows(share: Share, rules: Rules, number: int, file: str, lines: pa.Array, bits: Bits) -> pa.Table:
    """The rows that fail a check (BAD), with their text, which is read for them alone."""
    places = np.flatnonzero(bits)
    if not len(places):
        return BAD.empty_table()
    raw = read_share(share, rules.table, ["raw"])["raw"].take(pa.array(places))
    failed = bits[places]
    names = {value: rules.reasons(int(value)) for value in np.unique(failed)}
    early = (failed & ~np.int64(rules.early)) == 0
    columns: dict[str, Any] = {
        "number": pa.repeat(number, len(places)).cast(pa.int64()),
        "line": lines.take(pa.array(places)),
        "table": pa.repeat(rules.table, len(places)),
        "file": pa.repeat(file, len(places)),
        "reasons": pa.array([names[value] for value in failed], pa.list_(pa.string())),
        "raw": raw,
        "early": pa.array(early),
    }
    return pa.table(columns).select(BAD.names).cast(BAD)
