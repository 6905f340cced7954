"""# Similarity: the nearest items and users of domains, by Spark alone

Judges what has come, then compares, without a model. Nothing is published: the tables lie in the folder of the run
until a `nightly` of the same `run` and day, which goes on with what this one pinned, publishes them. Domains run side
by side, and a domain that fails or is slow delays no other.
"""

from datetime import timedelta

from airflow.sdk import DAG, TaskGroup

from dags.common import DOMAINS, TRIGGER, job, spark_server
from dags.form import FORM as NIGHT
from dags.form import RequestOperator, completed_day
from dags.notices import TELLING_ARGUMENTS

FORM = {"domains": NIGHT["domains"], "ds": completed_day("Whose events count"), "run": NIGHT["run"]}

with DAG(
    "similarity",
    schedule=None,
    dagrun_timeout=timedelta(hours=12),
    doc_md=__doc__,
    params=FORM,
    **TELLING_ARGUMENTS | {"max_active_runs": len(DOMAINS)},
) as dag:
    request = RequestOperator(task_id="request", retries=1, form=FORM)
    check, stop = spark_server()
    request >> check
    for domain in DOMAINS:
        with TaskGroup(domain):
            pin = job("pin", domain, TRIGGER, when=f"{{{{ '{domain}' in params.domains }}}}")
            clean, vocabulary = (job(name, domain, pool="spark") for name in ("clean", "vocabulary"))
            both = [job(f"{entity}_similarity", domain, pool="spark") for entity in ("item", "user")]
            pin >> clean >> vocabulary >> both
        request >> pin
        check >> [vocabulary, *both]
        [clean, vocabulary, *both] >> stop
