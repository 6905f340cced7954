"""How a table of events grows by a night's deliveries: what is added, replaced, moved to an earlier night, taken back.

Every key stands once in the whole table, in the earliest night that has it, with what the newest delivery says. Rows
whose hashes meet no other go straight into the night's partition. The others are weighed with the rows that stand:
those alone are read, and only files that lose rows are written anew. Where the rows that stand do not tell enough,
because a delivery is withdrawn or comes out of order, the landed rows of these keys are read once more.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from jobs.cleaning.judging import shares
from jobs.cleaning.keys import NONE, Hashes, digest, find_common, write_hashes
from jobs.cleaning.pieces import Counts, Extraction, Given, Grown, Judged, Piece, Published, Sweep
from jobs.cleaning.ranges import (
    Fold,
    Range,
    amend_piece,
    fold_range,
    landed_keys,
    landed_kinds,
    place_of,
    recall_piece,
    standing_keys,
    swept_keys,
)
from jobs.cleaning.spread import Spread, flat
from jobs.cleaning.tasks import extract, judge
from jobs.storage import files
from jobs.storage.deliveries import SNAPSHOT
from models.sorting import distinct, find_repeated, first_of_equals, is_among

RANGE_ROWS = 1_000_000  # that one piece of the fold weighs, about
SNAPSHOTS = pa.schema([("batch", pa.int64()), ("kind", pa.string())])


def grow(given: Given, spread: Spread) -> Grown:
    """Grows a table of events by a night's deliveries: judges their rows, weighs those that meet others, writes the
    files."""
    pieces = [
        Piece(given.spec, given.judging, landed.source, share, f"{landed.number}-{part}{suffix}")
        for suffix, every in (("", given.new), ("-held", given.waiting))
        for landed in every
        for part, share in enumerate(shares(landed.data))
    ]
    judged: list[Judged] = spread(judge, pieces)
    return Weighing(given, pieces, judged, spread).result()


class Weighing:
    """The rows that meet others, after all are judged."""

    def __init__(self, given: Given, pieces: Sequence[Piece], judged: Sequence[Judged], spread: Spread) -> None:
        self.given, self.pieces, self.judged, self.spread = given, pieces, list(judged), spread
        self.work = f"{given.judging.folder}/.work/{given.spec.name}"
        self.published = [
            Published(given.spec, address, ds) for ds, every in given.partitions.items() for address in every
        ]
        self.digests = [NONE if one.kept is None else digest(one.kept, given.spec.key) for one in judged]
        self.sweeps = self._sweeps()
        self.ranges = 1

    def _sweeps(self) -> list[Sweep]:
        """What tonight's snapshots end."""
        kinds: dict[int, set[str]] = defaultdict(set)
        for piece, one in zip(self.pieces, self.judged, strict=True):
            if piece.source.mode == SNAPSHOT and piece.source.lines is None:
                kinds[piece.source.batch] |= one.kinds
        keyed = "kind" in self.given.spec.key
        return [Sweep(batch, frozenset(some)) for batch, some in sorted(kinds.items()) if some or not keyed]

    def result(self) -> Grown:
        """The table as it becomes."""
        every = np.concatenate([NONE, *self.digests])
        every.sort()
        tonight = every[first_of_equals(every)]
        there = find_common(tonight, (digest(file.address, self.given.spec.key) for file in self.published))
        recalls = self._recalls(there)
        ended = self._older(max([self.given.last_snapshot, *(sweep.batch for sweep in self.sweeps)]))
        suspects = distinct(np.concatenate([find_repeated(every), there, *ended, self._hash_mentioned()]))
        wanted = None if recalls and self._all_anew() else suspects
        if recalls and wanted is not None:
            swept = self.spread(swept_keys, [(file, tuple(self.sweeps)) for file in self.published if self.sweeps])
            ended_keys = distinct(np.concatenate([NONE, *swept]))
            missing = ended_keys[~is_among(ended_keys, tonight)]
            wanted = distinct(np.concatenate([wanted, self._withdrawn_keys(), missing]))
        if wanted is not None and not len(wanted) and not self.sweeps:
            return self._assemble([])
        total = len(every) + files.count_rows([file.address for file in self.published])
        self.ranges = -(-(total if wanted is None or self.sweeps else 2 * len(wanted)) // RANGE_ROWS) or 1
        address = write_hashes(tonight if wanted is None else wanted, self.work, "wanted")
        self._part(address, tonight if wanted is None else wanted)
        self._extract(None if wanted is None else address, () if recalls else tuple(self.sweeps))
        if recalls:
            self._recall(None if wanted is None else address)
        return self._assemble(self.spread(partial(fold_range, self._fold(recalls)), range(self.ranges)))

    def _recalls(self, there: Hashes) -> bool:
        """Whether landed rows have to be read again: `there` are tonight's hashes that the table has."""
        given = self.given
        swept = any(sweep.batch <= given.newest for sweep in self.sweeps)
        ended = any(len(own) for own in self._older(given.last_snapshot))
        return bool(given.withdrawn) or swept or ended or len(find_common(there, self._older(given.newest + 1))) > 0

    def _older(self, number: int) -> list[Hashes]:
        """Hashes of the pieces of deliveries that arrived before one."""
        return [own for piece, own in zip(self.pieces, self.digests, strict=True) if piece.source.number < number]

    def _all_anew(self) -> bool:
        """Whether all keys are concerned: a snapshot is withdrawn, or comes out of order."""
        lost = any(one.source.mode == SNAPSHOT for one in self.given.withdrawn)
        return lost or any(sweep.batch <= self.given.newest for sweep in self.sweeps)

    def _hash_mentioned(self) -> Hashes:
        """Hashes of rows of tonight's snapshots that are not good."""
        return distinct(np.concatenate([NONE, *(one.mentioned for one in self.judged)]))

    def _withdrawn_keys(self) -> Hashes:
        gone = self.given.withdrawn
        landed = [(self.given.spec, share) for one in gone for share in shares(one.data)]
        numbers = frozenset(one.number for one in gone)
        stand = [(file, numbers) for file in self.published] if gone else []
        parts = self.spread(landed_keys, landed) + self.spread(standing_keys, stand)
        return distinct(np.concatenate([NONE, *parts]))

    def _part(self, wanted: str, keys: Hashes) -> None:
        """Judges those pieces again that have rows to weigh, and puts these rows apart."""
        every = zip(self.digests, self.judged, strict=True)
        meets = [n for n, (own, one) in enumerate(every) if len(find_common(keys, [own, one.mentioned]))]
        apart = {"skip": wanted, "apart": f"{self.work}/versions", "ranges": self.ranges}
        again = [replace(self.pieces[n], **apart) for n in meets]  # type: ignore[arg-type]
        for n, one in zip(meets, self.spread(judge, again), strict=True):
            if one.kept is None and (old := self.judged[n].kept):
                files.delete_file(old)
            self.judged[n] = replace(self.judged[n], kept=one.kept)

    def _extract(self, wanted: str | None, sweeps: tuple[Sweep, ...]) -> None:
        place = f"{self.work}/stands"
        every = enumerate(self.published)
        self.spread(extract, [Extraction(file, wanted, place, self.ranges, str(n), sweeps) for n, file in every])

    def _recall(self, wanted: str | None) -> None:
        given, place = self.given, f"{self.work}/versions"
        pieces = []
        for one in given.earlier():
            judging = replace(given.judging, ds=one.ds)
            for part, share in enumerate(shares(one.data)):
                name = f"{one.number}-{part}"
                piece = Piece(given.spec, judging, one.source, share, name, wanted, place, self.ranges)
                pieces.append((piece, one.excluded, one.nights))
        self.spread(recall_piece, pieces)

    def _fold(self, recalls: bool) -> Fold:
        given = self.given
        rows = {(sweep.batch, kind) for sweep in self.sweeps for kind in (sweep.kinds or {""})}
        lost = None
        if recalls:
            earlier = given.earlier()
            lost = frozenset(one.number for one in earlier if not one.data)
            old = [one for one in earlier if one.source.mode == SNAPSHOT]
            work = [(given.spec, one.source.batch, share) for one in old for share in shares(one.data)]
            rows = rows.union(*self.spread(landed_kinds, work))
        snapshots = pa.Table.from_pylist([{"batch": b, "kind": k} for b, k in sorted(rows)], schema=SNAPSHOTS)
        gone = frozenset(one.number for one in given.withdrawn)
        return Fold(given.spec, given.judging, self.work, snapshots, given.adds_up, lost, gone)

    def _assemble(self, done: Sequence[Range]) -> Grown:
        given, night = self.given, self.given.judging.ds
        counts: Counts = defaultdict(lambda: defaultdict(int))
        for part in done:
            for number, outcome, rows in part.counts:
                counts[number][outcome] += rows
        for piece, one in zip(self.pieces, self.judged, strict=True):
            counts[piece.source.number]["accepted"] += files.parquet_rows(one.kept) if one.kept else 0
        partitions = {ds: list(every) for ds, every in given.partitions.items()}
        touched = {night, *self._lose(distinct(np.concatenate([NONE, *(part.changed for part in done)])), partitions)}
        for ds, address in flat([part.standing for part in done]):
            partitions.setdefault(ds, []).append(address)
            touched.add(ds)
        partitions.setdefault(night, []).extend(one.kept for one in self.judged if one.kept)
        bad = [one.bad for one in self.judged if one.bad]
        return Grown({ds: sorted(partitions[ds]) for ds in sorted(touched)}, counts, bad)

    def _lose(self, changed: Hashes, partitions: dict[str, list[str]]) -> set[str]:
        """Takes the rows of changed keys out of the files that stand; returns the nights that lost some."""
        if not len(changed):
            return set()
        spec, judging = self.given.spec, self.given.judging
        gone = write_hashes(changed, self.work, "gone")
        hit = [file for file in self.published if len(find_common(changed, [digest(file.address, spec.key)]))]
        places = [place_of(judging.folder, spec.name, file.ds, judging.ds) for file in hit]
        work = [(file, gone, place, f"less-{n}") for n, (file, place) in enumerate(zip(hit, places, strict=True))]
        for file, less in zip(hit, self.spread(amend_piece, work), strict=True):
            partitions[file.ds].remove(file.address)
            partitions[file.ds] += [less] if less else []
        return {file.ds for file in hit}
