"""Lists deliveries, what was imported for a domain, in the order of arrival; and withdraws them.

`withdraw` marks deliveries: the next night takes back what they brought. What other deliveries say of the same events
stands again, and events that were known from a withdrawn delivery alone are gone. docs/deliveries.md explains it.
"""

import argparse
from dataclasses import asdict

from jobs import settings
from jobs.errors import DONE
from jobs.output import in_one_line, say, show_json
from jobs.storage.deliveries import Delivery, deliveries, withdraw
from jobs.terminal import grid, show

SHOWN = ("number", "ds", "mode", "table", "rows", "path", "state")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore deliveries", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    ls = actions.add_parser("ls", help="all deliveries of a domain, oldest first")
    ls.add_argument("--format", choices=("table", "json"), default="table")
    back = actions.add_parser("withdraw", help="take deliveries back, from the next night on")
    back.add_argument("numbers", nargs="+", type=int, metavar="NUMBER", help="of a delivery, as `ls` shows it")
    for action in (ls, back):
        action.add_argument("--domain", required=True, choices=settings.domain_names(), help="whose deliveries")
    return parser


def main(args: argparse.Namespace) -> int:
    """Lists or withdraws."""
    landing = settings.load().landing
    if args.action == "ls":
        show_deliveries(deliveries(landing, args.domain), args.format)
        return DONE
    new = withdraw(landing, args.domain, args.numbers)
    for one in new:
        say(f"withdrawn: delivery {one.number}, {in_one_line(one.path)} → {one.table}, {one.rows:,} rows, for {one.ds}")
    if new:
        say("the next night, or any night that is run again, takes back what they brought")
    else:
        say("nothing to do: withdrawn before")
    return DONE


def show_deliveries(every: list[Delivery], form: str) -> None:
    """Prints deliveries."""
    if form == "json":
        show_json([asdict(one) for one in every])
        return
    show(grid(f"{len(every)} deliveries", SHOWN, [_row(one) for one in every]))


def _row(one: Delivery) -> tuple[object, ...]:
    path = in_one_line(one.path)
    return one.number, one.ds, one.mode, one.table, f"{one.rows:,}", path, "withdrawn" if one.withdrawn else ""
