"""The published tables without some users: files that hold them are written anew, and all history that refers to the
old ones goes in the same commit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.cleaning.keys import hashes, write_digest
from jobs.cleaning.spec import SPECS
from jobs.errors import InputError
from jobs.privacy import artifacts, rows
from jobs.privacy.decode import USER_COLUMNS
from jobs.privacy.ids import Ids
from jobs.states import Publication, complete_nights, last_publications
from jobs.storage.files import filesystem
from jobs.storage.frames import read, write
from jobs.storage.rewrite import Content, Rewriting, View, by_partition
from jobs.storage.runs import Run
from jobs.storage.upkeep import DataFile, State
from schemas.tables import TABLES

# `models` first, which needs the users' rows in the vocabulary; the vocabulary last: a repeat finds them there.
ORDER = ("models", *(name for name in TABLES if name not in ("models", "vocabulary", "runs")), "vocabulary")
KEYS = {spec.name: spec.key for spec in SPECS}


@dataclass
class Erasing:
    """An erasure at work on the tables of a warehouse. `folder` of a night is where new files go; counts: rows by
    table."""

    tables: Rewriting
    domain: str
    ids: Ids
    lines: rows.Lines
    name: str
    publications: Sequence[Publication]
    last: Mapping[str, int]
    user_rows: Sequence[int]
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Rewriting, domain: str, ids: Ids, name: str) -> Self:
        """With what `runs` says: the publications that stay, and the number of each domain's last one."""
        published = read([file.path for file in tables.state("runs").now], TABLES["runs"].schema).to_pylist()
        newest = [Publication.of(row) for row in last_publications(published).values()]
        last = {one.domain: one.sequence for one in newest}
        stay = [*dict.fromkeys([*complete_nights(published), *newest])]
        return cls(tables, domain, ids, {}, name, stay, last, user_rows(tables, domain, ids))

    @property
    def tags(self) -> frozenset[str]:
        """Of the publications that stay."""
        return frozenset(Run.of(self.tables.warehouse, one).tag(one.sequence) for one in self.publications)

    def drop_superseded(self) -> None:
        """Takes the other publications out of `runs`: nobody can roll back to them."""
        stay = {(one.domain, one.ds, one.run_id) for one in self.publications}
        self.tables.drop("runs", lambda partition: partition in stay, self.tags)

    def rewrite(self, name: str) -> None:
        """One table, in one commit."""
        self.tables.rewrite(name, partial(self._plan, name, {}))

    def _plan(self, name: str, anew: dict[str, str | None], state: State) -> list[View]:
        """anew: file → what takes its place, kept while the plan is made again on top of other commits."""
        stays = {path for view in self._views(name, state, {}) for some in view.content.values() for path in some}
        for file in sorted(state.every, key=lambda file: file.path):
            if file.partition[0] == self.domain and file.path in stays and file.path not in anew:
                anew[file.path] = self._without(name, file)
        return self._views(name, state, anew)

    def _views(self, name: str, state: State, anew: Mapping[str, str | None]) -> list[View]:
        """What the table becomes: each domain as its last publication left it, that of the users without them.

        Publications that stay and were something else get a state of their own; a publication that was killed is gone.
        """
        final: dict[tuple[str, ...], list[str]] = {}
        for domain in sorted({file.partition[0] for file in state.every}):
            final |= by_partition(file for file in self._list_left(name, state, domain) if file.partition[0] == domain)
        others: dict[str, tuple[Content, set[str]]] = {}
        tags: set[str] = set()
        for one in self.publications:
            tag = Run.of(self.tables.warehouse, one).tag(one.sequence)
            if tag not in state.tags:
                continue
            shown = self._is_shown(name, one)
            then = by_partition(file for file in state.snapshots[state.tags[tag]] if shown(file.partition))
            if then == {partition: paths for partition, paths in final.items() if shown(partition)}:
                tags.add(tag)
                continue
            rest = {partition: paths for partition, paths in final.items() if not shown(partition)}
            others.setdefault(str(sorted(then.items())), ({**rest, **then}, set()))[1].add(tag)
        views = [*others.values(), (final, tags)]
        return [View(_rename(content, anew), frozenset(some)) for content, some in views]

    def _list_left(self, name: str, state: State, domain: str) -> frozenset[DataFile]:
        snapshot = self.tables.find_left(name, domain, self.last.get(domain, 0))
        return state.snapshots.get(snapshot, frozenset()) if snapshot is not None else frozenset()

    def _is_shown(self, name: str, one: Publication) -> Callable[[tuple[str, ...]], bool]:
        """Whether a publication shows a partition, as `jobs.storage.sql.add_publications` has it."""
        own = "ds" in TABLES[name].key
        return lambda partition: (
            partition[0] == one.domain and (partition[1] == one.ds if own else partition[1] <= one.ds)
        )

    def _without(self, name: str, file: DataFile) -> str | None:
        """The file that takes another's place: itself where no user stands in it, None where nothing remains."""
        run = Run(self.tables.warehouse, self.domain, file.partition[1], f"erasure-{self.name}")
        folder = run.new_attempt("erase")
        old, new = self.change(name, file.path, folder)
        if old is None or new is None:
            return file.path
        gone = old.num_rows - new.num_rows
        self.counts[name] = self.counts.get(name, 0) + (gone or _count_changed(old, new))
        if not new.num_rows:
            return None
        address = write(new, f"{folder}/{name}", group_rows=_group_rows(file.path))
        if name in KEYS:
            write_digest(address, hashes(new, KEYS[name]))
        return address

    def change(self, name: str, path: str, folder: str) -> tuple[pa.Table | None, pa.Table | None]:
        """A file's rows before and after; no rows after where it stays as it is. folder: for what they refer to."""
        if name == "models":
            old = read([path], TABLES[name].schema)
            return old, artifacts.without(old, self.user_rows, folder)
        return self._filter(name, path) if rows.holds_users(name) else (None, None)

    def _filter(self, name: str, path: str) -> tuple[pa.Table, pa.Table | None]:
        """Only the columns that name users are read where there are none."""
        schema = TABLES[name].schema
        columns = [column for column in schema.names if column in USER_COLUMNS or column == "id"]
        if columns and name not in rows.RAW:
            some = read([path], schema, columns=columns)
            if not any(pc.any(pc.is_in(column, value_set=self.ids.array)).as_py() for column in some.columns):
                return some, None
        old = read([path], schema)
        return old, rows.without(name, old, self.ids, self.lines)


def _count_changed(old: pa.Table, new: pa.Table) -> int:
    """Rows of which a text is another one."""
    changed = np.zeros(old.num_rows, bool)
    for column in old.schema:
        if pa.types.is_string(column.type):
            same = pc.fill_null(pc.equal(old[column.name], new[column.name]), True)
            changed |= ~same.to_numpy(zero_copy_only=False)
    return int(changed.sum())


def _group_rows(path: str) -> int | None:
    """Rows of a row group, where a file has several."""
    fs, local = filesystem(path)
    with fs.open_input_file(local) as source:
        metadata = pq.ParquetFile(source).metadata
        return int(metadata.row_group(0).num_rows) if metadata.num_row_groups > 1 else None


def _rename(content: Content, anew: Mapping[str, str | None]) -> Content:
    renamed = {p: sorted(new for path in paths if (new := anew.get(path, path))) for p, paths in content.items()}
    return {partition: paths for partition, paths in sorted(renamed.items()) if paths}


def user_rows(tables: Rewriting, domain: str, ids: Ids) -> list[int]:
    """The users' rows in the vocabulary."""
    paths = [path for _, path in tables.current_files("vocabulary", domain)]
    table = read(paths, TABLES["vocabulary"].schema)
    theirs = pc.and_(pc.equal(table["kind"], "user"), pc.is_in(table["id"], value_set=ids.array))
    numbers: list[int] = table.filter(theirs)["row"].to_pylist()
    return sorted(numbers)


def raw_lines(tables: Rewriting, domain: str) -> set[tuple[int, int]]:
    """(delivery, line) of all rows whose texts are kept."""
    lines: set[tuple[int, int]] = set()
    for name in rows.RAW:
        paths = sorted(file.path for file in tables.state(name).every if file.partition[0] == domain)
        table = read(paths, TABLES[name].schema, columns=["delivery", "line"])
        lines |= {pair for pair in zip(*(c.to_pylist() for c in table.columns), strict=True) if pair[0] is not None}
    return lines


def require_no_branches(tables: Rewriting) -> None:
    """InputError where somebody has made a branch beside a table: its snapshots would keep the users."""
    for name in ORDER:
        if tables.state(name).branches:
            raise InputError(f"table {name} has branches beside main, which keep every user; remove them first")


def published_users(addresses: Iterable[str]) -> set[str]:
    """All ids in the columns of users of some Parquet files."""
    users: set[str] = set()
    for address in addresses:
        fs, path = filesystem(address)
        with fs.open_input_file(path) as source:
            file = pq.ParquetFile(source)
            names = [name for name in file.schema_arrow.names if name in USER_COLUMNS]
            columns = file.read(columns=names).columns if names else []
            if {"id", "kind", "row"} <= set(file.schema_arrow.names):
                columns = [file.read(columns=["id", "kind"]).filter(pc.field("kind") == "user")["id"]]
            for column in columns:
                users |= {user for user in column.cast(pa.string()).unique().to_pylist() if user is not None}
    return users
