"""The DAGs of an operator, maintenance and rollback: what they call, and that the jobs take it."""

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from tests.support.programs.command_lines import PARSE
from tests.support.servers.airflow_stand_in import ROOT


@pytest.fixture
def run(database, encore):
    """Runs a DAG; returns the state of the run, the states of its tasks, and the commands that were called."""

    def run(name, conf, codes=None):
        calls = encore(**(codes or {}))
        dag = DagBag(ROOT / "dags").dags[name]
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
