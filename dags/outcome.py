"""The last task of a run, on which its state hangs: green only where every domain asked for is complete or refused."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from schemas.names import OPTIONAL_TASKS

REFUSED = "refused"  # XCom of a task whose job was refused with a reason
BAD = ("failed", "upstream_failed")


class OutcomeOperator(BaseOperator):
    """Fails where a domain that was asked for has neither published nor been refused with a reason, or a task failed.

    It must be a teardown that counts (`on_failure_fail_dagrun`): others are skipped when somebody marks the run as
    failed, and a run whose last tasks are skipped is green.
    """

    def __init__(self, domains: tuple[str, ...], **task: Any):
        super().__init__(**task)
        self.domains = domains

    def execute(self, context: Context) -> None:
        """Looks at the states of all tasks before it."""
        ti = context["ti"]
        states = ti.get_task_states(ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
        asked = [domain for domain in self.domains if domain in context["params"]["domains"]]
        reasons = {domain: ti.xcom_pull(f"{domain}.pin", key=REFUSED) for domain in asked}
        messages = problems({task: str(state) for task, state in states.items()}, reasons)
        for domain, reason in reasons.items():
            if reason:
                self.log.info("%s was refused: %s", domain, reason)
        if messages:
            raise AirflowFailException("; ".join(messages))


def problems(states: Mapping[str, str], refused: Mapping[str, str | None]) -> list[str]:
    """Lists what is wrong with a run; states: of its tasks; refused: each domain asked for, with the reason of
    `pin`."""
    messages = []
    for domain, reason in refused.items():
        mine = {task.removeprefix(f"{domain}."): s for task, s in states.items() if task.startswith(f"{domain}.")}
        if mine.get("publish") != "success" and not (reason and mine.get("pin") == "skipped"):
            messages.append(f"{domain} is neither complete nor refused with a reason")
        failed = sorted(task for task, state in mine.items() if state == "failed" and task not in OPTIONAL_TASKS)
        messages += [f"failed: {', '.join(f'{domain}.{task}' for task in failed)}"] if failed else []
    others = sorted(task for task, state in states.items() if "." not in task and state in BAD)
    return messages + [f"failed: {task}" for task in others]
