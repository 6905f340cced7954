"""# The night: what to recommend to each user of every domain, from the events up to the completed day

Every task is one command, `encore JOB --domain … --ds … --run …`, and may be cleared and run again: it reads what `pin`
fixed. A red task says why at the end of its log. A pink one was not asked for, or the gate kept last night's lists: the
metrics are published then. A domain that fails stops no other. The run is green only where every domain asked for is
complete, or refused with a reason, and nothing failed: `complete` says which is not.
"""

from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup, TriggerRule

from dags.assets import PublishOperator
from dags.common import DAG_ARGUMENTS, DOMAINS, GPU, TRIGGER, TRIGGERED_AT, JobOperator, ReportLink, job, spark_server
from dags.form import FORM, RequestOperator
from dags.notices import RunFailed
from dags.outcome import OutcomeOperator
from schemas.names import CONTINUING, ENSEMBLE, MODELS, NEURAL, ON_GPU


def training(model: str) -> dict[str, Any]:
    """Makes the settings of train_<model>."""
    asked = {"task_id": f"train_{model}", "when": f"{{{{ '{model}' in params.models }}}}"}
    return asked | (GPU if model in NEURAL else {})


def night(domain: str) -> list[JobOperator]:
    """Makes one domain's tasks; returns the first, and those that the outcome of the run waits for."""
    asked = f"{{{{ '{domain}' in params.domains }}}}"
    form = ["{{ '--top-k=%d' % params.top_k if params.top_k else '' }}", "--models={{ params.models | join(',') }}"]
    pin = job("pin", domain, *form, TRIGGER, TRIGGERED_AT, when=asked)
    clean, vocabulary, sequences = (job(name, domain, pool="spark") for name in ("clean", "vocabulary", "sequences"))
    some = {"one_upstream": True, "trigger_rule": TriggerRule.ALL_DONE}  # Airflow's own rule skips as soon as one skips
    similarities = [job(f"{entity}_similarity", domain, pool="spark", **some) for entity in ("item", "user")]
    train = {name: job("train", domain, f"--model={name}", **training(name)) for name in MODELS if name != ENSEMBLE}
    ensemble = job("train", domain, f"--model={ENSEMBLE}", **training(ENSEMBLE), **some | {"one_upstream": "train_"})
    evaluate = job("evaluate", domain, when=asked, **some)
    neural = f"((ti.xcom_pull('{domain}.gate') or {{}}).get('champion') in {ON_GPU})"
    recommend = [job("recommend", domain, when=f"{{{{ not {neural} }}}}")]
    recommend += [job("recommend", domain, when=f"{{{{ {neural} }}}}", task_id="recommend_gpu", **GPU)]
    publish = job("publish", domain, operator=PublishOperator, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    pin >> clean >> vocabulary >> [sequences, *similarities]
    sequences >> [*train.values()] >> ensemble >> evaluate >> job("gate", domain) >> recommend >> publish
    clean >> (sentiment := job("sentiment", domain, **GPU))
    train[CONTINUING] >> (continuations := job("continuations", domain, **GPU))
    sequences >> (activity := job("activity", domain, **GPU))
    [sentiment, continuations, activity] >> ensemble  # only so that `publish` finds them ended, well or not
    [*train.values()] >> evaluate
    train["hybrid_knn"] >> similarities >> publish  # it chooses how collaborative and content are mixed
    report = job("html_report", domain, task_id="report", one_upstream=True, links=(ReportLink(),))
    publish >> report.as_teardown()
    return [pin, *train.values(), sentiment, continuations, activity, ensemble, publish, *similarities]


with DAG(
    "nightly",
    schedule=CronDataIntervalTimetable("0 2 * * *", "UTC"),
    doc_md=__doc__,
    params=FORM,
    **DAG_ARGUMENTS,
) as dag:
    check, stop = spark_server()
    request = RequestOperator(task_id="request", retries=1)
    outcome = OutcomeOperator(task_id="complete", domains=DOMAINS, on_failure_callback=RunFailed())
    complete = outcome.as_teardown(on_failure_fail_dagrun=True)
    request >> check
    for domain in DOMAINS:
        with TaskGroup(domain):
            pin, *ends = night(domain)
            request >> pin
            ends >> complete
    # After all of them, not only the last ones: `publish` may be given up while others still compute.
    spark = [task for task in dag.tasks if task.pool == "spark"]
    # Of those that begin a chain `clean` does not wait: it needs Spark only where there is much, and starts it then.
    first = [task for task in spark if task.trigger_rule == TriggerRule.ALL_SUCCESS]
    check >> [task for task in first if not task.task_id.endswith(".clean")]
    spark >> stop
