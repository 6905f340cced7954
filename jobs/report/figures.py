"""Figures of the nightly HTML report: which rows of the metrics each of them shows."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from jobs.report import plots
from jobs.report.facts import Rows
from jobs.report.plots import Plot
from jobs.report.svg import FAINT, SERIES
from schemas.names import DATA, HEADLINE
from schemas.records import ModelStatus


def measure(row: Mapping[str, Any]) -> str:
    """What a row of `metrics` measures: `ndcg@10`, or the name alone where the length of a list plays no role."""
    return f"{row['metric']}@{row['k']}" if row["k"] else str(row["metric"])


def headline_rows(judged: Rows) -> Rows:
    """All users' rows of the measure that the gate looks at, of the first one there is where nobody has it."""
    everyone = [row for row in judged if row["segment"] == "all"]
    wanted = next((row for row in everyone if (row["metric"], row["k"]) == HEADLINE), next(iter(everyone), None))
    if wanted is None:
        return []
    same = ("split", "metric", "k")
    result = [row for row in everyone if all(row[name] == wanted[name] for name in same)]
    return sorted(result, key=lambda row: (-row["value"], row["model"]))


def colours_of(ranked: Rows) -> defaultdict[str, str]:
    """A colour for each of the best models, in the order of their names; grey for the others."""
    best = sorted(row["model"] for row in ranked[: len(SERIES)])
    return defaultdict(lambda: FAINT, zip(best, SERIES, strict=False))


def headline(ranked: Rows, colours: Mapping[str, str]) -> Plot | None:
    """Plots the models on the headline measure, which decides."""
    if not ranked:
        return None
    title = f"{measure(ranked[0])} with 95 % intervals, {ranked[0]['users']:,} users"
    return plots.intervals("headline", title, ranked, colours)


def segments(judged: Rows, ranked: Rows, colours: Mapping[str, str]) -> Plot | None:
    """Plots the headline measure by segment, where there are several."""
    same = ("split", "metric", "k")
    result = [row for row in judged if ranked and all(row[name] == ranked[0][name] for name in same)]
    if len({row["segment"] for row in result}) < 2:
        return None
    place = {row["model"]: number for number, row in enumerate(ranked[: len(SERIES)])}
    result = sorted((row for row in result if row["model"] in place), key=lambda row: place[row["model"]])
    return plots.by_segment("segments", f"{measure(ranked[0])} by segment", result, colours)


def history(past: Rows, colours: Mapping[str, str], nights: Rows, ranked: Rows) -> Plot | None:
    """Plots every model's headline measure over the nights; None where tonight is the first."""
    if not ranked or len({row["ds"] for row in past}) < 2:
        return None
    name = measure(ranked[0])
    mine = [row for row in past if row["model"] != DATA and measure(row) == name]
    series: dict[str, Rows] = {}
    for row in mine:
        nightly = series.setdefault(row["model"], [])
        if not nightly or nightly[-1]["ds"] != row["ds"]:  # of several splits, the first
            nightly.append(row)
    series = {
        one: some
        for one, some in series.items()
        if colours[one] != FAINT or ModelStatus.CHAMPION in [row["status"] for row in some]
    }
    champions = {night["ds"]: night["champion"] for night in nights}
    return plots.over_nights("history", f"{name} over the nights; the champion is ringed", series, colours, champions)


def drift(past: Rows) -> list[Plot]:
    """Plots each measure of the data over the nights, where there are several."""
    series: dict[str, Rows] = {}
    for row in past:
        if row["model"] == DATA:
            series.setdefault(measure(row), []).append(row)
    return [
        plots.over_nights(f"drift-{place}", name, {name: some}, {name: SERIES[0]}, {})
        for place, (name, some) in enumerate(series.items())
        if len(some) > 1
    ]
