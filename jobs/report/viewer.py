"""Shows a night in the terminal: who got lists, how good each model was, where its HTML report and the tables are."""

import argparse
import webbrowser
from typing import Any
from urllib.parse import quote

from rich.table import Table as Grid
from rich.text import Text

from jobs import settings, terminal
from jobs.errors import DONE, InputError
from jobs.night import iso_day, published_domain
from jobs.output import say
from jobs.report import summary
from jobs.report.published import address, newest
from jobs.states import Publication
from jobs.storage.catalog import Tables
from jobs.storage.runs import Run, run_name
from jobs.storage.sql import add_publications, open_tables


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore report", description=__doc__)
    parser.add_argument("--domain", required=True, type=published_domain)
    parser.add_argument("--ds", type=iso_day, metavar="YYYY-MM-DD", help="default: the last published night")
    parser.add_argument("--run", type=run_name, help="default: the night's newest run")
    parser.add_argument("--open", action="store_true", help="open the HTML report in the browser")
    return parser


def main(args: argparse.Namespace) -> int:
    """Prints the report of a published night with the address of its HTML report."""
    page = show(args.domain, args.ds, args.run)
    if args.open:
        if page is None or not page.startswith("file://"):
            raise InputError(
                f"--open: {page or 'there is no HTML report of this run'}; a browser opens a file on this disk only"
            )
        webbrowser.open("file://" + quote(page.removeprefix("file://")))
    return DONE


def show(domain: str, ds: str | None = None, run_id: str | None = None) -> str | None:
    """Prints the report of a published night; returns the address of its HTML report."""
    tables = Tables(settings.load())
    with open_tables(tables) as db:
        run = newest(db, domain, ds, run_id)
        add_publications(db, tables, "shown", [Publication.of(run)])
        db.execute("SET search_path = 'shown'")
        parts: list[Grid | Text] = [
            summary.summary(db, run),
            summary.metrics(db, run),
            *summary.example(db, run),
            summary.durations(run),
        ]
        took = summary.cost(db, run)
    terminal.show(*parts)
    page = address(Run.of(tables.warehouse, Publication.of(run)))
    say(*filter(None, [took]), f"HTML report: {page or missing(run)}", f"tables: {tables.warehouse}")
    say('`encore tables ls` lists them; `encore tables sql "FROM latest.recommendations"` reads one')
    return page


def missing(run: dict[str, Any]) -> str:
    """What to do where a run has no HTML report."""
    return "none yet; make it with: encore html_report --domain {domain} --ds {ds} --run {run_id}".format(**run)
