"""What a job read and wrote, for the lineage event of its task: tables with their columns, and the rows written."""

from collections.abc import Collection, Mapping
from typing import Any

from schemas.tables import TABLES


def lineage(read: Collection[str], rows: Mapping[str, int]) -> dict[str, list[dict[str, Any]]]:
    """Describes the tables among those that were read, and among those that were written with their rows.

    Other files of a run, such as sequences, are no tables that anybody could ask for.
    """
    return {
        "inputs": [{"table": name, "columns": _columns(name)} for name in TABLES if name in read],
        "outputs": [{"table": name, "columns": _columns(name), "rows": rows[name]} for name in TABLES if name in rows],
    }


def _columns(table: str) -> list[list[str]]:
    """[name, type, meaning] of each column of a table."""
    return [[column.name, str(column.type), column.meaning] for column in TABLES[table].columns]
