"""# The night: what to recommend to each user of every domain, from the events up to the completed day

Every task is one command, `encore JOB --domain … --ds … --run …`, and may be cleared and run again: it reads what `pin`
fixed. A red task says why at the end of its log. A pink one was not asked for, or the gate kept last night's lists: the
metrics are published then. A domain that fails stops no other; the run is green only where nothing failed.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup, TriggerRule

from dags.common import DOMAINS, DS, GPU, POLICY, RUN, JobOperator, ReportLink, several
from schemas.names import ENSEMBLE, MODELS, NEURAL, ON_GPU


def job(name: str, domain: str, *arguments: str, **settings: Any) -> JobOperator:
    """One job of a domain's night."""
    common = [f"--domain={domain}", f"--ds={DS}", f"--run={RUN}"]
    return JobOperator(**{"task_id": name, "job": name, "arguments": [*common, *arguments], **settings})


def training(model: str) -> dict[str, Any]:
    """The settings of train_<model>."""
    asked = {"task_id": f"train_{model}", "when": f"{{{{ '{model}' in params.models }}}}"}
    return asked | (GPU if model in NEURAL else {})


def night(domain: str) -> list[JobOperator]:
    """One domain's tasks; returns those on which the run's state hangs. The page, a teardown, is none of them."""
    asked = f"{{{{ '{domain}' in params.domains }}}}"
    form = ["{{ '--top-k=%d' % params.top_k if params.top_k else '' }}", "--models={{ params.models | join(',') }}"]
    pin = job("pin", domain, *form, "--trigger={{ dag_run.run_type.value }}", when=asked)
    clean, vocabulary, sequences = (job(name, domain, pool="spark") for name in ("clean", "vocabulary", "sequences"))
    some = {"one_upstream": True, "trigger_rule": TriggerRule.ALL_DONE}  # Airflow's own rule skips as soon as one skips
    similarities = [job(f"{entity}_similarity", domain, pool="spark", **some) for entity in ("item", "user")]
    train = {name: job("train", domain, f"--model={name}", **training(name)) for name in MODELS if name != ENSEMBLE}
    ensemble = job("train", domain, f"--model={ENSEMBLE}", **training(ENSEMBLE), **some)
    evaluate = job("evaluate", domain, when=asked, **some)
    neural = f"((ti.xcom_pull('{domain}.gate') or {{}}).get('champion') in {ON_GPU})"
    recommend = [job("recommend", domain, when=f"{{{{ not {neural} }}}}")]
    recommend += [job("recommend", domain, when=f"{{{{ {neural} }}}}", task_id="recommend_gpu", **GPU)]
    publish = job("publish", domain, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    pin >> clean >> vocabulary >> [sequences, *similarities]
    sequences >> [*train.values()] >> ensemble >> evaluate >> job("gate", domain) >> recommend >> publish
    clean >> (sentiment := job("sentiment", domain, **GPU))
    train["seq2seq"] >> (continuations := job("continuations", domain, **GPU))
    [sentiment, continuations] >> ensemble  # only so that `publish` finds them ended, well or not
    [*train.values()] >> evaluate
    train["hybrid_knn"] >> similarities >> publish  # it chooses how collaborative and content are mixed
    report = job("html_report", domain, task_id="report", one_upstream=True, links=(ReportLink(),))
    publish >> report.as_teardown()
    return [*train.values(), sentiment, continuations, ensemble, publish]


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
    spark = [task for task in dag.tasks if task.pool == "spark"]
    start >> [task for task in spark if task.trigger_rule == TriggerRule.ALL_SUCCESS]
    spark >> stop
