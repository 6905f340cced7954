"""Tells people that a run has failed: in the log, by a webhook, by e-mail.

ENCORE_WEBHOOK: an address that takes JSON by POST, as chat services do (`text`). ENCORE_EMAIL: addresses, separated by
commas; Airflow's [smtp] says how they are reached. What cannot be sent is a line in the log: the run has failed anyway.
"""

import json
import os
import urllib.request
from typing import Any

from airflow.sdk import BaseNotifier, Context
from airflow.utils.email import send_email

from dags.common import DAG_ARGUMENTS

SECONDS = 10  # for a webhook to answer


class RunFailed(BaseNotifier):
    """The notice of a run's last task, whose error says what is wrong with which domain."""

    def notify(self, context: Context) -> None:
        """Sends it to every place that is configured."""
        run, ti = context["dag_run"], context["ti"]
        error = str(context.get("exception") or "no reason was given")
        facts: dict[str, Any] = {"dag": ti.dag_id, "run": run.run_id, "ds": context["params"].get("ds"), "error": error}
        text = f"Encore: run {run.run_id} of {ti.dag_id} failed: {error}"
        self.log.error(text)
        self._try("the webhook", os.environ.get("ENCORE_WEBHOOK"), lambda to: post(to, {"text": text, **facts}))
        self._try("the e-mail", os.environ.get("ENCORE_EMAIL"), lambda to: send_email(to.split(","), text[:200], text))

    def _try(self, what: str, to: str | None, send: Any) -> None:
        try:
            if to:
                send(to)
        except Exception as fault:  # of any service; the address may hold a secret, so its text is not logged
            self.log.warning("%s was not sent: %s", what, type(fault).__name__)


# For a DAG that has no last task to wait for all others: each task tells of its own failure.
TELLING_ARGUMENTS = DAG_ARGUMENTS | {
    "default_args": DAG_ARGUMENTS["default_args"] | {"on_failure_callback": RunFailed()}
}


def post(url: str, facts: dict[str, Any]) -> None:
    """Posts JSON; ValueError for what is no address of the web."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected http:// or https://")
    request = urllib.request.Request(url, json.dumps(facts).encode(), {"Content-Type": "application/json"})  # noqa: S310 - checked above
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        answer.read()
