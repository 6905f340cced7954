"""The tables of the two-tower model and of the one that continues, from training to publication, without Spark."""

from typing import Any

import pyarrow as pa
import pytest

from jobs.cli import main
from jobs.night import Night
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from jobs.storage.frames import write
from jobs.storage.runs import Entry
from jobs.storage.sql import open_tables
from schemas.working import SEQUENCES
from tests.support.fakes import DS, OFFERED, SEEN, USERS, fake_night, publish_words

WORDS = ["--domain", "movies", "--ds", DS, "--run", "run"]
QUICK = {"dim": 4, "length": 4, "batch": 8, "epochs": 1}
SETTINGS = {"two_tower": {**QUICK, "text": 4}, "seq2seq": {**QUICK, "units": 4, "horizon": 4}}


@pytest.fixture
def night(config: Settings) -> Night:
    """Every user took s1, then s'2, in training; n1 … n3 have titles and no events."""
    night = fake_night(config, 1)
    rows = [
        {"user_row": user, "item_row": item, "value": 1.0, "ts": item, "part": "train"}
        for user in range(len(USERS))
        for item in (sorted(SEEN + OFFERED).index(seen) for seen in SEEN)
    ]
    file = write(pa.Table.from_pylist(rows, schema=SEQUENCES), f"{night.run.new_attempt('fake')}/sequences")
    night.run.record(Entry("sequences", "done", "a", files={"sequences": [file]}, facts={"split": "time"}))
    return night


def configured(night: Night, models: dict[str, dict[str, Any]]) -> None:
    pin = night.run.entry("pin")
    pin.facts["configuration"] |= {"models": list(models), "model_settings": models}
    night.run.record(pin)


def ask(config: Settings, sql: str) -> list[tuple[Any, ...]]:
    with open_tables(Tables(config)) as db:
        return db.execute(sql).fetchall()


@pytest.mark.slow
def test_vectors_and_continuations_are_published(config: Settings, night: Night) -> None:
    configured(night, SETTINGS)
    for model in SETTINGS:
        assert main(["train", "--model", model, *WORDS]) == 0
    assert main(["continuations", *WORDS]) == 0
    assert main(publish_words("run")) == 0
    # new items have vectors too: their titles are known
    result = ask(config, "SELECT item_id, model, len(vector) FROM latest.item_vectors ORDER BY item_id")
    assert result == [(item, "two_tower", QUICK["dim"] + 1) for item in sorted(SEEN + OFFERED)]
    # both items that anybody had are had by everybody, and of the others nothing was learned of what follows them
    assert ask(config, "SELECT count(*) FROM latest.continuations") == [(0,)]


@pytest.mark.slow
def test_a_continuation_is_what_the_user_has_not_had(config: Settings, night: Night) -> None:
    rows = [
        {"user_row": user, "item_row": item, "value": 1.0, "ts": item, "part": "train"}
        for user, items in enumerate(((0, 1, 2), (1, 2, 3), (2, 3), (0, 1)))
        for item in items
    ]
    file = write(pa.Table.from_pylist(rows, schema=SEQUENCES), f"{night.run.new_attempt('fake')}/sequences")
    night.run.record(Entry("sequences", "done", "a", files={"sequences": [file]}, facts={"split": "time"}))
    configured(night, {"seq2seq": SETTINGS["seq2seq"]})
    assert main(["train", "--model", "seq2seq", *WORDS]) == 0
    assert main(["continuations", *WORDS]) == 0
    result = night.run.entry("continuations")
    # 4 of the 5 items were learned: one is left for the first two users, two for the others
    assert result.rows == {"continuations": 1 + 1 + 2 + 2}


def test_a_run_without_the_model_publishes_none(config: Settings, night: Night) -> None:
    assert main(["continuations", *WORDS]) == 0
    assert main(publish_words("run")) == 0
    assert ask(config, "SELECT count(*) FROM continuations") == [(0,)]
