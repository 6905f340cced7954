"""Which night is the last complete one, for everybody who asks: readers, the gate, training, status, the report."""

import json
from dataclasses import replace

import pytest

from jobs.cli import main
from jobs.errors import REFUSED
from jobs.learning.incumbent import incumbent
from jobs.learning.warm_start import last_complete as begun_with
from jobs.settings import Settings
from jobs.states import (
    Publication,
    complete_nights,
    last_complete,
    last_complete_nights,
    last_publications,
)
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables
from schemas.names import NightState, TaskState
from tests.support.fakes import Rows, fake_night, publish_words
from tests.support.nights import publish
from tests.support.planted import written_page

FIRST, SECOND, THIRD = "2026-11-18", "2026-11-19", "2026-11-20"


def row(domain: str, ds: str, run_id: str, sequence: int, state: str = NightState.COMPLETE) -> dict[str, object]:
    return {"domain": domain, "ds": ds, "run_id": run_id, "sequence": sequence, "state": state}


ROWS = [
    row("movies", SECOND, "b", 2),
    row("movies", FIRST, "a", 1),
    row("movies", SECOND, "refused", 4, NightState.REFUSED),
    row("movies", FIRST, "again", 10),  # later than all, of an older night; 10 is more than 9, not less than 2
    row("movies", FIRST, "between", 9),
    row("music", THIRD, "m", 1, NightState.REFUSED),
    row("games", FIRST, "g", 1),
]


def test_a_night_is_as_its_last_complete_run_left_it() -> None:
    assert complete_nights(ROWS) == [
        Publication("games", FIRST, "g", 1),
        Publication("movies", FIRST, "again", 10),
        Publication("movies", SECOND, "b", 2),
    ]


def test_the_last_complete_night_is_that_of_the_greatest_day() -> None:
    assert last_complete(ROWS, "movies") == ("movies", SECOND, "b", 2)
    assert last_complete(ROWS, "movies", ds=FIRST) == ("movies", FIRST, "again", 10)
    assert last_complete(ROWS, "movies", before=SECOND) == ("movies", FIRST, "again", 10)
    assert last_complete(ROWS, "movies", before=FIRST) is None
    assert last_complete(ROWS, "music") is None
    assert last_complete_nights(ROWS) == [("games", FIRST, "g", 1), ("movies", SECOND, "b", 2)]


def test_the_last_publication_of_a_domain_is_that_of_the_greatest_sequence() -> None:
    """Whatever its night and its state."""
    last = last_publications(ROWS)
    assert {domain: row["run_id"] for domain, row in last.items()} == {"movies": "again", "music": "m", "games": "g"}
    assert last_publications([]) == {}


def refuse(config: Settings, ds: str, run: str) -> None:
    """Publishes a night with other models, and the gate's refusal."""

    def spoil(rows: dict[str, Rows]) -> None:
        rows["models"][1] |= {"status": "refused", "reason": "drift"}

    night = fake_night(config, 9, ds=ds, run=run, broken=spoil)
    gate = night.run.entry("gate")
    night.run.record(replace(gate, state=TaskState.REFUSED, error="drift", exit_code=REFUSED))
    assert main(publish_words(run, ds=ds)) == 0


def test_a_refused_rerun_changes_nothing_for_anybody(config: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    publish(config, 1, ds=FIRST, run="one")
    publish(config, 2, ds=SECOND, run="two")
    refuse(config, SECOND, "two_again")
    with open_tables(Tables(config)) as db:
        assert db.execute("SELECT state FROM runs WHERE run_id = 'two_again'").fetchall() == [("refused",)]
        assert db.execute("FROM latest").fetchall() == [("movies", SECOND, "two", 2)]
        assert db.execute("SELECT DISTINCT train_seconds FROM latest.models").fetchall() == [(2.0,)]
    capsys.readouterr()
    assert main(["status", "--domain", "movies", "--format", "json"]) == 0
    [status] = json.loads(capsys.readouterr().out)
    assert (status["ds"], status["run_id"]) == (SECOND, "two")

    night = fake_night(config, 3, ds=THIRD, run="three")
    champion = incumbent(night)
    assert champion is not None
    assert (champion["ds"], champion["model"], champion["train_seconds"]) == (SECOND, "item_knn", 2.0)
    assert begun_with(night).run_id == "two"
    assert f"lists of {SECOND}" in written_page(config, SECOND, "two_again").read_text()


def test_a_rolled_back_night_has_its_incumbent_again(config: Settings) -> None:
    publish(config, 1, ds=FIRST, run="one")
    publish(config, 2, ds=FIRST, run="one_again")
    rollback = ["tables", "rollback", "--domain", "movies", "--ds", FIRST, "--to", "one"]
    assert main(rollback) == 0
    champion = incumbent(fake_night(config, 3, ds=SECOND, run="two"))
    assert champion is not None
    assert champion["train_seconds"] == 1.0
