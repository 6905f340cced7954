"""How a file of a source becomes rows of the landing format."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells import dates, nulls, scalars, times
from jobs.sources.cells.fields import LEFT_OUT, Field
from jobs.sources.cells.scalars import Mask, Parser, either
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder
from jobs.sources.records import Form, Records
from schemas.landing import LANDING

LINE = "#line"
ODD_ID = r"^[\s\p{Z}]|[\s\p{Z}]$|^\d+\.0+$|^=|^\d(\.\d+)?E\+\d+$"
LOOKED_AT = 10_000  # ids
# What stands for facts that are there and cannot be read where they decide who sees an item: fewest people do.
SHUT: Mapping[str, Any] = {"available": False, "regions": [], "age_rating": "unreadable"}


@dataclass(frozen=True)
class Reading:
    """One file and the landing table that it becomes: its form, its columns, and what is the same in every row.

    `lookups` are other files that the fields need. `markers` are the texts that stand for a missing value, by column.
    The source column LINE is the record's line number.
    """

    file: str
    table: str
    form: Form
    fields: Mapping[str, Field]
    constants: Mapping[str, str | bool] = field(default_factory=dict)
    lookups: tuple[str, ...] = ()
    markers: Callable[[str], pa.Array] = nulls.of_known_formats

    def rows(self, folder: Folder, findings: Findings | None = None) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Blocks of rows in the landing format, each with the file's stored bytes read so far; fills `findings`."""
        findings = Findings() if findings is None else findings
        sources = (source for made in self.fields.values() for source in made.sources if source != LINE)
        wanted = list(dict.fromkeys(sources))
        readers = {name: made.begin() for name, made in self.fields.items() if made.begin}
        parsers = {name: readers.get(name) or made.parse for name, made in self.fields.items()}
        looked_at = False
        try:
            for records in self.form.records(folder, self.file, wanted, findings):
                if not looked_at:
                    self._note_odd_ids(records, findings)
                looked_at = True
                yield self._land(records, parsers, findings), records.read
        except _UnclearError as error:
            raise InputError(f"{folder.where(self.file)}: {error}") from error
        findings.notes.update({name: reader.note for name, reader in readers.items() if reader.note})

    def _land(self, records: Records, parsers: Mapping[str, Parser | None], findings: Findings) -> pa.RecordBatch:
        schema = LANDING[self.table].schema
        count = len(records.raw)
        columns: dict[str, pa.Array] = {
            "raw": records.raw,
            "file": pa.repeat(self.file, count),
            "line": records.line,
        }
        unparsable: dict[str, Mask] = {}
        for name, made in self.fields.items():
            columns[name], bad = self._parse(name, made, parsers[name], records, findings)
            rejects = _rejects(self.table, name)
            self._count(name, made, bad, records, findings, rejects)
            if name == "released":
                columns["release_unknown"] = _unknown(columns[name], bad)
            if bad is not None and name in SHUT:
                columns[name] = _shut(columns[name], bad, SHUT[name])
            bad = bad if rejects else None
            unparsable[name] = either(bad, records.broken)
        columns["unparsable"] = _names(unparsable, count)
        for name, value in self.constants.items():
            columns[name] = pa.repeat(value, count)
        arrays = [columns[f.name] if f.name in columns else pa.nulls(count, f.type) for f in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _note_odd_ids(self, records: Records, findings: Findings) -> None:
        """Shows ids that other files hardly have so: with a space at an end, `.0` of pandas, or of a spreadsheet."""
        for name, made in self.fields.items():
            cells = records.cells.get(made.sources[0])
            if made.parse is scalars.identity and cells is not None and pa.types.is_string(cells.type):
                odd = scalars.bits(pc.match_substring_regex(cells[:LOOKED_AT], ODD_ID))
                if odd.any():
                    what = (
                        f"ids with a space at an end, .0, = or 1.2E+12, which are kept so (of the first {LOOKED_AT:,})"
                    )
                    _note(findings, f"{name}: {what}", odd, cells, records)

    def _parse(
        self, name: str, made: Field, parser: Parser | None, records: Records, findings: Findings
    ) -> tuple[pa.Array, Mask]:
        assert parser is not None, name
        given = []
        nested: Mask = None
        for source in made.sources:
            if source == LINE:
                given.append(records.line.cast(pa.string()))
                continue
            column, marked = scalars.without_markers(records.cells[source], self.markers(name))
            nested = either(nested, records.unreadable.get(source))
            if marked is not None:
                _note(findings, f"{name}: texts that stand for a missing value", marked, records.cells[source], records)
            given.append(column)
        try:
            values, bad = parser(*given)
        except InputError as error:
            raise _UnclearError(str(error)) from error
        return values, either(bad, nested)

    def _count(self, name: str, made: Field, bad: Mask, records: Records, findings: Findings, rejects: bool) -> None:
        """Counts the values that could not be read: facts are left out, others reject their rows."""
        bad = scalars.some(bad if bad is None or records.broken is None else bad & ~records.broken)
        if bad is not None:
            source = made.sources[0]
            shown = records.raw if source == LINE else records.cells[source]
            what = f"{made.finding.removesuffix(LEFT_OUT)}, which reject their rows" if rejects else made.finding
            _note(findings, f"{name}: {what}", bad, shown, records, hint)


def _unknown(values: pa.Array, bad: Mask) -> pa.Array:
    """Whether a fact that decides who sees an item was there and could not be read; null where there was none."""
    known = pc.if_else(values.is_valid(), False, pa.scalar(None, pa.bool_()))
    return known if bad is None else pc.if_else(pa.array(bad), True, known)


def _shut(values: pa.Array, bad: scalars.Bits, instead: Any) -> pa.Array:
    """The values, with `instead` where they could not be read; lists keep the elements that could."""
    lost = pa.array(bad) if pa.types.is_boolean(values.type) else pc.and_(pa.array(bad), values.is_null())
    return pc.if_else(lost, pa.scalar(instead, values.type), values)


class _UnclearError(Exception):
    """What a parser cannot know from the cells; the file's name is added where it is known."""


def _rejects(table: str, column: str) -> bool:
    """Whether a row is rejected for a value that cannot be read: ids and what an event or a text consists of do that.

    All else are facts that a row can do without.
    """
    return table == "interactions" or column in ("user_id", "item_id", "review_id", "item_link", "text")


def hint(cell: str) -> str:
    """What to do about a value that was not read, where its text shows why; else empty."""
    if re.fullmatch(r"\s*[+-]?[\d.\s]*\d,\d+\s*", cell):
        return "a comma before decimals? csv: --decimal ,"
    return dates.zone_hint(cell)


def _note(
    findings: Findings,
    what: str,
    mask: scalars.Bits,
    shown: pa.Array,
    records: Records,
    advise: Callable[[str], str] = lambda cell: "",
) -> None:
    place = int(np.flatnonzero(mask)[0])
    text = times.show(shown[place])
    text = records.raw[place].as_py() if text is None else text
    findings.add(what, int(mask.sum()), records.line[place].as_py(), text, advise(text or ""))


def _names(masks: Mapping[str, Mask], count: int) -> pa.Array:
    """For every row the names of the columns whose mask is set."""
    matrix = np.zeros((count, len(masks)), dtype=np.bool_)
    for column, mask in enumerate(masks.values()):
        if mask is not None:
            matrix[:, column] = mask
    offsets = np.concatenate([[0], matrix.sum(axis=1).cumsum()]).astype(np.int32)
    names = np.array(list(masks), dtype=object)[matrix.nonzero()[1]]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(names, pa.string()))
