"""The DAGs of an operator, maintenance and rollback: what they call, and that the jobs take it."""

import re
from datetime import date

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from dags.form import refusal
from tests.support.programs.command_lines import PARSE
from tests.support.servers.airflow_stand_in import ROOT


@pytest.fixture
def run(database, encore):
    """Runs a DAG; returns the state of the run, the states of its tasks, and the commands that were called."""

    def run(name, conf, codes=None):
        calls = encore(**(codes or {}))
        dag = DagBag(ROOT / "dags" / f"{name}.py").dags[name]
        for task in dag.tasks:
            task.retry_delay *= 0
        done = dag.test(run_conf=conf)
        return done.state, {task.task_id: str(task.state) for task in done.get_task_instances()}, calls()

    return run


def test_maintenance_expires_backs_up_and_checks(run, in_jobs_environment):
    state, _, calls = run("maintenance", {"keep_nights": 7, "backup_to": "/backups/"})
    assert state == "success"
    assert calls[0] == ["tables", "expire", "--keep-nights=7"]
    assert {tuple(call[:2]) for call in calls[1:]} == {("tables", "backup"), ("tables", "check")}
    (backup,) = (call for call in calls if call[1] == "backup")
    assert backup[2].startswith("--to=/backups/encore-20")
    assert in_jobs_environment(PARSE, calls) == "parsed"


def test_maintenance_without_a_place_makes_no_backup_and_a_finding_fails_it(run):
    state, states, calls = run("maintenance", {}, {"tables check": 1})
    assert state == "failed"
    assert states == {"expire": "success", "backup": "skipped", "check": "failed"}
    assert calls[0] == ["tables", "expire", "--keep-nights=30"]


def test_rollback_calls_what_the_form_names(run, in_jobs_environment):
    form = {"domain": "movies", "ds": "2026-03-01", "to": "scheduled__2026-03-01T02:00:00+00:00"}
    state, _, calls = run("rollback", form)
    assert state == "success"
    words = ["--domain=movies", "--ds=2026-03-01", "--to=scheduled__2026-03-01T02:00:00+00:00"]
    assert calls == [["tables", "rollback", *words]]
    assert in_jobs_environment(PARSE, calls) == "parsed"


@pytest.mark.parametrize(("name", "value"), [("domain", "books"), ("ds", "yesterday"), ("to", "a b"), ("to", "")])
def test_rollback_refuses_what_is_no_night_or_run(name, value):
    with pytest.raises(ParamValidationError):
        DagBag(ROOT / "dags").dags["rollback"].params.get_param(name).resolve(value)


COMMON = ["--ds=2026-03-01", "--run=mine"]


def jobs_of(calls, domain):
    return [call[0] for call in calls if f"--domain={domain}" in call]


def test_similarity_runs_spark_alone_and_publishes_nothing(run, in_jobs_environment):
    form = {"domains": ["games", "movies"], "ds": "2026-03-01", "run": "mine"}
    state, states, calls = run("similarity", form, {"clean --domain=games": 2})
    assert state == "failed"
    assert states["movies.item_similarity"] == states["movies.user_similarity"] == states["spark_stop"] == "success"
    assert states["games.item_similarity"] == "upstream_failed"
    assert states["music.pin"] == states["music.user_similarity"] == "skipped"
    assert jobs_of(calls, "movies")[:3] == ["pin", "clean", "vocabulary"]
    assert sorted(jobs_of(calls, "movies")[3:]) == ["item_similarity", "user_similarity"]
    assert ["vocabulary", "--domain=movies", *COMMON] in calls
    assert calls[-1] == ["spark", "stop", "--run=mine"]
    assert in_jobs_environment(PARSE, calls) == "parsed"


RETRAIN = {"domain": "games", "ds": "2026-03-01"}


def test_retrain_trains_one_model_with_the_settings_of_the_form(run, in_jobs_environment):
    form = {**RETRAIN, "model": "lstm", "settings": {"epochs": 3}}
    state, states, calls = run("retrain", form)
    assert state == "success"
    assert jobs_of(calls, "games") == ["pin", "clean", "vocabulary", "sequences", "train", "evaluate", "gate"]
    assert jobs_of(calls, "movies") == []
    pin, train = calls[[call[0] for call in calls].index("pin")], next(call for call in calls if call[0] == "train")
    assert {"--models=lstm", '--settings={"lstm": {"epochs": 3}}'} <= {*pin}
    assert train[-1] == "--model=lstm"
    assert (states["games.train"], states["games.train_gpu"]) == ("skipped", "success")
    assert states["games.publish"] == states["games.recommend"] == states["games.item_similarity"] == "skipped"
    assert in_jobs_environment(PARSE, calls) == "parsed"


def test_retrain_publishes_where_the_form_says_so(run):
    state, states, calls = run("retrain", {**RETRAIN, "model": "item_knn", "publish": True})
    assert state == "success"
    assert (states["games.train"], states["games.train_gpu"]) == ("success", "skipped")
    assert (states["games.recommend"], states["games.recommend_gpu"]) == ("success", "skipped")
    assert jobs_of(calls, "games")[-2:] == ["publish", "html_report"]
    assert {"item_similarity", "user_similarity"} < {*jobs_of(calls, "games")}


def test_retrain_publishes_what_was_measured_where_the_gate_refuses(run):
    state, states, calls = run("retrain", {**RETRAIN, "publish": True}, {"gate": 3})
    assert state == "success"
    assert states["games.recommend"] == states["games.recommend_gpu"] == "skipped"
    assert "publish" in jobs_of(calls, "games")


@pytest.mark.slow
def test_retrain_fails_where_the_training_fails(run):
    state, states, calls = run("retrain", {**RETRAIN, "publish": True}, {"train": 2})
    assert state == "failed"
    assert states["games.publish"] == "upstream_failed"
    assert states["spark_stop"] == "success"
    assert "publish" not in jobs_of(calls, "games")


@pytest.mark.parametrize("name", ["similarity", "retrain"])
def test_runs_by_hand_have_a_deadline_a_notice_and_room_for_each_domain(name):
    dag = DagBag(ROOT / "dags").dags[name]
    assert dag.dagrun_timeout is not None
    assert dag.max_active_runs == 3
    assert all(task.on_failure_callback for task in dag.tasks)
    assert {task.pool for task in dag.tasks if task.task_id.endswith((".vocabulary", "_similarity"))} == {"spark"}
    assert all(task.max_active_tis_per_dag == 1 for task in dag.tasks if task.task_id.endswith(".publish"))


@pytest.mark.parametrize(
    ("name", "conf", "message"),
    [
        ("retrain", {**RETRAIN, "run": "mine"}, "unknown keys: run; there are: domain, model, settings, ds, publish"),
        ("similarity", {"ds": "2999-01-01"}, "ds 2999-01-01 is not over"),
    ],
)
def test_a_run_by_hand_that_cannot_be_had_is_refused_first(run, name, conf, message):
    state, states, calls = run(name, conf)
    assert (state, states["request"], calls) == ("failed", "failed", [])
    form = DagBag(ROOT / "dags").dags[name].get_task("request").form
    assert message in refusal(conf, conf, None, date(2026, 11, 28), form)


def test_every_task_says_how_its_job_explains_itself():
    task = DagBag(ROOT / "dags").dags["retrain"].get_task("games.train")
    assert "encore train --help" in task.doc_md


def test_tune_searches_settings_of_each_kind_of_model(run, in_jobs_environment):
    form = {"domains": ["games"], "models": ["ease", "item_knn", "sasrec"], "minutes": 5, "to": "/tuned/"}
    state, states, calls = run("tune", form)
    assert state == "success"
    assert (states["games.tune_classic"], states["music.tune_classic"]) == ("success", "skipped")
    names = [{word.partition("=")[0]: word.partition("=")[2] for word in call} for call in calls]
    assert sorted(words["--models"] for words in names) == ["item_knn,ease", "sasrec"]
    assert {words["--minutes"] for words in names} == {"5"}
    assert all(re.fullmatch(r"/tuned/games-\d{4}-\d\d-\d\d-(classic|networks)\.toml", w["--to"]) for w in names)
    assert in_jobs_environment(PARSE, calls) == "parsed"


def test_tune_without_networks_needs_no_gpu(run):
    _, states, calls = run("tune", {"domains": ["games"], "models": ["ease"]})
    assert states["games.tune_networks"] == "skipped"
    assert len(calls) == 1


def test_tune_runs_once_a_week_and_tells_of_failures():
    dag = DagBag(ROOT / "dags").dags["tune"]
    assert dag.timetable.expression == "0 14 * * 0"
    assert all(task.on_failure_callback for task in dag.tasks)
    assert {task.queue for task in dag.tasks if task.task_id.endswith("_networks")} == {"gpu"}
    longest = dag.params.get_param("minutes").schema["maximum"]
    assert all(task.execution_timeout.total_seconds() > 60 * longest for task in dag.tasks)
