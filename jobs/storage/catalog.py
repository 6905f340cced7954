"""The published tables: Apache Iceberg through PyIceberg. One place that reads and commits them."""

import json
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.expressions import And, BooleanExpression, EqualTo, LessThan
from pyiceberg.table import Table as IcebergTable

from jobs.errors import InputError
from jobs.settings import Settings
from jobs.storage import files
from schemas.table import Table
from schemas.tables import TABLES

FORMAT = 1
NAMESPACE = "encore"
log = logging.getLogger(__name__)


class Tables:
    """The tables of one warehouse.

    Every commit is tagged `<domain>.<ds>.<run>`: a reader that holds the tag sees all tables as that run left them.
    """

    def __init__(self, settings: Settings) -> None:
        self.warehouse = settings.warehouse
        self._properties = dict(settings.catalog)

    @cached_property
    def _catalog(self) -> Catalog:
        if self._properties:
            return load_catalog(NAMESPACE, **{"warehouse": self.warehouse, **self._properties})
        if not self.warehouse.startswith("file://"):
            raise InputError(
                f"warehouse {self.warehouse}: the SQLite catalog needs a local folder; name a catalog in [catalog] of ENCORE_CONFIG"
            )
        uri = f"sqlite:///{self.warehouse.removeprefix('file://')}/catalog.db"
        return load_catalog(NAMESPACE, type="sql", uri=uri, warehouse=f"{self.warehouse}/tables")

    def create(self) -> None:
        """Makes the warehouse and the tables that are missing, and adds columns that a newer Encore knows."""
        self.check_format(create=True)
        files.create_folder(self.warehouse)
        self._catalog.create_namespace_if_not_exists(NAMESPACE)
        for table in TABLES.values():
            if not self._catalog.table_exists(f"{NAMESPACE}.{table.name}"):
                self._create(table)
            elif missing := set(table.schema.names) - set(self._load(table.name).schema().column_names):
                log.info("table %s gains %s", table.name, ", ".join(sorted(missing)))
                with self._load(table.name).update_schema() as update:
                    update.union_by_name(table.schema)

    def _create(self, table: Table) -> None:
        location = f"{self.warehouse}/tables/{table.name}"
        with self._catalog.create_table_transaction(
            f"{NAMESPACE}.{table.name}", schema=table.schema, location=location
        ) as new, new.update_spec() as spec:
            for column in table.partition:
                spec.add_identity(column)

    def check_format(self, create: bool = False) -> None:
        """InputError where there is no warehouse, or one of a newer format than this Encore knows."""
        address = f"{self.warehouse}/format.json"
        content = files.read_bytes(address)
        if content is None:
            if not create:
                raise InputError(f"warehouse {self.warehouse}: nothing published there yet; run a night or set ENCORE_WAREHOUSE")
            files.write_bytes(address, json.dumps({"format": FORMAT}).encode())
        elif (version := json.loads(content)["format"]) > FORMAT:
            raise InputError(f"{address}: format {version} is newer than {FORMAT}, which this Encore reads; upgrade Encore")

    def _load(self, name: str) -> IcebergTable:
        return self._catalog.load_table(f"{NAMESPACE}.{name}")

    def snapshots(self) -> dict[str, int | None]:
        """The current snapshot of every table; None for one without any."""
        return {name: table.metadata.current_snapshot_id for name, table in self._all()}

    def _all(self) -> Iterable[tuple[str, IcebergTable]]:
        return ((name, self._load(name)) for name in TABLES)

    def metadata_location(self, name: str) -> str:
        """The metadata file that the catalog points to: the truth about a table, whatever other files lie about."""
        return self._load(name).metadata_location

    def columns(self, name: str) -> list[str]:
        """Names of the table's columns."""
        return list(self._load(name).schema().column_names)

    def tagged(self, name: str, tag: str) -> int | None:
        """The snapshot that a run left behind."""
        reference = self._load(name).refs().get(tag)
        return reference.snapshot_id if reference else None

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

    def replace(self, name: str, partition: Mapping[str, str], paths: Sequence[str], tag: str) -> None:
        """ONE transaction: the partition loses its files and gains `paths`; then the table is tagged.

        The files stay where they are. Readers see the partition before or after, nothing between.
        """
        table = self._load(name)
        where: BooleanExpression = EqualTo("domain", partition["domain"])
        for column in TABLES[name].partition[1:]:
            where = And(where, EqualTo(column, partition[column]))
        properties = {"encore.publication": tag}
        with warnings.catch_warnings(), table.transaction() as transaction:
            warnings.filterwarnings("ignore", "Delete operation did not match any records")
            transaction.delete(where, snapshot_properties=properties)
            if paths:
                transaction.add_files(list(paths), snapshot_properties=properties, check_duplicate_files=False)
        self._tag(name, tag)

    def _tag(self, name: str, tag: str) -> None:
        table = self._load(name)
        if snapshot := table.current_snapshot():
            table.manage_snapshots().create_tag(snapshot.snapshot_id, tag).commit()
