"""# The night

What to recommend to each user of every domain, from the events up to the completed day.

Every task is one command, `encore JOB --domain … --ds … --run …`, and may be cleared and run again: it reads what `pin`
fixed. A red task says why in the last lines of its log. A pink one was not asked for, or the gate kept last night's
lists. A domain that fails stops no other; the run is green only where nothing failed.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup, TriggerRule

from dags.common import DS, POLICY, RUN, JobOperator
from schemas.names import DOMAINS, MODELS


def several(names: tuple[str, ...], what: str) -> Param:
    """A multiple choice with all chosen; `examples` makes the form draw it as one."""
    items = {"type": "string", "enum": [*names]}
    return Param([*names], what, type="array", items=items, examples=[*names], minItems=1, uniqueItems=True)


def job(name: str, domain: str, *arguments: str, **settings: Any) -> JobOperator:
    """One job of a domain's night."""
    common = [f"--domain={domain}", f"--ds={DS}", f"--run={RUN}"]
    return JobOperator(**{"task_id": name, "job": name, "arguments": [*common, *arguments], **settings})


def night(domain: str) -> list[JobOperator]:
    """One domain, from what it reads to what it publishes; returns the tasks on which the run's state hangs."""
    asked = f"{{{{ '{domain}' in params.domains }}}}"
    top_k = "{{ '--top-k=%d' % params.top_k if params.top_k else '' }}"
    models = "--models={{ params.models | join(',') }}"
    pin = job("pin", domain, top_k, models, "--trigger={{ dag_run.run_type.value }}", when=asked)
    clean, vocabulary, sequences = (job(name, domain, pool="spark") for name in ("clean", "vocabulary", "sequences"))
    similarities = [job(name, domain, pool="spark") for name in ("item_similarity", "user_similarity")]
    train = [
        job("train", domain, f"--model={model}", task_id=f"train_{model}", when=f"{{{{ '{model}' in params.models }}}}")
        for model in MODELS
    ]
    # One model is enough. Airflow's own rule for this, all_done_min_one_success, skips as soon as one model is skipped.
    evaluate = job("evaluate", domain, when=asked, one_upstream=True, trigger_rule=TriggerRule.ALL_DONE)
    gate, recommend = job("gate", domain), job("recommend", domain)
    # Where the gate refuses, `recommend` skips and the metrics are published. Where something failed, or the whole
    # domain was not asked for, nothing is.
    publish = job("publish", domain, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    pin >> clean >> vocabulary >> [sequences, *similarities]
    sequences >> train >> evaluate >> gate >> recommend >> publish
    similarities >> publish
    return [*train, publish]


with DAG(
    "nightly",
    schedule=CronDataIntervalTimetable("0 2 * * *", "UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=POLICY,
    doc_md=__doc__,
    tags=["encore"],
    params={
        "domains": several(DOMAINS, "Whose night"),
        "ds": Param(None, "The completed day (empty: the last one)", type=["null", "string"], format="date"),
        "top_k": Param(None, "Items a user (empty: the domain's)", type=["null", "integer"], minimum=1, maximum=1000),
        "models": several(MODELS, "Which models to train"),
    },
) as dag:
    start = JobOperator(task_id="spark_start", job="spark", arguments=["start", f"--run={RUN}"])
    stop = JobOperator(task_id="spark_stop", job="spark", arguments=["stop", f"--run={RUN}"]).as_teardown(setups=start)
    complete = EmptyOperator(task_id="complete", trigger_rule=TriggerRule.NONE_FAILED)
    for domain in DOMAINS:
        with TaskGroup(domain):
            night(domain) >> complete
    # After all of them, not only the last ones: `publish` may be given up while others still compute.
    users = [task for task in dag.tasks if task.pool == "spark"]
    start >> users >> stop
