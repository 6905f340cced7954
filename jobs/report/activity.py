"""The forecast of activity on the page: how good both models were, how well calibrated, and the users by segment."""

from collections.abc import Mapping
from typing import Any

import duckdb
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from jobs.report.facts import Rows, rows
from jobs.report.plots import Plot
from jobs.report.svg import FAINT, SERIES, drawing
from jobs.storage.runs import Run
from models.features.activity import SEGMENTS
from schemas.names import FORECASTERS

MEASURES = ("auc", "brier")


def facts(db: duckdb.DuckDBPyConnection, folder: Run) -> dict[str, Any]:
    """`activity` of the page: segments with their users, verdict, scores and plot; no segments where nothing is."""
    segments = rows(
        db,
        """SELECT segment, count(*) AS users, avg(probability) AS probability, sum(expected_events) AS events
           FROM shown.activity GROUP BY segment ORDER BY list_position($order, segment)""",
        order=list(SEGMENTS),
    )
    measured = rows(
        db,
        """SELECT model, segment, metric, value, low, high, users FROM shown.metrics WHERE model IN $names
           ORDER BY list_position($names, model), segment, metric""",
        names=list(FORECASTERS),
    )
    entry = folder.find("activity")
    return {
        "segments": [(row["segment"], row["users"], row["probability"], row["events"]) for row in segments],
        "reason": entry.facts.get("reason", "") if entry else "",
        "scores": [row for row in measured if row["metric"] in MEASURES],
        "plot": calibration(measured),
    }


def calibration(measured: Rows) -> Plot | None:
    """Share of active users against the mean probability, for each tenth of the users by probability."""
    points = {name: bins_of(measured, name) for name in FORECASTERS}
    points = {name: some for name, some in points.items() if some}
    if not points:
        return None

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], "--", color=FAINT, linewidth=1, label="perfect")
        for colour, (name, some) in zip(SERIES, points.items(), strict=False):
            x, y, low, high = ([bin[column] for bin in some] for column in ("predicted", "value", "low", "high"))
            axes.vlines(x, low, high, color=colour, linewidth=1.5, alpha=0.6)
            axes.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.5, label=name)
        axes.set_xlabel("mean probability of a tenth of the users")
        axes.set_ylabel("of these were active")
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.legend(loc="upper left")

    columns = ("model", "tenth", "mean probability", "were active", "low", "high", "users")
    cells = [
        (name, bin["segment"], bin["predicted"], bin["value"], bin["low"], bin["high"], bin["users"])
        for name, some in points.items()
        for bin in some
    ]
    description = f"share of active users by probability, of {', '.join(points)}"
    title = "Calibration of the forecast of activity"
    return Plot(title, drawing("calibration", title, description, 3.2, draw), columns, cells, texts=2)


def bins_of(measured: Rows, model: str) -> list[Mapping[str, Any]]:
    """The tenths of a model, by rising probability: the row of `active_share`, and what was `predicted`."""
    mine = [row for row in measured if row["model"] == model]
    predicted = {row["segment"]: row["value"] for row in mine if row["metric"] == "predicted"}
    return [row | {"predicted": predicted[row["segment"]]} for row in mine if row["metric"] == "active_share"]
