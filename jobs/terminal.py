"""Tables and texts as a terminal, a file or a pipe takes them."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

WIDE = 10_000  # a pipe has no edge: nothing is folded there


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """Rows under their titles; whatever the cells hold is text, never markup. None is an empty cell."""
    made = Grid(title=Text(title), title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(Text(column), overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return made


def show(*parts: Grid | str) -> None:
    """Prints grids and plain lines."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else part)


def show_json(value: Any) -> None:
    """Prints JSON that people can read too."""
    print(json.dumps(value, default=str, ensure_ascii=False, indent=1))


def size(count: float) -> str:
    """Bytes for people: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
