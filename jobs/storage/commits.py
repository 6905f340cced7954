"""Commits to an Iceberg table: replacing files in one transaction, and retrying where another process was faster."""

import warnings
from collections.abc import Mapping, Sequence

from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update.snapshot import ManageSnapshots
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

COMMITS = 30  # tries while others commit to the same table


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
    with warnings.catch_warnings(), table.transaction() as transaction:
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
