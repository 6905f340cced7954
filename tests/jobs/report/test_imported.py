"""What imports left out, and ids that are hardly anybody's."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from jobs.report.imported import left_out, odd_ids, unknown_facts
from tests.support.domains import MOVIES


def odd(events: dict[tuple[str, str], int]) -> list[tuple[Any, ...]]:
    """The odd ids of some events: (user, item) → how many."""
    with duckdb.connect(":memory:") as db:
        db.execute("CREATE SCHEMA shown; CREATE TABLE shown.interactions (user_id VARCHAR, item_id VARCHAR)")
        for (user, item), count in events.items():
            db.execute("INSERT INTO shown.interactions SELECT $1, $2 FROM range($3)", [user, item, count])
        return [(row["kind"], row["id"], row["events"], round(row["share"], 3)) for row in odd_ids(db)]


CROWD = {(f"u{n}", f"i{n % 40}"): 1 for n in range(400)}


def test_ids_that_look_like_none_are_found() -> None:
    assert odd(CROWD) == []
    assert odd(CROWD | {("Unknown", "i1"): 2, ("u1", "-1"): 1}) == [
        ("user", "Unknown", 2, 0.005),
        ("item", "-1", 1, 0.002),
    ]


def test_ids_with_an_unusual_share_of_events_are_found() -> None:
    assert odd(CROWD | {("shop", f"i{n}"): 3 for n in range(40)}) == [("user", "shop", 120, 0.231)]
    assert odd({("a", "i"): 99, ("b", "i"): 1}) == []  # of two users one has most


def test_facts_that_hide_items_because_nobody_knows_them_are_counted() -> None:
    with duckdb.connect(":memory:") as db:
        db.execute("CREATE SCHEMA shown")
        db.execute(
            """CREATE TABLE shown.items AS FROM (VALUES ('a', NULL, 'R'), ('b', TRUE, 'Banana'), ('c', TRUE, NULL),
               ('d', FALSE, '12')) AS items(item_id, release_unknown, age_rating)"""
        )
        result = unknown_facts(db, MOVIES)
        assert [(row["items"], row["example"]) for row in result] == [(2, "b"), (1, "Banana")]
        assert [row["effect"] for row in result] == [
            "not recommended, unless the domain sets show_unknown_release",
            "only users from 18 on get them (unknown_rating_age)",
        ]
        db.execute("DELETE FROM shown.items WHERE item_id IN ('b', 'c')")
        assert unknown_facts(db, MOVIES) == []


def test_findings_come_from_the_imports_of_the_pinned_files(tmp_path: Path) -> None:
    batch = tmp_path / "movies" / "2024-05-01" / "0123"
    batch.mkdir(parents=True)
    findings = {
        "items.csv": ["released: values that are not days, left out: 2, first in line 3: 'Q4 2024'"],
        "a.csv": [],
    }
    (batch / "batch.json").write_text(json.dumps({"findings": findings}))
    inputs = [
        {"path": name, "data": [f"{batch.as_uri()}/{table}/0.parquet"]}
        for name, table in (("items.csv", "items"), ("a.csv", "interactions"))
    ] + [{"path": "gone.csv", "data": [f"{tmp_path.as_uri()}/gone/items/0.parquet"]}, {"path": "empty.csv", "data": []}]
    run = SimpleNamespace(find=lambda task: SimpleNamespace(facts={"inputs": inputs}) if task == "pin" else None)
    assert left_out(run) == [{"file": "items.csv", "findings": findings["items.csv"]}]  # type: ignore[arg-type]
    assert left_out(SimpleNamespace(find=lambda task: None)) == []  # type: ignore[arg-type]


def test_the_page_shows_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from jobs.report import imported
    from tests.support.planted import planted_page
    from tests.support.warehouse import use

    monkeypatch.setattr(
        imported, "left_out", lambda run: [{"file": "<items>.csv", "findings": ["released: <2> left out"]}]
    )
    row = {"kind": "user", "id": r"<\N>", "events": 9, "share": 0.5, "reason": "stands for no id"}
    monkeypatch.setattr(imported, "odd_ids", lambda db: [row])
    html = planted_page(use(tmp_path, monkeypatch), tmp_path).read_text(encoding="utf-8")
    for text in ("&lt;items&gt;.csv", "released: &lt;2&gt; left out", r"&lt;\N&gt;", "50.0 %"):
        assert text in html
