"""The trigger form of the nights, and the first task of a run, which refuses what a form cannot.

The API checks a run's parameters against the form's schemas and takes any other key; so the task looks at those.
"""

import os
import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, Param
from airflow.sdk.exceptions import AirflowFailException

from dags.common import DOMAINS
from schemas.names import MAX_RUN_NAME, MAX_TOP_K, MODELS, RUN_CHARACTERS, domain_files, top_k_of

# A day whose night is not that of the schedule is asked for by `ds`: what is a logical date of long ago to mean?
SCHEDULED_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
WAIT_SECONDS = 20.0  # from look to look whether an earlier night has ended
LENGTHS = top_k_of(domain_files(os.environ.get("ENCORE_DOMAINS")), os.environ.get("ENCORE_CONFIG"))
OWN_TOP_K = ", ".join(f"{domain} {count}" for domain, count in LENGTHS.items())
RUN_NAME = f"^{RUN_CHARACTERS}{{1,{MAX_RUN_NAME}}}$"

WITHOUT_SCHEDULER = "dag_test"  # who triggers a run of `airflow dags test`, and so of `encore nightly`


def several(names: tuple[str, ...], title: str, description: str) -> Param:
    """Makes a multiple choice with all chosen; `examples` makes the form draw it as one."""
    items = {"type": "string", "enum": [*names]}
    schema: dict[str, Any] = {"type": "array", "items": items, "examples": [*names], "minItems": 1, "uniqueItems": True}
    return Param([*names], description, title=title, **schema)


def completed_day(description: str) -> Param:
    """Makes the day of a run that no schedule gives one."""
    return Param("", f"{description} (UTC); must be over", title="Completed day (ds)", type="string", format="date")


FORM = {
    "domains": several(DOMAINS, "Domains", "Whose nights run, side by side (default: all)"),
    "ds": Param(
        None,
        "Events up to the end of this day (UTC), which must be over. Empty: the last completed day",
        title="Completed day (ds)",
        type=["null", "string"],
        format="date",
    ),
    "top_k": Param(
        None,
        f"Length of each user's list, 1 to {MAX_TOP_K}. Empty: as each domain has it ({OWN_TOP_K})",
        title="Items per user (top_k)",
        type=["null", "integer"],
        allOf=[{"minimum": 1}, {"maximum": MAX_TOP_K}],  # not beside the type: there the form corrects in silence
    ),
    "models": several(MODELS, "Models", "Which ones are trained and judged (default: all)"),
    "run": Param(
        None,
        f"Letters, digits, - and _, {MAX_RUN_NAME} at most. Empty: this run's id. A run of the same name and day "
        "goes on with what that one pinned",
        title="Folder of the run (run)",
        type=["null", "string"],
        pattern=RUN_NAME,
    ),
}


class RequestOperator(BaseSensorOperator):
    """Fails, for good, a run that asks for what no night can give; the message says what to do.

    Waits while an earlier night of one of its domains runs, as in a backfill: a night reads what those before it have
    published. Of runs with a logical date alone; the others run one at a time.
    A run without a scheduler does not wait: if the one before it was killed, nobody notes that it has ended.
    """

    def __init__(self, form: Collection[str] = tuple(FORM), **task: Any):
        super().__init__(**{"mode": "reschedule", "poke_interval": WAIT_SECONDS, **task})
        self.form = tuple(form)

    def poke(self, context: Context) -> bool:
        """Looks at the run's parameters and dates, then whether it is its turn."""
        run = context["dag_run"]
        if problem := refusal(run.conf or {}, context["params"], run.logical_date, datetime.now(UTC).date(), self.form):
            raise AirflowFailException(problem)
        if run.triggering_user_name == WITHOUT_SCHEDULER:
            return True
        earlier = context["ti"].get_previous_dagrun(state="running")
        if earlier is None or not domains_of(earlier.conf or {}) & domains_of(context["params"]):
            return True
        self.log.info("waits for run %s, an earlier night of the same domains", earlier.run_id)
        return False


def domains_of(params: Mapping[str, Any]) -> set[str]:
    """Returns the domains that a run is about: all where it names none."""
    return {params["domain"]} if "domain" in params else {*params.get("domains", DOMAINS)}


def refusal(
    conf: Any, params: Any, logical_date: datetime | None, today: date, form: Collection[str] = tuple(FORM)
) -> str | None:
    """Why a run is refused; None where it is not. form: the keys that `conf` may have."""
    if not isinstance(conf, dict):
        return f"conf must be an object with some of: {', '.join(form)}"
    if unknown := sorted(set(conf) - set(form)):
        return f"conf has unknown keys: {', '.join(unknown)[:200]}; there are: {', '.join(form)}"
    run, ds = params.get("run"), params.get("ds")
    if run is not None and not (isinstance(run, str) and re.fullmatch(RUN_NAME, run)):
        return f"run must be letters, digits, - and _, {MAX_RUN_NAME} at most, got {str(run)[:40]!r}"
    if ds:
        if str(ds) >= today.isoformat():
            return f"ds {ds} is not over (today is {today}, UTC); give a day before today"
    elif logical_date is None:
        return "a run without a date needs `ds`, the completed day: fill it in"
    elif logical_date < SCHEDULED_SINCE:
        return (
            f"the logical date {logical_date.date()} is before {SCHEDULED_SINCE.date()}, since when nights are "
            f'scheduled; leave it out and give the completed day: {{"ds": "{logical_date.date()}"}}'
        )
    return None
