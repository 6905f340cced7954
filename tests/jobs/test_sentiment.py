"""Which reviews teach, which are filled in, and what of it is published."""

import numpy as np
import pyarrow as pa
import pytest

from jobs import sentiment
from jobs.cli import main
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.runs import Entry, standing
from jobs.storage.sql import open_tables
from tests.support.fakes import DS, Rows, fake_night, publish_words

WORDS = ["sentiment", "--domain", "movies", "--ds", DS, "--run", "run"]
QUICK = {"words": 100, "pairs": 100, "dim": 8, "units": 8, "length": 16, "dropout": 0.1}
QUICK |= {"batch": 32, "averaged_epochs": 0.2, "epochs": 3, "learning_rate": 0.02}


def test_stars_are_shares_of_the_scale() -> None:
    five, of_five = sentiment.labels(pa.chunked_array([[0.5, 2.0, 2.5, 3.0, 3.5, 5.0, None]]))
    assert of_five.tolist() == [True, True, False, False, True, True, False]
    assert five[of_five].tolist() == [False, False, True, True]
    ten, of_ten = sentiment.labels(pa.chunked_array([[1.0, 4.0, 5.0, 6.0, 7.0]]))
    assert of_ten.tolist() == [True, True, False, False, True]
    assert ten[of_ten].tolist() == [False, False, True]
    assert not sentiment.labels(pa.chunked_array([[None, None]], pa.float64()))[1].any()
    assert len(sentiment.labels(pa.chunked_array([], pa.float64()))[1]) == 0


def with_reviews(rows: dict[str, Rows]) -> None:
    """400 reviews with stars, one that the source judges against its words, three without stars."""
    common = {key: rows["reviews"][0][key] for key in ("domain", "ds", "ts")}
    some = [
        {"review_id": f"r{n:03}", "text": f"a {'good' if n % 2 else 'dull'} film {n}", "rating": 1.0 + 4.0 * (n % 2)}
        for n in range(400)
    ]
    some += [
        {"review_id": "said", "text": "good", "rating": None, "sentiment": 0.0},
        {"review_id": "x-good", "text": "such a good one"},
        {"review_id": "x-dull", "text": "such a dull one"},
        {"review_id": "y-good", "text": "such a good one", "sentiment": 0.0, "modelled": True},  # by an earlier run
    ]
    rows["reviews"] = [common | row for row in some]


@pytest.fixture
def night(config: Settings) -> Night:
    return fake_night(config, 1, broken=with_reviews)


def published(config: Settings, what: str) -> list[tuple[object, ...]]:
    with open_tables(Tables(config)) as db:
        return db.execute(f"SELECT {what} FROM latest.reviews ORDER BY review_id").fetchall()


@pytest.mark.slow
def test_what_the_source_does_not_say_is_filled_in(config: Settings, night: Night) -> None:
    pin = night.run.entry("pin")
    pin.facts["configuration"]["model_settings"] = {"review_sentiment": QUICK}
    night.run.record(pin)
    assert main(WORDS) == 0
    assert main(publish_words("run")) == 0
    result = dict(published(config, "review_id, sentiment"))
    assert len(result) == 404
    assert result["said"] == 0.0
    assert result["y-good"] == result["x-good"], "what a model said before does not stay"
    modelled = dict(published(config, "review_id, modelled"))
    assert (modelled["said"], modelled["x-good"], modelled["y-good"], modelled["r000"]) == (False, True, True, True)
    assert result["x-good"] > 0.6 > 0.4 > result["x-dull"]
    stars = np.array([result[f"r{n:03}"] for n in range(400)]).reshape(200, 2)
    assert (stars[:, 0] < 0.5).all()
    assert (stars[:, 1] > 0.5).all()
    entry = night.run.entry("sentiment")
    assert entry.facts["validation_accuracy"] == 1.0
    assert entry.facts["config"]["units"] == 8


def test_too_few_stars_teach_nothing(config: Settings) -> None:
    def before(rows: dict[str, Rows]) -> None:
        rows["reviews"][0] |= {"sentiment": 0.9, "modelled": True}  # by a run that had more reviews

    night = fake_night(config, 1, broken=before)
    assert main(WORDS) == 0
    assert "artifact" not in night.run.entry("sentiment").facts
    assert main(publish_words("run")) == 0
    assert published(config, "text, sentiment") == [("good", None)]


def test_the_other_tables_of_a_task_stand() -> None:
    clean = Entry("clean", "done", "a", {"reviews": ["old"], "items": ["i"]}, {"reviews": 1, "items": 2})
    anew = Entry("sentiment", "done", "b", {"reviews": ["new"]}, {"reviews": 1}, {"replaces": {"reviews": "clean"}})
    result = standing({"clean": clean, "sentiment": anew})
    assert result["clean"].files == {"items": ["i"]}
    assert result["clean"].rows == {"items": 2}
    assert result["sentiment"] == anew
    failed = Entry("sentiment", "failed", "b", facts=anew.facts)
    assert standing({"clean": clean, "sentiment": failed})["clean"] == clean
