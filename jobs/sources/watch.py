"""Progress of an import: counts rows and findings, and shows a progress bar where stderr is a terminal."""

import time
from collections.abc import Iterator
from typing import Self

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from jobs.sources.findings import Findings
from jobs.sources.folder import Folder
from jobs.sources.pictures import locate
from jobs.sources.reading import Reading


class Watch:
    """Counts rows and shows a progress bar with rows, rows/s and the time left where stderr is a terminal.

    `size` is the stored size of all files in bytes, by which the time left is told.
    """

    def __init__(self, size: int) -> None:
        console = Console(stderr=True)
        rows = TextColumn("{task.fields[rows]}")
        columns = (TextColumn("{task.description}"), BarColumn(), rows, TimeRemainingColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.task = self.progress.add_task("import", total=size, rows="")
        self.count = 0
        self.findings: dict[str, Findings] = {}
        self.seconds = 0.0

    def __enter__(self) -> Self:
        """Starts the clock and the bar."""
        self.started = time.perf_counter()
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stops both."""
        self.seconds = time.perf_counter() - self.started
        self.progress.stop()

    def rows(self, reading: Reading, folder: Folder) -> Iterator[pa.RecordBatch]:
        """The reading's rows, watched."""
        before = 0
        self.progress.update(self.task, description=reading.file)
        for block, read in reading.rows(folder, self.findings.setdefault(reading.file, Findings())):
            yield locate(block, folder)
            self.count += block.num_rows
            rate = self.count / (time.perf_counter() - self.started)
            self.progress.update(self.task, advance=read - before, rows=f"{self.count:,} rows, {rate:,.0f}/s")
            before = read
