"""A measurement as it is kept: docs/measurements/NAME.json, with when, on what and of which commit it was taken."""

import json
import os
import platform
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.shared.data import ROOT

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """columns: their headings. rows: cells in the order of the columns, as they are shown; None for none.
    caption: what is measured, in a sentence or two; Markdown."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Measurement:
    """What docs/measurements/NAME.json holds.

    commands: that measured it, run from the root. date: YYYY-MM-DD. machine: cores, memory, system. commit: of the code
    that was measured, or of the page that first told the figures where the code's is not known.
    notes: paragraphs of Markdown, an empty line between them.
    """

    title: str
    commands: Sequence[str]
    date: str
    machine: str
    commit: str
    tables: Sequence[Table]
    notes: str = ""


def measured_now(title: str, commands: Sequence[str], tables: Sequence[Table], notes: str = "") -> Measurement:
    """A measurement of this moment, of this machine and the commit that is checked out."""
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True).strip()
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python, cores = platform.python_version(), len(os.sched_getaffinity(0))
    machine = f"{cores} cores, {gib:.0f} GiB, {platform.system()} {platform.machine()}, Python {python}"
    return Measurement(title, commands, datetime.now(UTC).date().isoformat(), machine, commit, tables, notes)


def write(measurement: Measurement, path: Path) -> None:
    """Writes a measurement as JSON; `python -m benchmarks.measurements` then writes its page."""
    path.write_text(json.dumps(asdict(measurement), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Measurement:
    """Reads what `write` wrote. Raises TypeError for a key that there is not, or one that is missing."""
    stored: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Measurement(**{**stored, "tables": [Table(**table) for table in stored["tables"]]})


def markdown(table: Table) -> list[str]:
    """The lines of a table."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in table.rows]
    return [f"| {' | '.join(row)} |" for row in (table.columns, ["---"] * len(table.columns), *cells)]


def fill(text: str) -> str:
    """A paragraph in lines of at most 120 columns."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def page(measurement: Measurement, name: str) -> str:
    """The page docs/measurements/NAME.md."""
    lines = [
        f"# {measurement.title}",
        "",
        f"Generated from [{name}.json]({name}.json) by `python -m benchmarks.measurements`; a test compares.",
        "",
        f"- Date: {measurement.date}",
        f"- Machine: {measurement.machine}",
        f"- Commit: `{measurement.commit}`",
        "",
        "```console",
        *measurement.commands,
        "```",
    ]
    for table in measurement.tables:
        width = len(table.columns)
        if any(len(row) != width for row in table.rows):
            raise ValueError(f"{name}: a row of {table.caption!r} has not {width} cells")
        lines += ["", fill(table.caption), "", *markdown(table)]
    if measurement.notes:
        lines += ["", "\n\n".join(map(fill, measurement.notes.split("\n\n")))]
    return "\n".join(lines) + "\n"
