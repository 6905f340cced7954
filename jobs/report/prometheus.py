"""Metrics of each domain's last complete night in Prometheus' text form, for a scrape or node_exporter's collector.

They come from the published tables, so that they tell of the nights whatever ran them, and of none that is under way.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import duckdb

from jobs.states import complete_nights, last_publications
from jobs.storage.sql import open_tables, read_publications
from jobs.storage.upkeep import Upkeep
from jobs.usage import MIB
from schemas.names import NightState
from schemas.records import ModelStatus


class Sample(NamedTuple):
    """One value of a metric; labels: name → value."""

    metric: str
    labels: Mapping[str, str]
    value: float


# Metric → what it says. Every one is a gauge: a new night replaces it.
MEANINGS = {
    "encore_complete_nights": "Nights of the domain that are complete.",
    "encore_last_complete_night_end_seconds": "End of the day (UTC) of the last complete night, seconds since 1970.",
    "encore_last_publication_complete": "1 where the last publication is complete, 0 where the gate refused it.",
    "encore_rows": "Rows of a table in the last complete night.",
    "encore_imported_rows": "Rows of the files that the last complete night judged.",
    "encore_imported_rows_rejected": "Those of them that were rejected.",
    "encore_task_seconds": "Seconds of a task of the last complete night.",
    "encore_task_peak_memory_bytes": "Most memory that a task of the last complete night held.",
    "encore_champion": "1 for the model whose lists are published.",
    "encore_model_quality": "A metric of a model on the held-out events of all users (docs/evaluation.md).",
    "encore_drift": "How the events of the last publication differ from earlier ones: volume, popularity_psi, …",
}


def exposition(tables: Upkeep, domains: Iterable[str]) -> str:
    """The text that Prometheus scrapes: of all domains that are configured or published, and of each its metrics."""
    with open_tables(tables) as db:
        samples = [*nights(db, domains), *rows(db), *tasks(db), *quality(db), *drift(db)]
    lines = []
    for metric, meaning in MEANINGS.items():
        mine = sorted(line(sample) for sample in samples if sample.metric == metric)
        if mine:
            lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} gauge", *mine]
    return "\n".join([*lines, ""])


def line(sample: Sample) -> str:
    """A sample as a line of the text form."""
    labels = ",".join(f'{name}="{escape(value)}"' for name, value in sample.labels.items())
    return f"{sample.metric}{{{labels}}} {float(sample.value)!r}"


def escape(text: str) -> str:
    """A label's value: backslashes, quotes and line ends behind a backslash."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def nights(db: duckdb.DuckDBPyConnection, domains: Iterable[str]) -> Iterator[Sample]:
    """How many nights are complete, when the last one's day ended, whether the last publication was refused."""
    runs = read_publications(db)
    newest = last_publications(runs)
    for domain in {*domains, *newest}:
        days = [one.ds for one in complete_nights(runs) if one.domain == domain]
        yield Sample("encore_complete_nights", {"domain": domain}, len(days))
        if domain in newest:
            complete = newest[domain]["state"] == NightState.COMPLETE
            yield Sample("encore_last_publication_complete", {"domain": domain}, complete)
        if days:
            end = datetime.combine(date.fromisoformat(max(days)) + timedelta(days=1), time(), UTC)
            yield Sample("encore_last_complete_night_end_seconds", {"domain": domain}, end.timestamp())


def rows(db: duckdb.DuckDBPyConnection) -> Iterator[Sample]:
    """Rows of the tables, and of the files that the night judged."""
    for domain, counts in db.execute("SELECT domain, rows FROM latest.runs").fetchall():
        for table, count in json.loads(counts or "{}").items():
            yield Sample("encore_rows", {"domain": domain, "table": table}, count)
    files = """SELECT domain, sum(rows), sum(rejected) FROM latest.files SEMI JOIN latest USING (domain, ds)
               GROUP BY domain"""
    for domain, imported, rejected in db.execute(files).fetchall():
        yield Sample("encore_imported_rows", {"domain": domain}, imported)
        yield Sample("encore_imported_rows_rejected", {"domain": domain}, rejected)


def tasks(db: duckdb.DuckDBPyConnection) -> Iterator[Sample]:
    """Seconds and memory of the night's tasks."""
    for domain, text in db.execute("SELECT domain, tasks FROM latest.runs").fetchall():
        for task, facts in json.loads(text or "{}").items():
            labels = {"domain": domain, "task": task}
            yield Sample("encore_task_seconds", labels, facts["seconds"])
            yield Sample("encore_task_peak_memory_bytes", labels, facts["peak_mib"] * MIB)


def quality(db: duckdb.DuckDBPyConnection) -> Iterator[Sample]:
    """The champion, and how good each model is."""
    champions = f"SELECT domain, model FROM latest.models WHERE status = '{ModelStatus.CHAMPION}'"
    for domain, model in db.execute(champions).fetchall():
        yield Sample("encore_champion", {"domain": domain, "model": model}, 1)
    query = (
        "SELECT domain, model, split, metric, k, value FROM latest.metrics WHERE segment = 'all' AND model != 'data'"
    )
    for domain, model, split, metric, k, value in db.execute(query).fetchall():
        labels = {"domain": domain, "model": model, "split": split, "metric": metric, "k": str(k)}
        yield Sample("encore_model_quality", labels, value)


def drift(db: duckdb.DuckDBPyConnection) -> Iterator[Sample]:
    """How the events of the last publication differ from those before; a night that is refused for it tells too."""
    query = "SELECT metric, value FROM main.metrics WHERE model = 'data' AND domain = $1 AND ds = $2"
    for domain, run in last_publications(read_publications(db)).items():
        for metric, value in db.execute(query, [domain, run["ds"]]).fetchall():
            yield Sample("encore_drift", {"domain": domain, "metric": metric}, value)
