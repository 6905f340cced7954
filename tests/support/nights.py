"""Published fake nights in one line, and what lies in a folder."""

import os
from pathlib import Path
from typing import Any

from jobs.cli import main
from jobs.night import Night
from jobs.settings import Settings
from tests.support.fakes import fake_night, publish_words


def publish(config: Settings, mark: int, *, domain: str = "movies", ds: str, run: str = "run", **more: Any) -> Night:
    """A fake night, published."""
    night = fake_night(config, mark, domain=domain, ds=ds, run=run, **more)
    assert main(publish_words(run, domain=domain, ds=ds)) == 0
    return night


def warehouse(config: Settings) -> Path:
    """The warehouse's folder."""
    return Path(config.warehouse.removeprefix("file://"))


def tree(folder: Path) -> dict[str, int]:
    """Every file below a folder, with its size."""
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


def make_old(folder: Path, hours: float = 100.0) -> None:
    """Files that look as if they were written some hours ago."""
    for file in folder.rglob("*"):
        if file.is_file():
            written = file.stat().st_mtime - hours * 3600
            os.utime(file, (written, written))
