"""Findings of the night's imports, and suspicious ids: those that look like none or hold an unusual share of events."""

import json
from typing import Any

import duckdb

from jobs.storage import files
from jobs.storage.runs import Run
from schemas.domains import Domain
from schemas.eligibility import RATING_UNKNOWN

# Texts that systems write where there is no id; null markers themselves are no ids since their import.
STAND_INS = ("null", "nan", "none", "na", "n/a", "nil", "undefined", "unknown", "anonymous", "guest", "default", "test",
             "-1", "-", "?", "\\n", "00000000-0000-0000-0000-000000000000")  # fmt: skip
TIMES_THE_MEAN = 50  # an id with so many times the events of the mean one, and with this share of all, is unusual:
SHARES = {"user": 0.02, "item": 0.1}
MAX_IDS = 10  # ids shown


def left_out(run: Run) -> list[dict[str, Any]]:
    """{file, findings} of the files that the run pinned, as their imports counted them; those without any are not."""
    pin = run.find("pin")
    inputs = pin.facts.get("inputs", []) if pin else []
    result: dict[str, list[str]] = {}
    for batch in dict.fromkeys(str(data).rsplit("/", 2)[0] for entry in inputs for data in entry.get("data", [])[:1]):
        content = files.read_bytes(f"{batch}/batch.json")
        for path, findings in (json.loads(content).get("findings", {}) if content else {}).items():
            result.setdefault(path, []).extend(findings)
    pinned = [entry["path"] for entry in inputs]
    return [{"file": path, "findings": result[path]} for path in dict.fromkeys(pinned) if result.get(path)]


def odd_ids(db: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """{kind, id, events, share, reason} of ids of users and items that hardly are anybody's, most events first."""
    result: list[dict[str, Any]] = []
    for kind, share in SHARES.items():
        query = f"""
            WITH counted AS (SELECT {kind}_id AS id, count(*) AS events FROM shown.interactions GROUP BY ALL),
                 shared AS (SELECT *, events / sum(events) OVER () AS share, avg(events) OVER () AS mean FROM counted)
            SELECT id, events, share, lower(trim(id)) IN (SELECT unnest($names)) AS stands_in FROM shared
            WHERE stands_in OR (share > $share AND events > $times * mean) ORDER BY events DESC, id LIMIT {MAX_IDS}"""
        values = {"names": list(STAND_INS), "share": share, "times": TIMES_THE_MEAN}
        for id, events, part, stands_in in db.execute(query, values).fetchall():
            reason = "stands for no id in other systems" if stands_in else "an unusual share of all events"
            result.append({"kind": kind, "id": id, "events": events, "share": part, "reason": reason})
    return sorted(result, key=lambda row: -row["events"])


def unknown_facts(db: duckdb.DuckDBPyConnection, domain: Domain) -> list[dict[str, Any]]:
    """{what, items, example, effect} of facts of tonight's catalogue that decide who sees an item and are unknown."""
    seen = "everyone" if not domain.unknown_rating_age else f"users from {domain.unknown_rating_age} on"
    asked = {
        "release_unknown": (
            "a day of release that cannot be read", "item_id",
            "recommended all the same (show_unknown_release)" if domain.show_unknown_release else
            "not recommended, unless the domain sets show_unknown_release",
        ),
        RATING_UNKNOWN: (
            "an age rating that nobody knows", "age_rating", f"only {seen} get them (unknown_rating_age)"
        ),
    }  # fmt: skip
    result = []
    for condition, (what, shown, effect) in asked.items():
        query = f"SELECT count(*), min({shown}) FROM shown.items WHERE {condition}"
        ((count, example),) = db.execute(query).fetchall()
        if count:
            result.append({"what": what, "items": count, "example": example, "effect": effect})
    return result
