"""Table maintenance: every snapshot with its files, and the commit that expires old nights."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from itertools import chain

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import And, BooleanExpression, EqualTo, LessThan, Or
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots, ManageSnapshots

from jobs.storage.catalog import Tables
from jobs.storage.commits import Changes, retry


@dataclass(frozen=True)
class DataFile:
    """A Parquet file as a table knows it. `partition`: the values of the table's partition columns."""

    path: str
    rows: int
    partition: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """A table's snapshots by id: the files of each, and when it was committed (UTC).

    `tags` name some of them; `branches` are the heads of branches that others have made beside the table.
    """

    current: int | None = None
    tags: Mapping[str, int] = field(default_factory=dict)
    branches: frozenset[int] = frozenset()
    snapshots: Mapping[int, frozenset[DataFile]] = field(default_factory=dict)
    committed: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def now(self) -> frozenset[DataFile]:
        """The files of the table as it is."""
        return self.snapshots[self.current] if self.current is not None else frozenset()

    @property
    def every(self) -> frozenset[DataFile]:
        """The files that any snapshot refers to."""
        return frozenset(chain.from_iterable(self.snapshots.values()))


@dataclass(frozen=True)
class Cut:
    """What a table loses in one commit.

    Partitions with a ds before `before[domain]`; the tags of `drop`; the snapshots of `expire`. The tags of `move` name
    the table as it is after that, because all that they stand for is still there.
    """

    before: Mapping[str, str]
    drop: frozenset[str]
    move: frozenset[str]
    expire: frozenset[int]

    def loses(self, file: DataFile) -> bool:
        """Whether the file leaves the table as it is now."""
        domain, ds = file.partition[:2]
        return ds < self.before.get(domain, "")

    def after(self, state: State) -> frozenset[DataFile]:
        """The files that some snapshot still refers to."""
        kept = [files for snapshot, files in state.snapshots.items() if snapshot not in self.expire]
        return frozenset(chain(*kept, (file for file in state.now if not self.loses(file))))

    def changes(self, state: State) -> bool:
        """Whether there is anything to commit."""
        return bool(self.drop or self.move or self.expire or any(map(self.loses, state.now)))


class Upkeep(Tables):
    """The tables of one warehouse with all that readers and nights need not see."""

    def state(self, name: str) -> State:
        """A table's snapshots and their files; empty for a table that no night has made yet."""
        table = self._find(name)
        return State() if table is None else _state(table)

    def read_commit_time(self, name: str, tag: str) -> datetime | None:
        """When the snapshot of a tag was committed (UTC)."""
        table = self._find(name)
        snapshot = table.snapshot_by_name(tag) if table else None
        return _moment(snapshot) if snapshot else None

    def cut(self, name: str, plan: Callable[[State], Cut]) -> None:
        """Commits what `plan` makes of the table's state; plans anew where another commit came between."""
        retry(CommitFailedException)(self._cut, name, plan)

    def _cut(self, name: str, plan: Callable[[State], Cut]) -> None:
        table = self._load(name)
        state = _state(table)
        cut = plan(state)
        if cut.changes(state):
            _commit(table, cut)


def _state(table: IcebergTable) -> State:
    refs = table.refs()
    read: dict[str, list[DataFile]] = {}
    snapshots: dict[int, frozenset[DataFile]] = {}
    for snapshot in table.metadata.snapshots:
        data_files: list[DataFile] = []
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in read:
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                files = (entry.data_file for entry in entries)
                read[manifest.manifest_path] = [
                    DataFile(file.file_path, file.record_count, tuple(map(str, file.partition))) for file in files
                ]
            data_files += read[manifest.manifest_path]
        snapshots[snapshot.snapshot_id] = frozenset(data_files)
    tags = {name: ref.snapshot_id for name, ref in refs.items() if ref.snapshot_ref_type == SnapshotRefType.TAG}
    branches = frozenset(ref.snapshot_id for name, ref in refs.items() if name != MAIN_BRANCH and name not in tags)
    committed = {snapshot.snapshot_id: _moment(snapshot) for snapshot in table.metadata.snapshots}
    return State(table.metadata.current_snapshot_id, tags, branches, snapshots, committed)


def _moment(snapshot: Snapshot) -> datetime:
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def _commit(table: IcebergTable, cut: Cut) -> None:
    with warnings.catch_warnings(), Changes(table) as transaction:
        warnings.filterwarnings("ignore", "Delete operation did not match any records")
        if cut.before:
            transaction.delete(_older(cut.before.items()), snapshot_properties={"encore.expired": str(cut.before)})
        current = transaction.table_metadata.current_snapshot_id
        refs = ManageSnapshots(transaction)
        for tag in sorted(cut.drop):
            refs.remove_tag(tag)
        for tag in sorted(cut.move):
            refs.create_tag(current, tag)
        refs.commit()
        if cut.expire:
            ExpireSnapshots(transaction).by_ids(sorted(cut.expire)).commit()


def _older(before: Iterable[tuple[str, str]]) -> BooleanExpression:
    nights = (And(EqualTo("domain", domain), LessThan("ds", ds)) for domain, ds in before)
    return reduce(Or, nights)
