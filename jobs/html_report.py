"""Writes the HTML report of a published run: one file with everything in it, kept beside the run.

`encore report` and the plugin of the Airflow UI find it there. Run again, it makes the report anew.
"""

import argparse
import logging

from jobs.night import Attempt, Night
from jobs.report.page import html
from jobs.report.published import FILE, newest
from jobs.states import Publication
from jobs.storage import files
from jobs.storage.sql import add_publications, open_tables
from schemas.records import ModelStatus

log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the publication, writes its report; state and champion are facts for the list of reports."""
    with open_tables(night.tables) as db:
        run = newest(db, night.run.domain, night.ds, night.run.run_id)
        add_publications(db, night.tables, "shown", [Publication.of(run)])
        champions = db.execute("SELECT model FROM shown.models WHERE status = $1", [ModelStatus.CHAMPION]).fetchall()
        files.write_bytes(f"{attempt.address}/{FILE}", html(db, run, night.run).encode())
    attempt.facts |= {"state": run["state"], "champion": champions[0][0] if champions else None}
    log.info("HTML report: %s/%s", attempt.address, FILE)
