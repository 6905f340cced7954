"""docs/tables.md, from the tables themselves: `python -m schemas.document > docs/tables.md`."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from schemas.table import Check, Contract, Table
from schemas.tables import TABLES

HEAD = """# The tables

Generated from `schemas/` by `python -m schemas.document > docs/tables.md`; a test compares. `encore tables show TABLE`
tells the same. Every table is an Apache Iceberg table in the namespace `encore`; `latest.TABLE` in `encore tables sql`
holds the rows of each domain's last complete night.

A row that fails a **check** is rejected when it comes in, and kept in `rejected` with the names of all checks that it
failed. A table that breaks a **contract** is not published, nor is its night. For every table besides: the rows of a
night are of its domain and day, required columns are never null, and no two rows share the key.
"""


def document() -> str:
    """Generates docs/tables.md."""
    names = ", ".join(f"[{name}](#{name})" for name in TABLES)
    return "\n".join([HEAD, _fill(names), *(line for table in TABLES.values() for line in section(table))]) + "\n"


def section(table: Table) -> Iterator[str]:
    """Documents one table: meaning, key, partition, columns, checks, contracts."""
    yield from ("", f"## {table.name}", "", _fill(table.meaning), "")
    yield _fill(f"Key: {_code(table.key)}. Partition: {_code(table.partition)}.")
    columns = [(f"`{c.name}`", f"`{c.type}`", "yes" if c.required else "", c.meaning) for c in table.columns]
    yield from ("", *grid(("column", "type", "required", "meaning"), columns))
    for what, rules in (("check", table.checks), ("contract", table.contracts)):
        if rules:
            yield from ("", *grid((what, "meaning"), _list_meanings(rules)))


def _list_meanings(rules: Sequence[Check] | Sequence[Contract]) -> list[tuple[str, str]]:
    return [(f"`{rule.name}`", rule.meaning) for rule in rules]


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Formats rows as a Markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _fill(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(document(), end="")
