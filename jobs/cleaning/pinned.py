"""Tonight's deliveries as the pin has them, and what is known of those that earlier nights have judged."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.pieces import Landed, Source
from jobs.night import Night
from jobs.storage.deliveries import SNAPSHOT
from jobs.storage.frames import read
from schemas.tables import TABLES


class Deliveries:
    """The pinned deliveries of a night by table, and the published tables that keep account of them."""

    def __init__(self, night: Night) -> None:
        self.night = night
        self.ds = night.ds
        again = {entry["number"] for entry in night.pin["inputs"]}
        self.judged_anew = {entry["number"] for entry in night.pin["withdrawn"]} & again
        self.taken_back = {entry["number"] for entry in night.pin["withdrawn"]} - again

    def read_published(self, table: str, ds: str | None = None, other: str | None = None) -> pa.Table:
        """Rows of a published table: of all nights, of one, or of all but one."""
        history = self._history(table)
        paths = [path for night, path in history if (ds is None or night == ds) and night != other]
        return read(paths, TABLES[table].schema)

    def partitions(self, table: str) -> dict[str, list[str]]:
        """Night → files of a published table."""
        result: dict[str, list[str]] = {}
        for ds, path in self._history(table):
            result.setdefault(ds, []).append(path)
        return result

    def _history(self, table: str) -> list[tuple[str, str]]:
        files: list[tuple[str, str]] = self.night.pin["history"][table]
        self.night.read.update([table] if files else [])
        return files

    def new(self, table: str) -> list[Landed]:
        """Those that are judged tonight."""
        return [make_landed(entry, self.ds) for entry in self.night.pin["inputs"] if entry["table"] == table]

    def withdrawn(self, table: str) -> list[Landed]:
        """Those whose rows go: taken back, or judged anew."""
        return [make_landed(entry, entry["ds"]) for entry in self.night.pin["withdrawn"] if entry["table"] == table]

    def newest(self, table: str) -> int:
        """The highest number of those that were judged before and stay."""
        return max((entry["number"] for entry in self.night.pin["earlier"] if entry["table"] == table), default=0)

    def last_snapshot(self, table: str) -> int:
        """The newest of them that is a snapshot, by its import's first delivery; 0 where there is none."""
        every = self.night.pin["earlier"]
        return max((e["batch"] for e in every if e["table"] == table and e["mode"] == SNAPSHOT), default=0)

    def earlier(self, table: str, numbers: Iterable[int] | None = None) -> list[Landed]:
        """Those that were judged before and stay, with the lines that were not accepted, or by another night."""
        chosen = None if numbers is None else set(numbers)
        entries = [e for e in self.night.pin["earlier"] if e["table"] == table]
        return [
            make_landed(e, e["ds"], self._excluded.get(e["number"], frozenset()), self._nights.get(e["number"], {}))
            for e in entries
            if chosen is None or e["number"] in chosen
        ]

    @cached_property
    def held(self) -> pa.Table:
        """The published rows of `held`, of all nights."""
        return self.read_published("held")

    @cached_property
    def _excluded(self) -> Mapping[int, frozenset[int]]:
        lines: dict[int, set[int]] = {}
        rejected = self.read_published("rejected").select(["delivery", "line"])
        accepted = pc.equal(pc.fill_null(self.held["outcome"], ""), "accepted")
        unsettled = self.held.filter(pc.invert(accepted)).select(["delivery", "line"])
        for rows in (rejected, unsettled):
            for number, line in zip(rows["delivery"].to_pylist(), rows["line"].to_pylist(), strict=True):
                lines.setdefault(number, set()).add(line)
        return {number: frozenset(some) for number, some in lines.items() if number is not None}

    @cached_property
    def _nights(self) -> Mapping[int, Mapping[int, str]]:
        result: dict[int, dict[int, str]] = {}
        accepted = self.held.filter(pc.equal(pc.fill_null(self.held["outcome"], ""), "accepted"))
        for row in accepted.select(["delivery", "line", "taken"]).to_pylist():
            result.setdefault(row["delivery"], {})[row["line"]] = row["taken"]
        return result


def make_landed(
    entry: Mapping[str, Any], ds: str, excluded: frozenset[int] = frozenset(), nights: Mapping[int, str] | None = None
) -> Landed:
    """A delivery of the pin."""
    source = Source(entry["number"], entry["batch"], entry["mode"], entry["path"])
    return Landed(source, tuple(entry["data"]), ds, excluded, nights or {})
