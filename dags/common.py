"""What the DAGs share: the policy of every task, the templates of a run, and the operator that calls a job."""

import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from subprocess import PIPE, STDOUT, Popen
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import BaseOperator, BaseOperatorLink, Connection, Context
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags import lineage
from dags.outcome import REFUSED
from dags.pods import executor_config
from schemas.names import ENDINGS, LINEAGE, ExitCode, domain_files, explain_end, run_folder

POLICY = {
    "owner": "encore",
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
}
DAG_ARGUMENTS: dict[str, Any] = {"catchup": False, "max_active_runs": 1, "default_args": POLICY, "tags": ["encore"]}
# Keras trains on a worker of this queue where the executor knows queues; the pool lets one train at a time.
GPU = {"pool": "gpu", "queue": "gpu", "execution_timeout": timedelta(hours=1)}
# The completed day; a manual run may have no data interval: the job then gets no date, and says so.
DS = "{{ params.ds or data_interval_start | default(none) | ds or '' }}"
TRIGGER = "--trigger={{ dag_run.run_type.value }}"
# A person who asks twice for a night shall not have it twice; a schedule and a backfill ask once.
TRIGGERED_AT = "{{ '--triggered-at=' ~ dag_run.run_after.isoformat() if dag_run.run_type.value == 'manual' else '' }}"
RUN = "{{ params.get('run') or run_id }}"  # `encore nightly` names its run, to find the manifest again

DOMAINS = tuple(domain_files(os.environ.get("ENCORE_DOMAINS")))  # those of Encore, and a company's own
FORKSERVER = "ENCORE_FORKSERVER"  # where jobs start: in forks of a server that this worker keeps, unless it says else
REPORTS = "/encore/reports"  # where the plugin serves the pages, below the UI's own address


def warehouse() -> str:
    """The address of the warehouse that the jobs write to: ENCORE_WAREHOUSE, or the folder of this project."""
    place = os.environ.get("ENCORE_WAREHOUSE") or str(Path(__file__).parents[1] / "warehouse")
    return place.rstrip("/") if "://" in place else f"file://{Path(place).resolve()}"


def store_variables() -> dict[str, str]:
    """AWS's variables from the Airflow connection that ENCORE_STORE_CONNECTION names; none where it names none."""
    name = os.environ.get("ENCORE_STORE_CONNECTION")
    if not name:
        return {}
    store = Connection.get(name)
    extra = store.extra_dejson
    given = {
        "AWS_ACCESS_KEY_ID": store.login,
        "AWS_SECRET_ACCESS_KEY": store.password,
        "AWS_SESSION_TOKEN": extra.get("aws_session_token"),
        "AWS_ENDPOINT_URL": extra.get("endpoint_url"),
        "AWS_REGION": extra.get("region_name"),
    }
    return {variable: value for variable, value in given.items() if value}


def base_path() -> str:
    """The path at which the UI is served, without its last slash."""
    return urlsplit(str(conf.get("api", "base_url", fallback=""))).path.rstrip("/")


def origin() -> str:
    """The UI's own address without its path; empty where it is not configured."""
    url = urlsplit(str(conf.get("api", "base_url", fallback="")))
    return f"{url.scheme}://{url.netloc}" if url.netloc else ""


def page_url(domain: str, ds: str, run: str) -> str:
    """Where the UI shows the page of a run; `run` as in `--run`."""
    return f"{base_path()}{REPORTS}/{domain}/{ds}/{run_folder(run)}"


class ReportLink(BaseOperatorLink):
    """From a task to the page of its night."""

    name = "Night's report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, from the arguments that the task was called with."""
        arguments = dict(word.removeprefix("--").partition("=")[::2] for word in operator.arguments)
        return page_url(arguments["domain"], arguments["ds"], arguments["run"])


class JobOperator(BaseOperator):
    """Runs `encore JOB ARGUMENTS` in the jobs' environment; its exit code decides the state of the task.

    0: done, the last line of JSON is the XCom. 2, wrong input: failed for good. 3, refused by the gate: skipped. Else a
    fault: tried again. Arguments that render to nothing are left out. Skips itself where `when` does not render to
    True; with `one_upstream` (and the rule all_done), where no task before it succeeded: fails, skips if all skipped.
    A text as `one_upstream`: only tasks whose names begin with it count. `links` stand at the task in the UI.
    """

    template_fields = ("arguments", "when")
    reported: Mapping[str, Any] = {}  # what the job has read and written, where lineage events are sent

    def __init__(
        self,
        job: str,
        arguments: list[str],
        when: str = "True",
        one_upstream: bool | str = False,
        links: tuple[BaseOperatorLink, ...] = (),
        **task: Any,
    ):
        kind = next((name for name in ("gpu", "spark") if task.get("pool") == name), "default")
        doc = f"`encore {job}`, in the jobs' environment; `encore {job} --help` says what it does and takes."
        super().__init__(**{"executor_config": executor_config(kind), "doc_md": doc, **task})
        self.operator_extra_links = links
        self.job, self.arguments, self.when, self.one_upstream = job, arguments, when, one_upstream

    def execute(self, context: Context) -> Any:
        """Runs the job; the log gets its lines, the exception its reason. `encore nightly` reads the marked lines."""
        if self.when != "True":
            raise AirflowSkipException(f"{self.task_id} is not among what this run was asked for")
        if self.one_upstream:
            ti = context["ti"]
            begin = self.one_upstream if isinstance(self.one_upstream, str) else ""
            needed = [name for name in self.upstream_task_ids if name.rpartition(".")[2].startswith(begin)]
            states = ti.get_task_states(ti.dag_id, task_ids=needed, run_ids=[ti.run_id])[ti.run_id]
            if "success" not in states.values():
                ending = AirflowSkipException if {*states.values()} <= {"skipped"} else AirflowFailException
                raise ending(f"{self.task_id} needs one task of these to succeed: {states}")
        self.log.info("[encore] %s started", self.task_id)
        code, result, reason = self.call([self.job, *filter(None, self.arguments)])
        if code:
            self.log.error("[encore] %s %s: %s", self.task_id, ENDINGS.get(code, ENDINGS[ExitCode.FAULT]), reason)
            if code == ExitCode.REFUSED and "ti" in context:
                context["ti"].xcom_push(REFUSED, reason)
            errors: dict[int, type[AirflowException]] = {
                ExitCode.WRONG_INPUT: AirflowFailException,
                ExitCode.REFUSED: AirflowSkipException,
            }
            error = errors.get(code, AirflowException)
            raise error(f"encore {self.job} ended with exit code {code}: {reason}")
        self.reported = (result or {}).pop("lineage", {})
        for link in self.operator_extra_links:
            url = link.get_link(self, ti_key=None)  # type: ignore[arg-type] # ours needs the arguments alone
            self.log.info("%s: %s%s", link.name, origin(), url)
        self.log.info("[encore] %s %s", self.task_id, ENDINGS[ExitCode.DONE])
        return result

    def call(self, argv: list[str]) -> tuple[int, Any, str]:
        """Exit code, the last line that is JSON, and the reason: the last line that begins with `error: `, or else the
        signal that ended the job, or else the last line."""
        encore = os.environ.get("ENCORE") or str(Path(__file__).parents[1] / ".venv" / "bin" / "encore")
        result, last, reason = None, "", ""
        env = {FORKSERVER: "worker", **os.environ, **store_variables()}
        env |= {LINEAGE: "1"} if lineage.is_wanted() else {}
        with Popen([encore, *argv], env=env, stdout=PIPE, stderr=STDOUT, start_new_session=True) as self.process:
            try:
                for raw in self.process.stdout or ():
                    self.log.info("%s", line := raw.decode(errors="replace").rstrip())
                    last, reason = line or last, line if line.startswith("error: ") else reason
                    with suppress(ValueError):
                        result = json.loads(line) if line.startswith("{") else result
            except BaseException:  # out of time, or Ctrl-C: the job must not live on
                self.on_kill()
                raise
        code = self.process.returncode
        if code < 0 and not reason:
            reason = f"error: {argv[0]}: {explain_end(-code, getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024)}"
        return code, result, reason or last

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """What the job read and wrote, for the events of Airflow's OpenLineage provider."""
        return lineage.operator_lineage(self.reported, warehouse())

    def on_kill(self) -> None:
        """Ends the job with all that it started: it has a session of its own for this."""
        with suppress(AttributeError, ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)


def job(name: str, domain: str, *arguments: str, operator: Any = JobOperator, **settings: Any) -> JobOperator:
    """Makes the task of one job of a domain's night."""
    common = [f"--domain={domain}", f"--ds={DS}", f"--run={RUN}"]
    made: JobOperator = operator(**{"task_id": name, "job": name, "arguments": [*common, *arguments], **settings})
    return made


def spark_server() -> tuple[JobOperator, JobOperator]:
    """Makes the task that looks whether Spark and the storage can be used, and the one that stops the run's Spark
    server, whatever becomes of those between them. The first job that needs the server starts it."""
    check = JobOperator(task_id="spark_check", job="spark", arguments=["check", f"--run={RUN}"])
    stop = JobOperator(task_id="spark_stop", job="spark", arguments=["stop", f"--run={RUN}"])
    return check, stop.as_teardown(setups=check)
