"""What an event is worth where its user has reviewed the item."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.spark.events import weigh_by_sentiment
from jobs.storage import frames
from jobs.storage.runs import Run
from schemas.working import SEQUENCES
from tests.support.spark import RUN

REVIEWS = "review_id string, user_id string, item_id string, ts long, sentiment double"
DS = "2020-01-01"


def test_the_newest_sentiment_of_the_item_counts(session: SparkSession) -> None:
    interactions = session.createDataFrame(
        [("u", "a", 4.0), ("u", "b", 4.0), ("u", "c", None), ("u", "d", None), ("v", "a", 2.0), ("v", "a", 3.0)],
        "user_id string, item_id string, value double",
    )
    reviews = [
        ("1", "u", "a", 5, 0.0),
        ("2", "u", "a", 9, 1.0),  # the newest
        ("3", "u", "a", 10, None),  # has no sentiment
        ("4", "u", "c", None, 0.5),
        ("5", "u", "c", None, 0.25),  # without times the larger id
        ("6", "v", "a", 1, 0.0),
        ("7", None, "b", 1, 1.0),
        ("8", "w", "b", 1, 1.0),
    ]
    result = weigh_by_sentiment(interactions, session.createDataFrame(reviews, REVIEWS), 0.5)
    assert result.columns == interactions.columns
    values = sorted((row.user_id, row.item_id, row.value) for row in result.collect() if row.value is not None)
    assert values == [("u", "a", 6.0), ("u", "b", 4.0), ("u", "c", 0.75), ("v", "a", 1.0), ("v", "a", 1.5)]
    assert [row.item_id for row in result.where("value IS NULL").collect()] == ["d"]


@pytest.mark.parametrize(
    ("weight", "expected"), [pytest.param(0.0, [4.0, 2.0], marks=pytest.mark.slow), (0.5, [2.0, 2.0])]
)
def test_a_night_takes_it_from_the_setting(
    weight: float,
    expected: list[float],
    encore: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tmp_path / "encore.toml"
    config.write_text(f"[domains.movies]\nsentiment_weight = {weight}\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(config))
    events = [
        {"user_id": "u", "item_id": item, "kind": "rating", "value": v, "ts": 1_577_800_000 + ts}
        for item, v, ts in (("a", 4.0, 1), ("b", 2.0, 2))
    ]
    review = {"review_id": "r", "user_id": "u", "item_id": "a", "text": "dull", "sentiment": 0.0}
    landed("interactions", events, tmp_path, encore)
    landed("items", [{"item_id": "a", "title": "A"}, {"item_id": "b", "title": "B"}], tmp_path, encore)
    landed("reviews", [review], tmp_path, encore)
    for job in ("pin", "clean", "vocabulary", "sequences"):
        assert encore(job, ds=DS) == 0
    run = Run((tmp_path / "warehouse").as_uri(), "movies", DS, RUN)
    table = frames.read(run.entry("sequences").files["sequences"], SEQUENCES)
    assert table["value"].to_pylist() == expected


def landed(table: str, rows: list[dict[str, Any]], folder: Path, encore: Callable[..., int]) -> None:
    """Imports rows as JSON lines."""
    file = folder / f"{table}.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert encore("import", "jsonl", str(file), "--table", table, ds=DS) == 0
