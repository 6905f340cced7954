"""A night for people: its page, and in the terminal who got lists, how good each model was, where the tables are.

The page is one HTML file with everything in it. The night's task `report` keeps it beside the run (--write), where this
command and the plugin of the Airflow UI find it.
"""

import argparse
import webbrowser
from typing import Any
from urllib.parse import quote

import duckdb
from rich.console import Console

from jobs import job, settings
from jobs.errors import DONE, InputError
from jobs.night import Attempt, Night, iso_day, published_domain
from jobs.report import summary
from jobs.states import Publication, TaskState
from jobs.storage import files
from jobs.storage.catalog import Tables
from jobs.storage.runs import Run, run_name
from jobs.storage.sql import add_publications, open_tables

PAGE = "report.html"


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", required=True, type=published_domain)
    parser.add_argument("--ds", type=iso_day, metavar="YYYY-MM-DD", help="default: the last published night")
    parser.add_argument("--run", type=run_name, help="default: the night's newest run")
    parser.add_argument(
        "--write", action="store_true", help="make the page of --ds and --run and keep it beside the run"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    return parser


def main(args: argparse.Namespace) -> int:
    """Writes the page, or prints the report of a published night with the page's address."""
    if args.write:
        if not (args.ds and args.run):
            raise InputError(
                "--write makes the page of one run: give --ds and --run; `encore tables history` lists them"
            )
        return job.run("report", compute, args)
    page = show(args.domain, args.ds, args.run)
    if args.open:
        if page is None or not page.startswith("file://"):
            raise InputError(
                f"--open: {page or 'there is no page of this run'}; a browser opens a page on this disk only"
            )
        webbrowser.open("file://" + quote(page.removeprefix("file://")))
    return DONE


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads the publication, writes its page."""
    from jobs.report.page import html  # the plots take a second to import, the terminal does without

    with open_tables(night.tables) as db:
        run = newest(db, args.domain, args.ds, args.run)
        add_publications(db, night.tables, "shown", [Publication.of(run)])
        files.write_bytes(f"{attempt.address}/{PAGE}", html(db, run, night.run).encode())


def show(domain: str, ds: str | None = None, run_id: str | None = None) -> str | None:
    """Prints the report of a published night; returns the address of its page."""
    tables = Tables(settings.load())
    with open_tables(tables) as db:
        run = newest(db, domain, ds, run_id)
        add_publications(db, tables, "shown", [Publication.of(run)])
        db.execute("SET search_path = 'shown'")
        console = Console()
        console.print(summary.summary(db, run))
        console.print(summary.metrics(db, run))
        for grid in summary.example(db, run):
            console.print(grid)
        console.print(summary.durations(run))
    page = address(Run(tables.warehouse, run["domain"], run["ds"], run["run_id"]))
    console.print(f"page: {page or missing(run)}", markup=False, soft_wrap=True)
    console.print(f"tables: {tables.warehouse}", markup=False, soft_wrap=True)
    console.print('`encore tables ls` lists them; `encore tables sql "FROM latest.recommendations"` reads one')
    return page


def address(run: Run) -> str | None:
    """Where the page of a run lies; None where it has none."""
    entry = run.find("report")
    return f"{run.address}/report/{entry.attempt}/{PAGE}" if entry and entry.state == TaskState.DONE else None


def missing(run: dict[str, Any]) -> str:
    """What to do where a run has no page."""
    return "none yet; make it with: encore report --domain {domain} --ds {ds} --run {run_id} --write".format(**run)


def newest(db: duckdb.DuckDBPyConnection, domain: str, ds: str | None, run_id: str | None) -> dict[str, Any]:
    """The row of `runs` asked for; InputError where there is none."""
    found = db.execute(
        """SELECT * FROM runs WHERE domain = $1 AND ds = coalesce($2, ds) AND run_id = coalesce($3, run_id)
           ORDER BY ds DESC, sequence DESC LIMIT 1""",
        [domain, ds, run_id],
    ).to_arrow_table().to_pylist()  # fmt: skip
    if not found:
        asked = " ".join(word for word in (domain, ds, run_id) if word)
        raise InputError(f"nothing is published for {asked}; `encore tables history` lists what is")
    return dict(found[0])
