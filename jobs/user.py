"""Explains one user: history, expected activity, recommendations with reasons, similar users."""

import argparse
import json
import os
from typing import Any

import duckdb

from jobs import settings
from jobs.errors import DONE, InputError
from jobs.night import iso_day, published_domain
from jobs.output import show_json
from jobs.privacy.export import everything
from jobs.privacy.keys import forms_of
from jobs.settings import Settings
from jobs.states import Publication, last_complete
from jobs.storage.catalog import Tables
from jobs.storage.rewrite import Rewriting
from jobs.storage.sql import add_publications, open_some, read_publications
from jobs.terminal import grid, show

ROWS = 20
SHOWN = ("vocabulary", "interactions", "items", "activity", "recommendations", "user_similarity")
TITLE = "LEFT JOIN (SELECT item_id, title FROM items) USING (item_id)"
HISTORY = f"""SELECT ts, ordinal, item_id, title, kind, value FROM interactions {TITLE} WHERE user_id = $1
    ORDER BY ts DESC NULLS LAST, ordinal DESC NULLS LAST, item_id, kind"""
RECOMMENDATIONS = f"""SELECT rank, item_id, title, score, model, because FROM recommendations {TITLE}
    WHERE user_id = $1 ORDER BY rank"""
SIMILAR = """SELECT method, rank, similar_user_id AS user_id, similarity FROM user_similarity WHERE user_id = $1
    ORDER BY method, rank"""
ACTIVITY = "SELECT probability, expected_events, segment, model FROM activity WHERE user_id = $1"


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="encore user", description=__doc__)
    parser.add_argument("user_id", metavar="ID", help="the user's external id, or pseudonym")
    parser.add_argument("--domain", required=True, type=published_domain)
    parser.add_argument("--ds", type=iso_day, metavar="YYYY-MM-DD", help="default: the last complete night")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of each part in the terminal (default: {ROWS})")
    parser.add_argument(
        "--export", metavar="FILE", help="write all that is held of the user, of every night, as JSON; - prints it"
    )
    return parser


def main(args: argparse.Namespace) -> int:
    """Prints what a complete night knows of a user; JSON has every row."""
    if args.export is not None:
        return export(args)
    config = settings.load()
    tables = Tables(config)
    tables.check_format()
    stored = stored_id(config, args)
    with open_some(tables, ["runs"]) as db:
        night = complete_night(db, args.domain, args.ds)
        add_publications(db, tables, "shown", [night], SHOWN)
        db.execute("SET search_path = 'shown'")
        shown = user(db, night, stored)
    if args.format == "json":
        show_json(shown)
    else:
        show_user(shown, args.rows)
    return 0


def stored_id(config: Settings, args: argparse.Namespace) -> str:
    """The id as the tables have it: a pseudonym where the domain has them."""
    return forms_of(config.warehouse, args.domain, [args.user_id])[0][-1]


def export(args: argparse.Namespace) -> int:
    """Writes all that is held of the user, for the owner alone; InputError where nothing is."""
    config = settings.load()
    tables = Rewriting(config)
    tables.check_format()
    held = everything(tables, config.landing, args.domain, stored_id(config, args))
    count = sum(len(table["rows"]) for table in held["tables"].values())
    if not count:
        raise InputError(f"{args.domain} holds nothing of a user {args.user_id!r}; ids are spelled as in the imports")
    if args.export == "-":
        show_json(held)
        return DONE
    try:
        handle = os.open(args.export, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(f"--export {args.export}: cannot be written ({error.strerror}); name a new file") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(held, file, default=str, ensure_ascii=False, indent=1)
    show(f"{count:,} rows of {args.user_id!r} in {args.domain}: {args.export}")
    return DONE


def complete_night(db: duckdb.DuckDBPyConnection, domain: str, ds: str | None) -> Publication:
    """The last complete night, or that of `ds`; InputError where there is none."""
    night = last_complete(read_publications(db), domain, ds=ds)
    if night is None:
        asked = f"{domain} {ds}" if ds else domain
        raise InputError(f"no complete night of {asked}; `encore tables history` lists what is published")
    return night


def user(db: duckdb.DuckDBPyConnection, night: Publication, user_id: str) -> dict[str, Any]:
    """History (newest first), activity, lists and similar users; InputError for a user that no night has seen."""
    domain, ds, run_id, _ = night
    known = db.execute("SELECT count(*) FROM vocabulary WHERE kind = 'user' AND id = $1", [user_id]).fetchall()
    if not known[0][0]:
        raise InputError(
            f"{domain} {ds} knows no user {user_id!r}; ids are spelled as in the imported files: "
            "`encore tables sql \"SELECT id FROM latest.vocabulary WHERE kind = 'user'\"` lists them"
        )
    parts = {"history": HISTORY, "activity": ACTIVITY, "recommendations": RECOMMENDATIONS, "similar_users": SIMILAR}
    rows = {name: db.execute(query, [user_id]).to_arrow_table().to_pylist() for name, query in parts.items()}
    return {"domain": domain, "ds": ds, "run_id": run_id, "user_id": user_id, **rows}


def show_user(shown: dict[str, Any], rows: int) -> None:
    """Prints a user on a terminal, the first rows of each part."""
    history, lists, alike = (shown[name][:rows] for name in ("history", "recommendations", "similar_users"))
    order = "newest first" if any(map(event_time, history)) else "the source knows no order"
    name = f"user {shown['user_id']}, {shown['domain']} {shown['ds']} (run {shown['run_id']})"
    show(
        name + describe_activity(shown["activity"]),
        grid(
            f"history: {len(history)} of {len(shown['history'])}, {order}",
            ("when", "title", "kind", "value"),
            [(event_time(row), row["title"] or row["item_id"], row["kind"], row["value"]) for row in history],
        ),
        grid(
            f"recommendations: {len(lists)} of {len(shown['recommendations'])}",
            ("rank", "title", "score", "model", "because"),
            [
                (row["rank"], row["title"] or row["item_id"], f"{row['score']:.4f}", row["model"], row["because"])
                for row in lists
            ],
        ),
        grid(
            f"similar users: {len(alike)} of {len(shown['similar_users'])}",
            ("method", "rank", "user", "similarity"),
            [(row["method"], row["rank"], row["user_id"], f"{row['similarity']:.4f}") for row in alike],
        ),
    )


def describe_activity(activity: list[dict[str, Any]]) -> str:
    """Expected activity of the user in a line of its own; empty where there is no forecast."""
    if not activity:
        return ""
    row = activity[0]
    chance = f"active in the next 7 days with probability {row['probability']:.2f}"
    return f"\n{row['segment']}: {chance}, {row['expected_events']:.1f} events expected ({row['model']})"


def event_time(event: dict[str, Any]) -> str:
    """Formats the time of an event, or its place in the user's order where the source has no times."""
    if event["ts"] is not None:
        return f"{event['ts']:%Y-%m-%d %H:%M}"
    return "" if event["ordinal"] is None else f"#{event['ordinal']}"
