"""The catalog of published tables: Apache Iceberg through PyIceberg, the one place that reads and commits them."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.expressions import And, BooleanExpression, EqualTo, LessThan, Or
from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids
from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import assign_fresh_schema_ids
from pyiceberg.table import Table as IcebergTable
from pyiceberg.transforms import IdentityTransform
from sqlalchemy.exc import DBAPIError

from jobs.errors import InputError
from jobs.settings import Settings
from jobs.states import PUBLISHED, last_publications
from jobs.storage import files
from jobs.storage.catalog_loading import NAMESPACE, open_catalog
from jobs.storage.commits import replace_files, require_below, retry
from jobs.storage.frames import read
from schemas.table import Table
from schemas.tables import TABLES

FORMAT = 2  # 2: rows know their delivery; format 1 becomes it when the next night adds the columns
METRICS = "write.metadata.metrics"
PROPERTIES = {"commit.retry.num-retries": "0"}  # PyIceberg's own retry forgets the tag; `replace` tries again itself
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pointer:
    """What the catalog says of a table: its metadata file, current snapshot, and the snapshot of each publication.

    Empty for a table that no night has made yet.
    """

    metadata: str = ""
    snapshot: int | None = None
    tags: Mapping[str, int] = field(default_factory=dict)


class Tables:
    """The tables of one warehouse.

    Every publication tags every table that it commits: a reader that holds the tag sees all tables as it left them.
    """

    def __init__(self, settings: Settings) -> None:
        self.warehouse = settings.warehouse
        self._properties = dict(settings.catalog)
        self._creates = False
        self.before_commit: Callable[[], None] = lambda: None

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog itself; tables are read and committed through this class alone."""
        self.check_format()
        return open_catalog(self.warehouse, self._properties, self._creates)

    def create(self) -> None:
        """Makes the warehouse and the tables that are missing, and adds columns that a newer Encore knows."""
        self.check_format(create=True)
        self._creates = True
        files.create_folder(self.warehouse)
        retry(DBAPIError)(lambda: self.catalog.create_namespace_if_not_exists(NAMESPACE))  # others may be making it
        for table in TABLES.values():
            known = self._find(table.name)
            require_below(self.warehouse, known)
            if known is None:
                with suppress(TableAlreadyExistsError, CommitFailedException):  # another domain's night has made it
                    self._create(table)
            elif missing := set(table.schema.names) - set(known.schema().column_names):
                log.info("table %s gains %s", table.name, ", ".join(sorted(missing)))
                with known.update_schema() as update:
                    update.union_by_name(table.schema)

    def _create(self, table: Table) -> None:
        """In one write of metadata, where a transaction that adds the partition to a new table takes three times as
        long."""
        schema = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(table.schema))
        ids = {field.name: field.field_id for field in schema.fields}
        columns = enumerate(table.partition, PARTITION_FIELD_ID_START)
        spec = PartitionSpec(*(PartitionField(ids[name], n, IdentityTransform(), name) for n, name in columns))
        name, location = f"{NAMESPACE}.{table.name}", f"{self.warehouse}/tables/{table.name}"
        self.catalog.create_table(name, schema, location, spec, properties=dict(PROPERTIES))

    def check_format(self, create: bool = False) -> None:
        """InputError where there is no warehouse, or one of a newer format than this Encore knows."""
        files.require_folder("ENCORE_WAREHOUSE", self.warehouse)
        address = f"{self.warehouse}/format.json"
        content = files.read_bytes(address)
        if content is None:
            if not create:
                raise InputError(
                    f"warehouse {self.warehouse}: nothing published there yet; run a night or set ENCORE_WAREHOUSE"
                )
            files.write_bytes(address, json.dumps({"format": FORMAT}).encode())
        elif (version := json.loads(content)["format"]) > FORMAT:
            raise InputError(
                f"{address}: format {version} is newer than {FORMAT}, which this Encore reads; upgrade Encore"
            )
        elif create and version < FORMAT:
            log.info("warehouse %s: format %d becomes %d", self.warehouse, version, FORMAT)
            files.write_bytes(address, json.dumps({"format": FORMAT}).encode())

    def require_own(self) -> None:
        """InputError where a table's files are not below the warehouse, for who is about to write or delete some."""
        for name in TABLES:
            require_below(self.warehouse, self._find(name))

    def _find(self, name: str) -> IcebergTable | None:
        try:
            return self.catalog.load_table(f"{NAMESPACE}.{name}")
        except NoSuchTableError:
            return None

    def _load(self, name: str) -> IcebergTable:
        if table := self._find(name):
            return table
        raise InputError(f"warehouse {self.warehouse}: there is no table {name} yet; the next night makes it")

    def pointer(self, name: str) -> Pointer:
        """Returns where the catalog points for a table."""
        table = self._find(name)
        if table is None:
            return Pointer()
        tags = {tag: reference.snapshot_id for tag, reference in table.refs().items()}
        return Pointer(table.metadata_location, table.metadata.current_snapshot_id, tags)

    def snapshots(self) -> dict[str, int | None]:
        """The current snapshot of every table; None for one without any."""
        return {name: self._load(name).metadata.current_snapshot_id for name in TABLES}

    def last_sequence(self, domain: str) -> int:
        """The number of the domain's last publication that ended; 0 where there is none."""
        paths = [path for _, path in self.current_files("runs", domain)]
        last = last_publications(read(paths, TABLES["runs"].schema, PUBLISHED).to_pylist())
        return int(last[domain]["sequence"]) if domain in last else 0

    def find_left(self, name: str, domain: str, sequence: int) -> int | None:
        """Returns the snapshot in which the domain's publications up to `sequence` left a table.

        None where they have none; the current one where the tags do not tell.
        """
        pointer = self.pointer(name)
        own = [tag.split(".") for tag in pointer.tags if tag.startswith(f"{domain}.")]
        numbers = {int(parts[3]): ".".join(parts) for parts in own if len(parts) == 4 and parts[3].isdecimal()}
        ended = [number for number in numbers if number <= sequence]
        if ended:
            return pointer.tags[numbers[max(ended)]]
        return pointer.snapshot if sequence else None

    def metadata_location(self, name: str) -> str:
        """The metadata file that the catalog points to: the truth about a table, whatever other files lie about."""
        return str(self._load(name).metadata_location)

    def find_tagged(self, name: str, tag: str) -> int | None:
        """Returns the snapshot that a publication left behind, by its tag."""
        return self.pointer(name).tags.get(tag)

    def current_files(self, name: str, domain: str, ds: str | None = None) -> list[tuple[str, str]]:
        """(night, address) of a table's Parquet files as it is now."""
        return self.data_files(name, self._load(name).metadata.current_snapshot_id, domain=domain, ds=ds)

    def data_files(
        self, name: str, snapshot: int | None, *, domain: str, ds: str | None = None, before: str | None = None
    ) -> list[tuple[str, str]]:
        """(night, address) of a snapshot's Parquet files, sorted: one domain, and one night or all before one."""
        if snapshot is None:
            return []
        where: BooleanExpression = EqualTo("domain", domain)
        if ds is not None:
            where = And(where, EqualTo("ds", ds))
        if before is not None:
            where = And(where, LessThan("ds", before))
        plan = self._load(name).scan(row_filter=where, snapshot_id=snapshot).plan_files()
        return sorted((task.file.partition[1], task.file.file_path) for task in plan)

    def replace(
        self,
        name: str,
        partition: Mapping[str, str],
        paths: Sequence[str],
        tag: str,
        others: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """ONE commit: the partition loses its files and gains `paths`, and the table as it then is gets the tag.

        others: other nights of the domain that change with it, night → files. The files stay where they are. Readers
        see the table before or after, nothing between. Commits of other processes are waited for: the commit is made
        again on top of theirs.
        """
        retry(CommitFailedException)(self._replace, name, partition, paths, tag, others or {})

    def _replace(
        self,
        name: str,
        partition: Mapping[str, str],
        paths: Sequence[str],
        tag: str,
        others: Mapping[str, Sequence[str]],
    ) -> None:
        self.before_commit()
        table = self._load(name)
        where: BooleanExpression = EqualTo("domain", partition["domain"])
        for column in TABLES[name].partition[1:]:
            where = And(where, EqualTo(column, partition[column]))
        for ds in others:
            where = Or(where, And(EqualTo("domain", partition["domain"]), EqualTo("ds", ds)))
        every = [*paths, *(path for some in others.values() for path in some)]
        try:
            replace_files(table, where, every, tag, {})
        except UnicodeEncodeError:
            # PyIceberg shortens the bounds of a text by raising its last letter, and U+D7FF has none above it.
            log.warning("table %s: a text has no upper bound in Unicode; these files get no bounds", name)
            kept = {
                f"{METRICS}.column.{column}": "full" for column in TABLES[name].partition
            }  # they tell the partition
            replace_files(self._load(name), where, every, tag, {f"{METRICS}.default": "counts", **kept})
