"""# Tune: once a week, better settings for models are searched

For each domain `encore tune` tries settings on the validation of the last complete night, within `minutes`, and writes
a TOML file into the folder `to`. Nothing changes by it: whoever wants the settings copies its sections into the file of
`ENCORE_CONFIG`, and the gate compares them with those that reign. A task that is tried again goes on where it was.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, TaskGroup

from dags.common import DOMAINS, GPU, JobOperator, warehouse
from dags.form import several
from dags.notices import TELLING_ARGUMENTS
from schemas.names import ENSEMBLE, MODELS, NEURAL

MAX_MINUTES = 600
CLASSIC = tuple(name for name in MODELS if name not in (*NEURAL, ENSEMBLE))  # whose members must be trained before it
FORM = {
    "domains": several(DOMAINS, "Domains", "Whose models (default: all)"),
    "models": several((*CLASSIC, *NEURAL), "Models", "Whose settings are searched (default: all)"),
    "minutes": Param(
        60,
        "For each domain, and as many again where networks are among the models",
        title="Budget in minutes",
        type="integer",
        minimum=1,
        maximum=MAX_MINUTES,
    ),
    "to": Param(
        f"{warehouse()}/tuned",
        "Folder of the TOML files, a path or an address",
        title="Folder",
        type="string",
        minLength=1,
    ),
}


def tuning(domain: str, kind: str, models: tuple[str, ...], **task: Any) -> JobOperator:
    """Makes the task that searches settings of those of `models` that the run names."""
    chosen = f"{models} | select('in', params.models) | join(',')"
    arguments = [f"--domain={domain}", f"--models={{{{ {chosen} }}}}", "--minutes={{ params.minutes }}"]
    arguments.append(f"--to={{{{ params.to.rstrip('/') }}}}/{domain}-{{{{ dag_run.run_after.date() }}}}-{kind}.toml")
    when = f"{{{{ '{domain}' in params.domains and ({chosen}) != '' }}}}"
    return JobOperator(task_id=f"tune_{kind}", job="tune", arguments=arguments, when=when, **task)


with DAG(
    "tune",
    schedule=CronTriggerTimetable("0 14 * * 0", timezone="UTC"),
    doc_md=__doc__,
    params=FORM,
    **TELLING_ARGUMENTS,
) as dag:
    # The budget is the command's own; this one is for a command that does not keep to it.
    limit = {"execution_timeout": timedelta(minutes=MAX_MINUTES + 60), "max_active_tis_per_dag": 1}
    for domain in DOMAINS:
        with TaskGroup(domain):
            tuning(domain, "classic", CLASSIC, **limit)
            tuning(domain, "networks", NEURAL, **GPU | limit)
