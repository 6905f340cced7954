"""Which publication a report is about, and where the HTML report of a run lies."""

from typing import Any

import duckdb

from jobs.errors import InputError
from jobs.storage.runs import Run
from schemas.names import TaskState

FILE = "report.html"
TASK = "report"  # in the manifest


def address(run: Run) -> str | None:
    """Where the HTML report of a run lies; None where it has none."""
    entry = run.find(TASK)
    return f"{run.address}/{TASK}/{entry.attempt}/{FILE}" if entry and entry.state == TaskState.DONE else None


def newest(db: duckdb.DuckDBPyConnection, domain: str, ds: str | None, run_id: str | None) -> dict[str, Any]:
    """The row of `runs` asked for, of several the last one published; InputError where there is none."""
    rows = db.execute(
        """SELECT * FROM runs WHERE domain = $1 AND ds = coalesce($2, ds) AND run_id = coalesce($3, run_id)
           ORDER BY ds DESC, sequence DESC LIMIT 1""",
        [domain, ds, run_id],
    ).to_arrow_table().to_pylist()  # fmt: skip
    if not rows:
        asked = " ".join(part for part in (domain, ds, run_id) if part)
        raise InputError(f"nothing is published for {asked}; `encore tables history` lists what is")
    return dict(rows[0])
