"""# Retrain: one model of one domain, with settings of its own

Trains the model on the events up to the completed day, measures it and has the gate compare it with the champion, as a
night does that is asked for this model alone. The log of `gate` says what it decided; what was measured lies in the
folder of the run. With `publish`, similarity and lists are computed too, and the night is published, or kept back where
the gate refuses it. The settings hold for this run only: those of later nights stand in `ENCORE_CONFIG`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup, TriggerRule

from dags.assets import PublishOperator
from dags.common import DOMAINS, GPU, TRIGGER, JobOperator, ReportLink, job, spark_server
from dags.form import RequestOperator, completed_day
from dags.notices import TELLING_ARGUMENTS
from schemas.names import ENSEMBLE, MODELS, NEURAL, ON_GPU

ALONE = [name for name in MODELS if name != ENSEMBLE]  # which needs the others
FORM = {
    "domain": Param(DOMAINS[0], "Whose model", title="Domain", type="string", enum=[*DOMAINS]),
    "model": Param(ALONE[0], "Which one is trained", title="Model", type="string", enum=ALONE),
    "settings": Param(
        {},
        'What is to differ from its settings, as {"epochs": 5}; docs/settings.md lists them',
        title="Settings of the model",
        type="object",
    ),
    "ds": completed_day("It learns from the events up to the end of this day"),
    "publish": Param(False, "Compute lists as well, and publish the night", title="Publish", type="boolean"),
}
SETTINGS = "--settings={{ {params.model: params.settings} | tojson }}"
SOME = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS


def retraining(domain: str) -> tuple[JobOperator, list[JobOperator]]:
    """Makes the tasks of a domain; returns the first, and those that need Spark."""
    asked = f"{{{{ params.domain == '{domain}' }}}}"
    pin = job("pin", domain, "--models={{ params.model }}", SETTINGS, TRIGGER, when=asked)
    clean, vocabulary, sequences = (job(name, domain, pool="spark") for name in ("clean", "vocabulary", "sequences"))
    publishes = {"when": "{{ params.publish }}"}
    similarities = [job(f"{entity}_similarity", domain, pool="spark", **publishes) for entity in ("item", "user")]
    neural = f"(params.model in {NEURAL})"
    train = [job("train", domain, "--model={{ params.model }}", when=f"{{{{ not {neural} }}}}")]
    train += [
        job("train", domain, "--model={{ params.model }}", task_id="train_gpu", when=f"{{{{ {neural} }}}}", **GPU)
    ]
    evaluate, gate = job("evaluate", domain, trigger_rule=SOME), job("gate", domain)
    on_gpu = f"((ti.xcom_pull('{domain}.gate') or {{}}).get('champion') in {ON_GPU})"
    lists = [job("recommend", domain, when=f"{{{{ params.publish and not {on_gpu} }}}}")]
    when = f"{{{{ params.publish and {on_gpu} }}}}"
    lists += [job("recommend", domain, task_id="recommend_gpu", when=when, **GPU)]
    # One at a time: two of one domain would both be the publication after the last.
    publish = job("publish", domain, operator=PublishOperator, trigger_rule=SOME, max_active_tis_per_dag=1, **publishes)
    pin >> clean >> vocabulary >> [sequences, *similarities]
    sequences >> train >> evaluate >> gate >> lists >> publish
    similarities >> publish >> job("html_report", domain, task_id="report", links=(ReportLink(),))
    return pin, [clean, vocabulary, sequences, *similarities]


with DAG(
    "retrain",
    schedule=None,
    dagrun_timeout=timedelta(hours=6),
    doc_md=__doc__,
    params=FORM,
    **TELLING_ARGUMENTS | {"max_active_runs": len(DOMAINS)},
) as dag:
    request = RequestOperator(task_id="request", retries=1, form=FORM)
    check, stop = spark_server()
    request >> check
    for domain in DOMAINS:
        with TaskGroup(domain):
            pin, spark = retraining(domain)
        request >> pin
        check >> spark[1:]
        spark >> stop
