"""# Rollback: a night's lists as an earlier run published them

`encore tables history --domain …` lists the runs of a night. What came in (interactions, reviews, …) stays as it is.
Rolling back is a publication of its own: it can be rolled back too.
"""

from airflow.sdk import DAG, Param

from dags.common import DAG_ARGUMENTS, DOMAINS, JobOperator
from schemas.names import MAX_RUN_NAME, RUN_CHARACTERS

FORM = {
    "domain": Param(DOMAINS[0], "Whose night", title="Domain", type="string", enum=[*DOMAINS]),
    "ds": Param("", "The night", title="Completed day (ds)", type="string", format="date"),
    "to": Param(
        "",
        "The run whose publication is to hold again, as `encore tables history` names it",
        title="Run",
        type="string",
        pattern=f"^({RUN_CHARACTERS}|[:+.]){{1,{MAX_RUN_NAME}}}$",
    ),
}

with DAG(
    "rollback",
    schedule=None,
    doc_md=__doc__,
    params=FORM,
    **DAG_ARGUMENTS,
) as dag:
    JobOperator(
        task_id="rollback",
        job="tables",
        arguments=["rollback", "--domain={{ params.domain }}", "--ds={{ params.ds }}", "--to={{ params.to }}"],
    )
