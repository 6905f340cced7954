"""Values that describe a night's cleaning: deliveries, parts of their files, published files, what became of each.

Spark carries them to its tasks, so that they hold names and addresses, never rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa

from jobs.cleaning.judging import Rules, Share, rules_of
from jobs.cleaning.keys import NONE, Hashes
from jobs.cleaning.spec import Spec
from jobs.storage.frames import read

IDS = pa.schema([("item_id", pa.string())])
LINKS = pa.schema([("item_link", pa.string()), ("item_id", pa.string())])
Counts = dict[int, dict[str, int]]


@dataclass(frozen=True)
class Source:
    """A delivery as its rows know it. file: what they call it. lines: the only ones that count; None for all."""

    number: int
    batch: int
    mode: str
    file: str
    lines: frozenset[int] | None = None


@dataclass(frozen=True)
class Landed:
    """A delivery with its files (none where they are gone), as tonight needs it.

    Of one that an earlier night (`ds`) has judged: excluded, its lines that were not accepted; nights, those lines that
    a later night accepted.
    """

    source: Source
    data: tuple[str, ...]
    ds: str = ""
    excluded: frozenset[int] = frozenset()
    nights: Mapping[int, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The number of the delivery."""
        return self.source.number


@dataclass(frozen=True)
class Judging:
    """How tonight judges: where ids of known items and links to items lie, what the rules ask, where files go.

    any_item: whether events may be about items that no catalogue has. counted: whether each event with a value is one.
    """

    domain: str
    ds: str
    placeholders: Mapping[str, str]
    waits: tuple[str, ...]
    items: str | None
    links: str | None
    folder: str
    any_item: bool = False
    counted: bool = False

    def rules(self, table: str) -> Rules:
        """Returns the rules of a landing table."""
        items = None if self.any_item or self.items is None else catalogue_ids(self.items)
        return rules_of(table, self.placeholders, waits=self.waits, items=items)


@lru_cache(maxsize=2)
def catalogue_ids(address: str) -> pa.Array:
    """Ids of the items that the catalogue has, from a file; a worker reads it once."""
    return read([address], IDS)["item_id"].combine_chunks()


@dataclass(frozen=True)
class Piece:
    """One part of a landed file to judge. skip: a file of hashes whose rows go to `apart`, by range, for the fold."""

    spec: Spec
    judging: Judging
    source: Source
    share: Share
    name: str
    skip: str | None = None
    apart: str | None = None
    ranges: int = 1


@dataclass
class Judged:
    """What became of a piece. kept: the file of its good rows; bad: of the others; kinds: of all.

    mentioned: hashes of rows of a snapshot that are not good: it does not lack them.
    """

    number: int
    rows: int
    good: int
    kept: str | None = None
    bad: str | None = None
    kinds: frozenset[str] = field(default_factory=frozenset)
    mentioned: Hashes = field(default_factory=lambda: NONE)


@dataclass(frozen=True)
class Published:
    """A file of the table as it is, and the night whose partition it is of."""

    spec: Spec
    address: str
    ds: str


@dataclass(frozen=True)
class Sweep:
    """Rows that a snapshot ends where it lacks them: older than `batch`, of `kinds` (empty: all)."""

    batch: int
    kinds: frozenset[str]


@dataclass(frozen=True)
class Extraction:
    """Which rows of a published file are weighed anew: those with hashes in the file `wanted` (None: all), and those
    that a snapshot may end."""

    file: Published
    wanted: str | None
    apart: str
    ranges: int
    name: str
    sweeps: tuple[Sweep, ...] = ()


@dataclass(frozen=True)
class Given:
    """All that a table grows from.

    new: judged tonight. waiting: held rows of earlier deliveries. earlier: gives those that were judged before and
    stay; newest: their highest number; last_snapshot: the import of the newest snapshot among them. withdrawn: to be
    taken back. partitions: night → files, as published. adds_up: whether the rows of a key do.
    """

    spec: Spec
    judging: Judging
    partitions: Mapping[str, Sequence[str]]
    new: Sequence[Landed] = ()
    waiting: Sequence[Landed] = ()
    earlier: Callable[[], Sequence[Landed]] = tuple
    newest: int = 0
    last_snapshot: int = 0
    withdrawn: Sequence[Landed] = ()
    adds_up: bool = False


@dataclass
class Grown:
    """What the table becomes. partitions: those that change, and tonight's, night → files. counts: delivery → outcome
    → rows of the good ones. bad: files of the others."""

    partitions: dict[str, list[str]]
    counts: Counts
    bad: list[str]
