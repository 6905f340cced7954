"""The DAG `nightly`, run with a stand-in for `encore`: order, arguments, skips, failures."""

from datetime import UTC, datetime

import pytest

from dags.common import DOMAINS, JobOperator
from schemas.names import MODELS
from tests.support.programs.command_lines import PARSE

ON_GPU = "recommend_gpu"  # skipped where the champion needs none, as the stand-in's


def states_of(states, domain):
    result = {task.removeprefix(f"{domain}."): str(state) for task, state in states.items() if task.startswith(domain)}
    assert result.pop(ON_GPU) != "success"
    return result


def test_scheduled_night_of_all_domains(night, in_jobs_environment):
    state, states, calls = night(logical_date=datetime(2026, 3, 2, 2, tzinfo=UTC))
    assert state == "success"
    skipped = {task for task, state in states.items() if state != "success"}
    assert skipped == {f"{domain}.{ON_GPU}" for domain in DOMAINS}
    assert in_jobs_environment(PARSE, calls) == "parsed"
    for domain in DOMAINS:
        jobs = [call[0] for call in calls if f"--domain={domain}" in call]
        assert jobs.count("train") == len(MODELS)
        assert len(jobs) == len(set(jobs)) + len(MODELS) - 1  # the others once each
        assert [job for job in jobs if job != "sentiment"][:3] == ["pin", "clean", "vocabulary"]
        assert jobs[-5:] == ["evaluate", "gate", "recommend", "publish", "html_report"]
        assert jobs.index("sentiment") < jobs.index("evaluate") > jobs.index("continuations")
    assert all("--ds=2026-03-01" in call for call in calls if call[0] != "spark")
    runs = {word for call in calls for word in call if word.startswith("--run=")}
    assert len(runs) == 1


def test_only_what_was_asked_for_runs(night, in_jobs_environment):
    conf = {"domains": ["music"], "ds": "2026-02-03", "models": ["popularity"], "top_k": 7, "run": "mine"}
    state, states, calls = night(conf)
    assert state == "success"
    assert set(states_of(states, "movies").values()) == {"skipped"}
    music = states_of(states, "music")
    unasked = {f"train_{model}" for model in MODELS if model != "popularity"}
    assert {task for task, state in music.items() if state == "skipped"} == {*unasked, "continuations"}
    common = ["--domain=music", "--ds=2026-02-03", "--run=mine"]
    form = ["--top-k=7", "--models=popularity", "--trigger=manual"]
    (pin,) = (call for call in calls if call[0] == "pin")
    assert pin[:-1] == ["pin", *common, *form]
    assert datetime.fromisoformat(pin[-1].removeprefix("--triggered-at=")) <= datetime.now(UTC)
    assert [call for call in calls if call[0] == "train"] == [["train", *common, "--model=popularity"]]
    assert in_jobs_environment(PARSE, calls) == "parsed"


def test_a_failure_stays_in_its_domain_and_fails_the_run(night):
    codes = {"clean --domain=music": 2, "gate --domain=games": 3}
    state, states, calls = night({"ds": "2026-03-01"}, codes)
    assert state == "failed"
    assert set(states_of(states, "movies").values()) == {"success"}
    music = states_of(states, "music")
    assert music["clean"] == "failed"
    assert set(music.values()) == {"success", "failed", "upstream_failed"}
    assert music["publish"] == "upstream_failed"
    assert sum(call[:2] == ["clean", "--domain=music"] for call in calls) == 1  # wrong input is not tried again
    games = states_of(states, "games")
    assert (games["gate"], games["recommend"], games["publish"]) == ("skipped", "skipped", "success")
    assert states["spark_stop"] == "success"  # and yet the run is red


@pytest.mark.slow
def test_a_domain_without_files_is_left_out(night):
    codes = {"pin --domain=music": 3, "html_report --domain=movies": 2}
    state, states, calls = night({"domains": ["movies", "music"], "ds": "2026-03-01"}, codes)
    assert state == "success"
    assert set(states_of(states, "music").values()) == {"skipped"}
    assert [call[0] for call in calls if "--domain=music" in call] == ["pin"]
    movies = states_of(states, "movies")
    assert movies.pop("report") == "failed"  # and yet the run is green: what is published is published
    assert set(movies.values()) == {"success"}


@pytest.mark.usefixtures("movies_alone")
def test_one_model_is_enough_but_a_failed_one_shows(night):
    conf = {"domains": ["movies"], "ds": "2026-03-01"}
    state, states, calls = night(conf, {"--model=item_knn": 1})
    assert state == "failed"
    movies = states_of(states, "movies")
    assert movies["train_item_knn"] == "failed"
    assert movies["publish"] == "success"
    assert sum("--model=item_knn" in call for call in calls) == 3  # a fault is tried again, twice


@pytest.mark.usefixtures("movies_alone")
def test_what_only_adds_to_the_night_does_not_stop_it(night):
    state, states, _ = night({"domains": ["movies"], "ds": "2026-03-01"}, {"sentiment": 2})
    assert state == "failed"
    assert (states["movies.sentiment"], states["movies.publish"]) == ("failed", "success")


@pytest.mark.usefixtures("movies_alone")
@pytest.mark.parametrize("champion", [pytest.param("sasrec", marks=pytest.mark.slow), "ensemble"])
def test_a_champion_with_networks_recommends_on_the_gpu_queue(night, monkeypatch, champion):
    monkeypatch.setenv("FAKE_CHAMPION", champion)
    state, states, calls = night({"domains": ["movies"], "ds": "2026-03-01"})
    assert state == "success"
    assert (states["movies.recommend"], states[f"movies.{ON_GPU}"]) == ("skipped", "success")
    assert sum(call[0] == "recommend" for call in calls) == 1


@pytest.mark.usefixtures("movies_alone")
def test_no_model_no_publication(night):
    conf = {"domains": ["movies"], "models": ["popularity"], "ds": "2026-03-01"}
    state, states, _ = night(conf, {"train": 2})
    assert state == "failed"
    movies = states_of(states, "movies")
    assert (movies["evaluate"], movies["publish"]) == ("failed", "upstream_failed")


@pytest.mark.usefixtures("movies_alone")
def test_without_spark_only_what_needs_none_is_computed(night):
    state, states, calls = night({"domains": ["movies"], "ds": "2026-03-01"}, {"spark check": 2})
    assert state == "failed"
    movies = states_of(states, "movies")
    assert (movies["clean"], movies["vocabulary"], movies["publish"]) == (
        "success",
        "upstream_failed",
        "upstream_failed",
    )
    assert {call[0] for call in calls} == {"spark", "pin", "clean", "sentiment"}


@pytest.mark.usefixtures("movies_alone")
def test_a_run_that_asks_for_no_night_is_refused_before_anything_runs(night):
    state, states, calls = night({"domains": ["movies"]}, logical_date=None)
    assert state == "failed"
    assert states["request"] == "failed"
    assert calls == []


@pytest.mark.usefixtures("movies_alone")
def test_a_logical_date_before_the_schedule_is_refused(night, caplog):
    state, states, calls = night({"domains": ["movies"]}, logical_date=datetime(2018, 9, 25, tzinfo=UTC))
    assert (state, states["request"], calls) == ("failed", "failed", [])


@pytest.mark.usefixtures("movies_alone")
def test_a_run_that_is_marked_failed_is_failed(night, dag, monkeypatch):
    """Airflow skips what has not run yet, but for teardowns; a run whose last tasks are skipped is green."""
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    def call(operator, words, real=JobOperator.call):
        if words[0] == "clean":
            with create_session() as session:
                run = session.query(DagRun).order_by(DagRun.id.desc()).first()
                set_dag_run_state_to_failed(dag=run.dag or dag, run_id=run.run_id, commit=True, session=session)
        return real(operator, words)

    monkeypatch.setattr(JobOperator, "call", call)
    state, states, calls = night({"domains": ["movies"], "ds": "2026-03-01"})
    assert "publish" not in [call[0] for call in calls]
    assert (str(states["complete"]), state) == ("failed", "failed")
    assert states["spark_stop"] == "success"
