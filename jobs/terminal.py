"""Output of commands: tables, lines and JSON, on a terminal, to a file or a pipe."""

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from jobs.output import say, visible

WIDE = 10_000  # a pipe has no edge: nothing is folded there


class Screen(Console):
    """A console of rich that leaves it to the command line what becomes of a pipe whose reader is gone."""

    def on_broken_pipe(self) -> None:
        """Raises the error again; rich itself would end the process."""
        raise


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """Makes a grid of rows under their titles; whatever the cells hold is text, never markup. None is an empty cell."""
    made = Grid(title=Text(visible(title)), title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(Text(visible(column)), overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    return made


def show(*parts: Grid | Text | str, stream: TextIO | None = None) -> None:
    """Prints grids (made by `grid`), rich texts, and plain texts, of which nothing is folded."""
    stream = stream or sys.stdout
    console = Screen(file=stream) if stream.isatty() else Screen(file=stream, width=WIDE)
    for part in parts:
        if isinstance(part, str):
            say(part, stream=stream)
        else:
            console.print(part)


def size(count: float) -> str:
    """Formats bytes for reading: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
