"""A night for a terminal: who got lists, how good each model was, one user's list with reasons, seconds."""

import json
from typing import Any

import duckdb
from rich.table import Table as Grid
from rich.text import Text

from jobs import usage
from jobs.output import visible
from schemas.records import ModelStatus

SHOWN_ITEMS = 10
SHOWN_METRICS = ("ndcg@10", "hr@10", "recall@20")  # the page has them all


def summary(db: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> Text:
    """One paragraph: the night, its rows, who got lists."""
    rows = json.loads(run["rows"])
    users, items = db.execute(
        "SELECT count(DISTINCT user_id), count(DISTINCT item_id) FROM recommendations WHERE domain = $1 AND ds = $2",
        [run["domain"], run["ds"]],
    ).fetchall()[0]
    return Text.assemble(
        "\n",
        (f"{run['domain']} {run['ds']}", "bold"),
        f" is {run['state']} (run {run['run_id']})\n"
        f"{rows.get('interactions', 0):,} new events, {rows.get('rejected', 0):,} rows rejected; ",
        (f"{users:,} users got recommendations", "bold"),
        f" of {items:,} different items\n",
    )


def metrics(db: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> Grid:
    """Models against SHOWN_METRICS: the champion first, then by the first metric."""
    rows = db.execute(
        """SELECT m.model, status, measure, value, low, high, users, train_seconds FROM models m
           LEFT JOIN (SELECT *, metric || '@' || k AS measure FROM metrics WHERE segment = 'all' AND measure IN $3)
           USING (domain, ds, model) WHERE domain = $1 AND ds = $2
           ORDER BY status <> $4, max(value) FILTER (WHERE measure = $3[1]) OVER (PARTITION BY m.model) DESC
               NULLS LAST, m.model, list_position($3, measure)""",
        [run["domain"], run["ds"], list(SHOWN_METRICS), ModelStatus.CHAMPION],
    ).fetchall()  # fmt: skip
    measures = [measure for measure in SHOWN_METRICS if any(row[2] == measure for row in rows)]
    judged = next((row[6] for row in rows if row[6]), 0)
    title = f"held-out events of {judged} users, 95 % intervals" if judged else "no held-out users to judge models on"
    grid = Grid(title=title, title_justify="left")
    for column in ("model", "status", *measures, "train s"):
        grid.add_column(column)
    for model, status in dict.fromkeys((row[0], row[1]) for row in rows):
        mine = {row[2]: row for row in rows if row[0] == model}
        cells = [f"{mine[m][3]:.4f}\n{mine[m][4]:.3f}–{mine[m][5]:.3f}" if m in mine else "" for m in measures]
        seconds = next(row[7] for row in rows if row[0] == model)
        grid.add_row(model, status, *cells, "" if seconds is None else f"{seconds:.2f}")
    return grid


def example(db: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> list[Grid]:
    """The list of the user with the most events of the night's domain, with titles and reasons."""
    where = [run["domain"], run["ds"]]
    users = db.execute(
        """SELECT user_id FROM interactions JOIN (SELECT DISTINCT domain, user_id FROM recommendations
           WHERE domain = $1 AND ds = $2) USING (domain, user_id)
           GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1""",
        where,
    ).fetchall()  # fmt: skip
    if not users:
        return []
    rows = db.execute(
        """SELECT rank, coalesce(title, r.item_id), score, model, because FROM recommendations r
           LEFT JOIN items i USING (domain, ds, item_id)
           WHERE domain = $1 AND ds = $2 AND user_id = $3 AND rank <= $4 ORDER BY rank""",
        [*where, users[0][0], SHOWN_ITEMS],
    ).fetchall()  # fmt: skip
    grid = Grid(title=Text(visible(f"user {users[0][0]}")), title_justify="left")
    for column in ("rank", "title", "score", "model", "because"):
        grid.add_column(column)
    for rank, title, score, model, because in rows:
        grid.add_row(str(rank), Text(visible(title)), f"{score:.4f}", model, Text(visible(because)))
    return [grid]


def durations(run: dict[str, Any]) -> Grid:
    """Where the night's seconds went."""
    grid = Grid(title="tasks", title_justify="left")
    for column in ("task", "seconds", "CPU s", "peak MiB"):
        grid.add_column(column, justify="left" if column == "task" else "right")
    for task, entry in json.loads(run["tasks"]).items():
        cpu = f"{entry['cpu_seconds']:.1f}" if "cpu_seconds" in entry else ""
        grid.add_row(task, f"{entry['seconds']:.1f}", cpu, f"{entry['peak_mib']:.0f}")
    return grid


def cost(db: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> str:
    """What the night took of the machine, and that for a thousand users with a list; empty where nothing is known."""
    tasks = json.loads(run["tasks"])
    users = db.execute(
        "SELECT count(DISTINCT user_id) FROM recommendations WHERE domain = $1 AND ds = $2", [run["domain"], run["ds"]]
    ).fetchall()[0][0]
    shown = {"cpu_seconds": "s of a core", "gpu_seconds": "s of a GPU", "read_mib": "MiB read"}
    shown |= {"written_mib": "MiB written", "joules": "J"}
    took = usage.night(tasks, users)
    parts = [f"{took[name][0]:,.0f} {unit} ({took[name][1]:,.1f})" for name, unit in shown.items() if name in took]
    if not parts:
        return ""
    guess = "; joules are estimated" if any(task.get("estimated") for task in tasks.values()) else ""
    return f"took, and for a thousand users: {', '.join(parts)}{guess}"
