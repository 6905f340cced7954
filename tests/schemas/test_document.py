"""docs/tables.md says what the tables say."""

import subprocess
import sys
from pathlib import Path

from schemas.document import document, grid
from schemas.tables import TABLES

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m schemas.document > docs/tables.md"


def test_the_command_prints_the_page() -> None:
    done = subprocess.run([sys.executable, "-m", "schemas.document"], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == document()


def test_every_table_column_and_rule_is_there() -> None:
    sections = dict(part.split("\n", 1) for part in document().split("\n## ")[1:])
    assert [*sections] == [*TABLES]
    for name, table in TABLES.items():
        for part in (*table.columns, *table.checks, *table.contracts):
            [line] = [line for line in sections[name].splitlines() if line.startswith(f"| `{part.name}` |")]
            assert line.endswith(f"| {part.meaning} |")
        assert table.meaning in sections[name].replace("\n", " ")
        assert "Key: " + ", ".join(f"`{column}`" for column in table.key) + "." in sections[name]


def test_a_bar_in_a_cell_is_text() -> None:
    assert [*grid(("a", "b"), [("x|y", "")])] == ["| a | b |", "| --- | --- |", "| x\\|y |  |"]
