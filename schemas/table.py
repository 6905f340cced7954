"""What a table is: columns with meanings, a key, a partition and the rules its rows obey, stated once."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

PARTITION = ("domain", "ds")


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, what it means (with its unit), and whether it may be null."""

    name: str
    type: pa.DataType
    meaning: str
    required: bool = False


@dataclass(frozen=True)
class Check:
    """A rule for single rows: `violation` is a DuckDB SQL predicate that is true for a bad row, and `name` its reason.

    `violation` may use the placeholders that `schemas.domains.placeholders` fills in from the domain and the night.
    """

    name: str
    violation: str
    meaning: str


@dataclass(frozen=True)
class Contract:
    """A rule for a whole table before it is published: `violations` is DuckDB SQL that returns the offending rows.

    It sees every table of the night under its name (`interactions`, `reviews` and `vocabulary` with other nights too),
    `night` (domain, ds), `eligible`, the items that may be recommended, and the macro `suits`, whether one may be
    recommended to a user (schemas/eligibility.py).
    """

    name: str
    violations: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table of the warehouse. `partition` columns are the first columns of every file."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    contracts: tuple[Contract, ...] = ()
    partition: tuple[str, ...] = PARTITION

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, every field with its meaning as `doc` (which Iceberg keeps).

        All fields are nullable in storage, because Spark writes them so; `required` is a contract instead.
        """
        return pa.schema([pa.field(c.name, c.type, metadata={"doc": c.meaning}) for c in self.columns])

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that are never null."""
        return tuple(column.name for column in self.columns if column.required)


def by_name(*tables: Table) -> Mapping[str, Table]:
    """Tables under their names, in the given order."""
    return {table.name: table for table in tables}
