"""Nightly HTML report: one file with everything in it, made from the published tables and nothing else."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jobs import usage
from jobs.night import pinned_domain
from jobs.report import activity, curves, facts, figures, imported, people, plots
from jobs.report.facts import Rows
from jobs.report.posters import Posters
from jobs.settings import load
from jobs.states import last_complete
from jobs.storage.runs import Run
from jobs.storage.sql import read_publications
from models.config import settings_of
from schemas.domains import Domain
from schemas.names import DATA, NightState, TaskState
from schemas.records import ModelStatus
from schemas.tables import TABLES

HERE = Path(__file__).parent
Context = dict[str, Any]


def html(db: duckdb.DuckDBPyConnection, run: dict[str, Any], folder: Run) -> str:
    """Renders the HTML report of a publication: `run` is its row of `runs`, whose tables the schema `shown` holds."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"count": count, "number": number, "measure": figures.measure}
    environment.globals |= {"ModelStatus": ModelStatus, "TaskState": TaskState}
    template = environment.get_template("page.html")
    return template.render(style=style, style_digest=digest, **context(db, run, folder))


def count(value: float | None) -> str:
    """Formats a whole number with its thousands apart."""
    return "–" if value is None else f"{value:,.0f}"


def number(value: float | None, digits: int = 4) -> str:
    """Formats a measured value."""
    return "–" if value is None else f"{value:,.{digits}f}"


def context(db: duckdb.DuckDBPyConnection, run: dict[str, Any], folder: Run) -> Context:
    """Collects everything that the template shows."""
    domain, ds = run["domain"], run["ds"]
    models, judged, past = facts.models(db), facts.metrics(db), facts.history(db, domain, ds)
    names = list(dict.fromkeys(row["model"] for row in (*models, *judged)))
    champion = next((row["model"] for row in models if row["status"] == ModelStatus.CHAMPION), None)
    headline = figures.headline_rows(judged)
    colours = figures.colours_of(headline)
    night_domain = resolved_domain(run)
    nights, totals = facts.publications(db, domain, ds), facts.totals(db, night_domain, ds)
    return {
        "domain": domain,
        "ds": ds,
        "run": run,
        "refusal": refusal(db, run, folder, models),
        "models": models,
        "champion": champion,
        "decision": decision(champion, headline),
        "headline": figures.headline(headline, colours),
        "by_segment": figures.segments(judged, headline, colours),
        "groups": groups(judged, names, headline[0]["k"] if headline else None),
        "nights": nights,
        "history": figures.history(past, colours, nights, headline),
        "drift": drift(past, ds),
        "drift_plots": figures.drift(past),
        "totals": totals,
        **reach(db, night_domain, ds),
        "activity": activity.facts(db, folder),
        "rows": json.loads(run["rows"] or "{}"),
        "meanings": meanings(),
        "rejected": facts.count_rejected(db, ds),
        "files": facts.files(db, ds),
        "left_out": imported.left_out(folder),
        "odd_ids": imported.odd_ids(db),
        "unknown_facts": imported.unknown_facts(db, night_domain),
        **seconds(run, folder, totals["users"]),
        "verb": night_domain.verb,
        "users": people.users(db),
        "similar": people.similar_items(db),
        "posters": Posters(),
        "configuration": json.dumps(json.loads(run["configuration"] or "{}"), indent=1, ensure_ascii=False),
    }


def resolved_domain(run: Mapping[str, Any]) -> Domain:
    """The domain with the settings of the run, as far as this Encore still knows them."""
    values = json.loads(run["configuration"] or "{}").get("domain", {})
    known = {name: value for name, value in values.items() if name in settings_of(Domain)}
    return pinned_domain(known, run["domain"], load())


def refusal(db: duckdb.DuckDBPyConnection, run: Mapping[str, Any], folder: Run, models: Rows) -> Context | None:
    """Why a refused night was refused, and which night's lists stay; None for a complete one."""
    if run["state"] == NightState.COMPLETE:
        return None
    gate = folder.find("gate")
    reasons = [row["reason"] for row in models if row["status"] == ModelStatus.REFUSED]
    night = last_complete([row for row in read_publications(db) if row["sequence"] < run["sequence"]], run["domain"])
    return {
        "reason": (gate.error if gate and gate.error else "; ".join(reasons)) or "no reason was kept",
        "stays": night and night.ds,
    }


def decision(champion: str | None, headline: Rows) -> Context | None:
    """The champion's row of the headline and the best of the others; None where nothing was measured."""
    mine = next((row for row in headline if row["model"] == champion), None)
    rival = next((row for row in headline if row["model"] != champion), None)
    return {"mine": mine, "rival": rival} if mine else None


def groups(judged: Rows, models: list[str], k: int | None) -> list[Context]:
    """The metrics of each split and segment in the order written, all users first: a line a measure, a column a model.

    `cells` are those of lists of `k` items, or of whatever length a metric has; `others` the rest of the lengths.
    """
    has_k = {row["metric"] for row in judged if row["k"] == k}
    result: dict[tuple[str, str], Context] = {}
    for row in judged:
        group = result.setdefault((row["split"], row["segment"]), {"cells": {}, "others": {}, "users": 0, "models": []})
        lines = group["others" if row["metric"] in has_k and row["k"] != k else "cells"]
        lines.setdefault(figures.measure(row), {})[row["model"]] = row
        group["users"] = max(group["users"], row["users"] or 0)
        group["models"] = [name for name in models if name == row["model"] or name in group["models"]]
    for (split, segment), group in result.items():
        group |= {"split": split, "segment": segment}
    return sorted(result.values(), key=lambda group: group["segment"] != "all")


def drift(past: Rows, ds: str) -> list[tuple[object, ...]]:
    """Drift of the night's data: measure, value and interval."""
    ours = [row for row in past if row["model"] == DATA and row["ds"] == ds]
    return [(figures.measure(row), row["value"], row["low"], row["high"]) for row in ours]


def reach(db: duckdb.DuckDBPyConnection, domain: Domain, ds: str) -> Context:
    """Coverage and popularity: curves, and two figures."""
    items = facts.exposure(db, domain, ds)
    events, lists = (np.array([item[name] for item in items], dtype=float) for name in ("events", "lists"))
    covered = curves.coverage(items)
    if not len(covered):
        return {"reach": [], "covered": 0.0, "gini": 0.0}
    shares = {name: curves.concentration(c) for name, c in (("events", events), ("recommendations", lists))}
    return {
        "reach": [
            plots.coverage("coverage", "Share of the catalogue in somebody's list", covered),
            plots.concentration("popularity", "What the most popular items hold", shares),
        ],
        "covered": float(covered[-1]),
        "gini": curves.gini(lists),
    }


def meanings() -> dict[str, str]:
    """Meanings of the reasons for a rejection, as the tables state them."""
    return {check.name: check.meaning for table in TABLES.values() for check in table.checks}


def seconds(run: dict[str, Any], folder: Run, users: int) -> Context:
    """The tasks with their seconds and peak memory, and what the night took, also for a thousand of `users`.

    `publish` ends after the row of `runs` is written.
    """
    tasks = facts.tasks(run)
    last = folder.find("publish")
    if last:
        measured = {"seconds": last.seconds, "peak_mib": last.peak_mib, **last.usage}
        tasks.append({"task": "publish", "state": last.state, **measured})
    if not tasks:
        return {"tasks": [], "task_plots": [], "took": {}, "took_estimated": False}
    measured = {name: {task["task"]: task[name] for task in tasks} for name in ("seconds", "peak_mib")}
    return {
        "tasks": tasks,
        "took": usage.night({task["task"]: task for task in tasks}, users),
        "took_estimated": any(task.get("estimated") for task in tasks),
        "task_plots": [
            plots.bars("seconds", "Seconds of each task", "seconds", measured["seconds"]),
            plots.bars("memory", "Peak memory of each task", "MiB", measured["peak_mib"]),
        ],
    }
