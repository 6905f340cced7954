"""Commits to an Iceberg table: replacing files in one transaction, and retrying where another process was faster."""

import re
import warnings
from collections.abc import Mapping, Sequence

from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update.snapshot import ManageSnapshots
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from jobs.errors import InputError

COMMITS = 30  # tries while others commit to the same table


class Changes(Transaction):  # type: ignore[misc]  # PyIceberg is not typed through
    """A transaction that computes its metadata once for each staged update: PyIceberg copies all of it, which grows
    with the snapshots that a table keeps, at every look."""

    _computed: tuple[object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with the updates so far."""
        if self._computed is None or self._computed[0] is not self._updates:
            self._computed = self._updates, super().table_metadata
        return self._computed[1]


def retry(conflict: type[Exception]) -> Retrying:
    """Calls a commit, and again on top of the other one where another process came between."""
    return Retrying(
        retry=retry_if_exception_type(conflict),
        stop=stop_after_attempt(COMMITS),
        wait=wait_random(0.02, 0.3),
        reraise=True,
    )


def replace_files(
    table: IcebergTable, where: BooleanExpression, paths: Sequence[str], tag: str, metrics: Mapping[str, str]
) -> None:
    """One transaction that deletes what `where` selects, adds files and tags the snapshot.

    metrics: properties of the table for these files alone. Raises CommitFailedException where another process was
    faster.
    """
    properties = {"encore.publication": tag}
    with warnings.catch_warnings(), Changes(table) as transaction:
        warnings.filterwarnings("ignore", "Delete operation did not match any records")
        if metrics:
            transaction.set_properties(dict(metrics))
        transaction.delete(where, snapshot_properties=properties)
        if paths:
            transaction.add_files(list(paths), snapshot_properties=properties, check_duplicate_files=False)
        if metrics:
            transaction.remove_properties(*metrics)
        if (snapshot := transaction.table_metadata.current_snapshot_id) is not None:
            ManageSnapshots(transaction).create_tag(snapshot, tag).commit()


def require_below(warehouse: str, table: IcebergTable | None) -> None:
    """InputError where a table's files are not below the warehouse, as after it was copied or moved: the catalog names
    absolute addresses, so that what is written or deleted here would be the other one's."""
    if table is not None and not f"{_scheme(table.location())}/".startswith(f"{_scheme(warehouse)}/"):
        raise InputError(
            f"ENCORE_WAREHOUSE={warehouse}: its catalog names files at {table.location()}, as a copy of a warehouse "
            "does; nothing was changed. Set ENCORE_WAREHOUSE to where the files are; for a second one, `encore tables "
            "export` there"
        )


def _scheme(address: str) -> str:
    """The address with one name for S3, of which Hadoop has several."""
    return re.sub("^s3[an]://", "s3://", address)
