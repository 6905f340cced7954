"""Plots of the nightly HTML report, each with the table of what it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from jobs.report.curves import SHARES, Floats, at
from jobs.report.facts import Rows
from jobs.report.svg import FAINT, INK, SERIES, drawing

ROW = 0.3  # inches that a line of a plot by name takes
LEGEND, LEGEND_LINE = 0.3, 0.22  # inches: from the axes to the legend, and each of its lines
Cells = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Plot:
    """A drawing, what it is called, and its numbers: `texts`: how many columns are no numbers."""

    title: str
    svg: Markup
    columns: Sequence[str]
    rows: Cells
    texts: int = 1


def intervals(name: str, title: str, judged: Rows, colours: Mapping[str, str]) -> Plot:
    """One dot and its 95 % interval for each row of `metrics`, by model, in the given order."""

    def draw(axes: Axes) -> None:
        for place, row in enumerate(judged):
            colour = colours[row["model"]]
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.5, solid_capstyle="round")
            axes.plot([row["value"]], [place], "o", color=colour, markersize=7)
        axes.set_yticks(range(len(judged)), [row["model"] for row in judged])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(y=0.5 / max(len(judged), 1))

    text = ", ".join(f"{row['model']} {row['value']:.4f} ({row['low']:.4f} to {row['high']:.4f})" for row in judged)
    columns = ("model", "value", "low", "high", "users")
    cells = [tuple(row[column] for column in columns) for row in judged]
    return Plot(title, drawing(name, title, text, 0.6 + ROW * len(judged), draw), columns, cells)


def by_segment(name: str, title: str, judged: Rows, colours: Mapping[str, str]) -> Plot:
    """Segments from top to bottom, in each of them the models one below the other, with their intervals."""
    segments = sorted(dict.fromkeys(row["segment"] for row in judged), key=lambda segment: segment != "all")
    models = [*dict.fromkeys(row["model"] for row in judged)]
    step = 0.7 / len(models)

    def draw(axes: Axes) -> None:
        for shift, model in enumerate(models):
            mine = [row for row in judged if row["model"] == model]
            where = [segments.index(row["segment"]) + step * (shift - (len(models) - 1) / 2) for row in mine]
            colour = colours[model]
            axes.hlines(where, [row["low"] for row in mine], [row["high"] for row in mine], color=colour, linewidth=2)
            axes.plot([row["value"] for row in mine], where, "o", color=colour, markersize=5, label=model)
        axes.set_yticks(range(len(segments)), segments)
        axes.set_ylim(len(segments) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -LEGEND / height))

    height = 0.5 + len(segments) * max(ROW, 0.13 * len(models)) + LEGEND_LINE * -(-len(models) // 2)
    cells = [(row["segment"], row["model"], row["value"], row["low"], row["high"], row["users"]) for row in judged]
    text = f"segments {', '.join(segments)}; models {', '.join(models)}"
    columns = ("segment", "model", "value", "low", "high", "users")
    return Plot(title, drawing(name, title, text, height, draw), columns, cells, texts=2)


def over_nights(
    name: str, title: str, series: Mapping[str, Rows], colours: Mapping[str, str], champions: Mapping[str, str]
) -> Plot:
    """One line a name over the nights, with its interval; `champions`: night → name, ringed."""
    nights = sorted({row["ds"] for some in series.values() for row in some})
    place = {ds: number for number, ds in enumerate(nights)}

    def draw(axes: Axes) -> None:
        for one, some in series.items():
            at_nights = [place[row["ds"]] for row in some]
            colour = colours[one]
            low, high = ([row[end] for row in some] for end in ("low", "high"))
            axes.fill_between(at_nights, low, high, color=colour, alpha=0.14, linewidth=0)
            axes.plot(at_nights, [row["value"] for row in some], "o-", color=colour, markersize=4, label=one)
            ringed = [row for row in some if champions.get(row["ds"]) == one]
            where, values = [place[row["ds"]] for row in ringed], [row["value"] for row in ringed]
            axes.plot(where, values, "o", markersize=11, markerfacecolor="none", markeredgecolor=INK)
        shown = np.unique(np.linspace(0, len(nights) - 1, min(len(nights), 4)).round().astype(int))
        axes.set_xticks(shown, [nights[number] for number in shown])
        axes.margins(x=0.08 if len(nights) > 1 else 0.5)
        if len(series) > 1:
            axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -LEGEND / 2.3))

    legend = LEGEND_LINE * -(-len(series) // 2) if len(series) > 1 else 0
    cells: list[tuple[str, str, str, float, float, float]] = [
        (row["ds"], one, "champion" if champions.get(row["ds"]) == one else "", row["value"], row["low"], row["high"])
        for one, some in series.items()
        for row in some
    ]
    text = f"{len(nights)} nights, {nights[0]} to {nights[-1]}: {', '.join(series)}"
    columns = ("night", "of", "", "value", "low", "high")
    return Plot(title, drawing(name, title, text, 2.3 + legend, draw), columns, sorted(cells), texts=3)


def bars(name: str, title: str, unit: str, values: Mapping[str, float]) -> Plot:
    """One bar a name, with its value at its end."""

    def draw(axes: Axes) -> None:
        drawn = axes.barh([*values], [*values.values()], color=SERIES[0], height=0.62)
        labels = [f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in values.values()]
        axes.bar_label(drawn, labels, padding=4, color=FAINT, fontsize=9)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.14, y=0.5 / max(len(values), 1))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(unit)

    text = ", ".join(f"{one} {value:,.1f}" for one, value in values.items())
    cells = [(one, round(value, 1)) for one, value in values.items()]
    return Plot(title, drawing(name, title, text, 0.7 + 0.24 * len(values), draw), ("", unit), cells)


def coverage(name: str, title: str, curve: Floats) -> Plot:
    """Share of the catalogue in lists cut after each rank."""

    def draw(axes: Axes) -> None:
        ranks = np.arange(1, len(curve) + 1)
        axes.plot(ranks, curve, "-", color=SERIES[0], linewidth=2)
        axes.fill_between(ranks, 0, curve, color=SERIES[0], alpha=0.14, linewidth=0)
        axes.set_xlabel("items of each list")
        axes.set_ylim(0, None)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1))

    ranks = np.unique(np.linspace(1, len(curve), min(len(curve), 8)).round().astype(int))
    cells = [(int(rank), f"{curve[rank - 1]:.1%}") for rank in ranks]
    text = f"{curve[0]:.1%} of the items are some user's first, {curve[-1]:.1%} stand in some list"
    return Plot(title, drawing(name, title, text, 2.4, draw), ("items of each list", "share of the catalogue"), cells)


def concentration(name: str, title: str, curves: Mapping[str, Floats]) -> Plot:
    """Share of all that the most popular items hold, for several counts over the same items in the same order."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], "--", color=FAINT, linewidth=1, label="all items alike")
        for (one, curve), colour in zip(curves.items(), SERIES, strict=False):
            axes.plot(np.linspace(0, 1, len(curve)), curve, "-", color=colour, linewidth=2, label=one)
        axes.set_xlabel("share of the items, the most popular first")
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.legend(loc="lower right")

    cells = [(f"{share:.0%}", *(f"{at(curve, share):.1%}" for curve in curves.values())) for share in SHARES]
    text = "; ".join(
        f"the most popular tenth of the items holds {at(c, 0.1):.1%} of the {one}" for one, c in curves.items()
    )
    return Plot(title, drawing(name, title, text, 2.4, draw), ("most popular items", *curves), cells)
