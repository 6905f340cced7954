"""Rewriting history: one commit after which no snapshot of a table refers to the files that were replaced.

Tables are rewritten only where somebody has to be forgotten; else files that a table refers to stay as they are.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import And, BooleanExpression, EqualTo, Or
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.update.snapshot import ExpireSnapshots, ManageSnapshots

from jobs.storage.catalog import METRICS
from jobs.storage.commits import Changes, retry
from jobs.storage.files import delete_file, listing
from jobs.storage.upkeep import DataFile, State, Upkeep
from schemas.tables import TABLES

Partition = tuple[str, ...]  # values of the partition columns
Content = Mapping[Partition, Sequence[str]]  # partition → files


@dataclass(frozen=True)
class View:
    """A state of a table that some tags name."""

    content: Content
    tags: frozenset[str]


def by_partition(files: Iterable[DataFile]) -> dict[Partition, list[str]]:
    """Files by partition, sorted."""
    content: dict[Partition, list[str]] = defaultdict(list)
    for file in files:
        content[file.partition].append(file.path)
    return {partition: sorted(paths) for partition, paths in sorted(content.items())}


class Rewriting(Upkeep):
    """The tables of a warehouse, for who may change what was published."""

    def rewrite(self, name: str, plan: Callable[[State], Sequence[View]]) -> None:
        """Commits the views that `plan` makes of a table's state, of which the last is the table as it is then.

        All other snapshots and tags go. It is planned anew where another commit came between.
        """
        retry(CommitFailedException)(self._rewrite, name, plan)

    def _rewrite(self, name: str, plan: Callable[[State], Sequence[View]]) -> None:
        table = self._load(name)
        state = self.state(name)
        views = plan(state)
        same = len(state.snapshots) == 1 == len(views) and views[0].content == by_partition(state.now)
        if state.current is None or (same and views[0].tags == state.tags.keys()):
            return
        try:
            _commit(table, name, state, views, {})
        except UnicodeEncodeError:  # as in Tables.replace: a text without an upper bound
            kept = {f"{METRICS}.column.{column}": "full" for column in TABLES[name].partition}
            _commit(self._load(name), name, state, views, {f"{METRICS}.default": "counts", **kept})

    def drop(self, name: str, stays: Callable[[Partition], bool], tags: frozenset[str]) -> None:
        """Takes partitions out of a table in one commit, and all tags but some; what these name stays as it is."""
        retry(CommitFailedException)(self._drop, name, stays, tags)

    def _drop(self, name: str, stays: Callable[[Partition], bool], tags: frozenset[str]) -> None:
        table, state = self._load(name), self.state(name)
        gone = [_is(name, one) for one in by_partition(state.now) if not stays(one)]
        if not gone and state.tags.keys() <= tags:
            return
        with Changes(table) as transaction:
            if gone:
                transaction.delete(Or(*gone) if len(gone) > 1 else gone[0])
            refs = ManageSnapshots(transaction)
            for tag in sorted(state.tags.keys() - tags):
                refs.remove_tag(tag)
            refs.commit()
            needed = {state.tags[tag] for tag in state.tags.keys() & tags}
            needed.add(transaction.table_metadata.current_snapshot_id)
            if expired := sorted(state.snapshots.keys() - needed):
                ExpireSnapshots(transaction).by_ids(expired).commit()

    def sweep(self, name: str) -> int:
        """Deletes the metadata files that the table as it is does not need: they hold bounds of replaced files, and
        who reads an earlier metadata file would find them. Returns how many."""
        table = self._find(name)
        if table is None:
            return 0
        needed = {table.metadata_location}
        for snapshot in table.metadata.snapshots:
            needed |= {snapshot.manifest_list, *(one.manifest_path for one in snapshot.manifests(table.io))}
        gone = [one for one in listing(f"{table.location()}/metadata") if one not in needed]
        for address in gone:
            delete_file(address)
        return len(gone)


def _commit(table: IcebergTable, name: str, state: State, views: Sequence[View], metrics: Mapping[str, str]) -> None:
    """One transaction. metrics: properties of the table for these files alone."""
    content: Content = by_partition(state.now)
    with warnings.catch_warnings(), Changes(table) as transaction:
        warnings.filterwarnings("ignore", "Delete operation did not match any records")
        if metrics:
            transaction.set_properties(dict(metrics))
        heads = []
        for view in views:
            _move(transaction, name, content, view.content)
            content = view.content
            with transaction.update_snapshot().fast_append():
                pass  # a snapshot without the manifests that tell what was deleted
            heads.append(transaction.table_metadata.current_snapshot_id)
        if metrics:
            transaction.remove_properties(*metrics)
        refs = ManageSnapshots(transaction)
        tags = {tag: head for view, head in zip(views, heads, strict=True) for tag in view.tags}
        for tag in sorted(state.tags.keys() - tags.keys()):
            refs.remove_tag(tag)
        for tag, head in sorted(tags.items()):
            refs.create_tag(head, tag)
        refs.commit()
        every = {snapshot.snapshot_id for snapshot in transaction.table_metadata.snapshots}
        if expired := sorted(every - set(heads)):
            ExpireSnapshots(transaction).by_ids(expired).commit()


def _move(transaction: Transaction, name: str, now: Content, target: Content) -> None:
    changed = [one for one in {**now, **target} if sorted(now.get(one, [])) != sorted(target.get(one, []))]
    if gone := [_is(name, one) for one in changed if one in now]:
        transaction.delete(Or(*gone) if len(gone) > 1 else gone[0])
    if new := [path for one in changed for path in target.get(one, [])]:
        transaction.add_files(new, check_duplicate_files=False)


def _is(name: str, partition: Partition) -> BooleanExpression:
    tests = [EqualTo(column, value) for column, value in zip(TABLES[name].partition, partition, strict=True)]
    return And(*tests)
