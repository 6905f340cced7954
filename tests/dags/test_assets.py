"""Published lists are assets: other DAGs are scheduled by them."""

import json

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent
from airflow.sdk import Asset
from airflow.utils.session import create_session

from dags.assets import lists
from tests.support.servers.airflow_stand_in import ROOT

MOVIES = {"domain": "movies", "ds": "2026-03-01", "run": "r", "champion": "ease", "metrics": {"ndcg": 0.25}}


@pytest.fixture
def events(database):
    """The extras of all asset events since the last call."""

    def take(forget=False):
        with create_session() as session:
            result = [(event.uri, event.extra) for event in session.query(AssetEvent).order_by(AssetEvent.id)]
            session.query(AssetEvent).delete()
            return result

    take()
    return take


@pytest.mark.usefixtures("movies_alone")
@pytest.mark.parametrize("state", ["complete", "refused"])
def test_a_complete_night_emits_an_event_and_a_refused_one_none(night, events, monkeypatch, state):
    publication = {**MOVIES, "state": state}
    monkeypatch.setenv("FAKE_PUBLICATION", json.dumps({"publication": publication}))
    run_state, states, _ = night({"domains": ["movies"], "ds": "2026-03-01"})
    assert (run_state, states["movies.publish"]) == ("success", "success")
    assert events() == ([("encore://movies/lists", publication)] if state == "complete" else [])


def test_the_example_is_scheduled_by_what_publishing_emits():
    bag = DagBag(ROOT / "docs" / "examples")
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert dag.timetable.asset_condition.objects == (lists("movies"),)
    assert isinstance(lists("movies"), Asset)


def test_the_example_reads_what_was_published(caplog):
    caplog.set_level("INFO")
    bag = DagBag(ROOT / "docs" / "examples")
    say = bag.dags["new_lists"].get_task("say").python_callable
    event = type("Event", (), {"extra": MOVIES})
    assert say(triggering_asset_events={lists("movies"): [event]}) == [MOVIES]
    assert caplog.messages[-1] == "movies 2026-03-01: ease, NDCG@10 0.25"
