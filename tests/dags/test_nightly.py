"""The DAG `nightly`: what it promises before it runs."""

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.encoders import coerce_to_core_timetable

from dags.common import DOMAINS, JobOperator
from schemas.names import MODELS


def test_every_task_is_tried_again_pooled_and_ends(dag, request):
    pools = {"default_pool", *json.loads((request.config.rootpath / "dags" / "pools.json").read_text())}
    for task in dag.tasks:
        assert task.retries >= 1, task
        assert task.retry_delay > timedelta(0), task
        assert task.retry_exponential_backoff > 1, task
        assert task.execution_timeout, task
        assert task.pool in pools, task
        assert task.owner == "encore", task


def test_dag_says_what_it_is(dag):
    assert dag.doc_md.startswith("# The night")
    assert dag.tags == {"encore"}
    assert not dag.catchup
    assert dag.max_active_runs == 1


def test_schedule_gives_the_completed_day(dag):
    timetable = coerce_to_core_timetable(dag.timetable)
    night = timetable.infer_manual_data_interval(run_after=datetime(2026, 3, 2, 2, tzinfo=UTC))
    assert night.start == datetime(2026, 3, 1, 2, tzinfo=UTC)
    by_day = timetable.infer_manual_data_interval(run_after=datetime(2026, 3, 2, 13, 37, tzinfo=UTC))
    assert by_day == night


def test_every_domain_has_the_same_tasks(dag):
    def tasks(domain):
        return {task.task_id.removeprefix(f"{domain}.") for task in dag.task_group_dict[domain].iter_tasks()}

    assert all(tasks(domain) == tasks(DOMAINS[0]) for domain in DOMAINS)
    assert {f"train_{model}" for model in MODELS} == {name for name in tasks(DOMAINS[0]) if name.startswith("train_")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_k", 0),
        ("top_k", 1001),
        ("top_k", "10"),
        ("ds", "yesterday"),
        ("ds", "2026-02-30"),
        ("domains", []),
        ("domains", ["books"]),
        ("domains", ["movies", "movies"]),
        ("models", "popularity"),
        ("models", ["oracle"]),
        ("run", "a:b"),
    ],
)
def test_form_refuses(dag, name, value):
    with pytest.raises(ParamValidationError):
        copy.deepcopy(dag.params.get_param(name)).resolve(value)


@pytest.mark.parametrize(
    ("name", "value"), [("top_k", None), ("top_k", 1000), ("ds", "2026-03-01"), ("models", ["popularity"])]
)
def test_form_accepts(dag, name, value):
    param = copy.deepcopy(dag.params.get_param(name))  # which keeps what it resolves
    assert param.resolve(value) == value


def test_spark_pool_holds_the_jobs_that_use_spark(dag, in_jobs_environment):
    # The server stops when the last of them has ended: one that is missing here would start it again, unseen.
    code = """
import json, sys, grimp
from jobs.commands import JOBS
graph = grimp.build_graph("jobs", cache_dir=None)
uses = {job.name: graph.chain_exists(job.module, "jobs.spark.session") for job in JOBS}
print(json.dumps([uses, {job.name: job.spark for job in JOBS}]))
"""
    tasks = [task for task in dag.tasks if isinstance(task, JobOperator) and task.job != "spark"]
    uses_spark, declared = in_jobs_environment(code, None)
    assert {task.job: task.pool == "spark" for task in tasks} == uses_spark == declared
