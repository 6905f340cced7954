"""# Erasure: takes a user out of a domain, for good

The form takes the SHA-256 of the user's id (`printf %s 'ID' | sha256sum`), so that no id stands in Airflow. Earlier
publications stop being roll-back targets, and no night of any domain may run meanwhile. Try it again where it was
killed: it goes on. `encore erase ID --domain D --verify` looks for what is left. See docs/privacy.md.
"""

from airflow.sdk import DAG, Param

from dags.common import DAG_ARGUMENTS, DOMAINS, JobOperator

FORM = {
    "domain": Param(DOMAINS[0], "Whose user", title="Domain", type="string", enum=[*DOMAINS]),
    "sha256": Param(
        "",
        "64 hexadecimal digits: the SHA-256 of the id in UTF-8",
        title="SHA-256 of the user's id",
        type="string",
        pattern="^[0-9a-f]{64}$",
    ),
    "confirmed": Param(
        False,
        "Earlier publications stop being roll-back targets; this cannot be undone",
        title="I know",
        type="boolean",
        const=True,
    ),
}

with DAG(
    "erase_user",
    schedule=None,
    doc_md=__doc__,
    params=FORM,
    **DAG_ARGUMENTS,
) as dag:
    JobOperator(
        task_id="erase",
        job="erase",
        arguments=["--domain={{ params.domain }}", "--sha256={{ params.sha256 }}", "--yes"],
    )
