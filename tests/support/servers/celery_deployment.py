"""Airflow with CeleryExecutor on the loopback: each part a process, and each worker with a state of its own."""

import json
import os
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.servers.services import PASSWORD, ROOT, answers, free_port, wait_until

AIRFLOW = ROOT / ".venv-airflow-workers" / "bin" / "airflow"
ENCORE = ROOT / ".venv" / "bin" / "encore"
START_SECONDS = 300.0
ENDED = ("success", "failed")


@dataclass
class Celery:
    """A deployment of docs/operations.md. shared: variables of all its parts; metrics: names of what StatsD has got."""

    folder: Path
    shared: Mapping[str, str]
    port: int
    metrics: Set[str]
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def airflow(self, *words: str) -> str:
        """The output of `airflow WORDS`, which must succeed."""
        done = subprocess.run([AIRFLOW, *words], env=self._environment("airflow"), capture_output=True, text=True)
        assert done.returncode == 0, f"airflow {' '.join(words)}\n{(done.stdout + done.stderr)[-4000:]}"
        return done.stdout

    def start(self, part: str, *words: str, **variables: str) -> None:
        """Starts `airflow WORDS` as `part`, whose log is PART.log."""
        home = "airflow" if part in ("api-server", "scheduler", "dag-processor") else part
        environment = {**self._environment(home), **variables}
        with (self.folder / f"{part}.log").open("ab") as output:
            self.parts[part] = subprocess.Popen(
                [AIRFLOW, *(words or (part,))],
                env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                cwd=self.folder,
            )  # fmt: skip

    def start_worker(self, name: str, queue: str, at_once: int) -> None:
        """Starts a Celery worker of one queue, as on a machine of its own."""
        log_port = {"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port())}
        words = ("celery", "worker", "-q", queue, "-c", str(at_once), "-H", f"{name}@127.0.0.1", "--without-mingle")
        self.start(name, *words, **log_port)
        log = self.folder / f"{name}.log"
        wait_until(lambda: b" ready." in log.read_bytes(), f"worker {name}; see {log}", START_SECONDS)

    def kill(self, part: str) -> None:
        """SIGKILL to a part and all that it has started, as when its machine is lost."""
        process = self.parts.pop(part)
        _kill([process.pid, *descendants(process.pid), *having(str(self.folder / part / "state"))])
        process.wait()

    def stop(self) -> None:
        """Ends everything, workers first."""
        for part in reversed([*self.parts]):
            process = self.parts[part]
            started = [process.pid, *descendants(process.pid)]
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            _kill([*started, *having(str(self.folder / part / "state"))])
            process.wait()

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What the REST API answers, as JSON values."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:2000]}") from error

    def trigger(self, run: str, **conf: Any) -> str:
        """Triggers `nightly` by the API, as run id `run`."""
        self.ask("POST", "/api/v2/dags/nightly/dagRuns", {"dag_run_id": run, "logical_date": None, "conf": conf})
        return run

    def states(self, run: str) -> dict[str, str]:
        """Task → state."""
        answer = self.ask("GET", f"/api/v2/dags/nightly/dagRuns/{quote(run)}/taskInstances?limit=200")
        return {one["task_id"]: one["state"] for one in answer["task_instances"]}

    def state(self, run: str) -> str:
        """The state of a run."""
        return str(self.ask("GET", f"/api/v2/dags/nightly/dagRuns/{quote(run)}")["state"])

    def wait(self, run: str, seconds: float = 1200.0) -> dict[str, str]:
        """Waits for the end of a run; gives the states of its tasks."""
        wait_until(lambda: self.state(run) in ENDED, f"the end of run {run}; see {self.folder}", seconds, 2.0)
        return self.states(run)

    def clear(self, run: str, tasks: list[str], downstream: bool = False) -> None:
        """Clears tasks of a run, so that they run again."""
        chosen = {"task_ids": tasks, "dag_run_id": run, "include_downstream": downstream}
        body = {"dry_run": False, "only_failed": False, "reset_dag_runs": True, **chosen}
        self.ask("POST", "/api/v2/dags/nightly/clearTaskInstances", body)

    def logs(self, part: str, run: str) -> dict[str, str]:
        """Task → its log of all tries, of the tasks of a run that ran on the worker `part`."""
        logs: dict[str, str] = {}
        for file in sorted((self.folder / part).rglob("attempt=*.log")):
            names = dict(name.split("=", 1) for name in file.parts if "=" in name)
            if names["run_id"] == run:
                logs[names["task_id"]] = logs.get(names["task_id"], "") + file.read_text(errors="replace")
        return logs

    def _environment(self, home: str) -> dict[str, str]:
        place = self.folder / home
        place.mkdir(exist_ok=True)
        kept = ("PATH", "LANG", "HOME", "TMPDIR", "JAVA_HOME")
        own = {"AIRFLOW_HOME": str(place), "ENCORE_STATE": str(place / "state"), "PYTHONPATH": str(ROOT)}
        return {**{name: os.environ[name] for name in kept if name in os.environ}, **self.shared, **own}


def variables(folder: Path, postgres: int, redis: int, statsd: int, port: int, **encore: str) -> dict[str, str]:
    """What all parts of the deployment on these ports have in their environment."""
    database = f"127.0.0.1:{postgres}/airflow"
    password = quote(PASSWORD, safe="")
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "dags" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://encore:{password}@{database}",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{redis}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://encore:{password}@{database}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd),
        # A lost worker is noticed after half a minute, not after five: the tests wait for it.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # or last night's would begin, with all domains and models
        "ENCORE": str(ENCORE),
        "ENCORE_WAREHOUSE": str(folder / "warehouse"),
        "ENCORE_LANDING": str(folder / "landing"),
        **encore,
    }


def start(celery: Celery) -> None:
    """Migrates the database and starts API server, scheduler and processor, then a default and a GPU worker."""
    celery.airflow("db", "migrate")
    celery.airflow("pools", "import", str(ROOT / "dags" / "pools.json"))
    celery.start("api-server")
    wait_until(lambda: answers(celery.port), f"the API server; see {celery.folder}", START_SECONDS)
    celery.start("dag-processor")
    celery.start("scheduler")
    wait_until(lambda: _there(celery), f"the DAG nightly; see {celery.folder}", START_SECONDS, 2.0)
    celery.ask("PATCH", "/api/v2/dags/nightly", {"is_paused": False})
    celery.start_worker("default-worker", "default", 2)
    celery.start_worker("gpu-worker", "gpu", 1)


def _there(celery: Celery) -> bool:
    with suppress(AssertionError, OSError):
        return bool(celery.ask("GET", "/api/v2/dags/nightly"))
    return False


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def having(state: str) -> list[int]:
    """The processes with this ENCORE_STATE in their environment: of a worker those too that have left its session."""
    pids = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"ENCORE_STATE={state}".encode() in file.read_bytes().split(b"\0"):
                pids.append(int(file.parent.name))
    return pids


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, with all that these have, as /proc shows them now."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    pids = [pid]
    for one in pids:
        pids += children.get(one, [])
    return pids[1:]


def wait_for_file(pattern: str, folder: Path, seconds: float = 1800.0) -> Path:
    """Waits until a file that matches lies below a folder."""
    wait_until(lambda: next(folder.rglob(pattern), None) is not None, f"{pattern} below {folder}", seconds, 0.3)
    time.sleep(1)  # a name is there before the training that wrote it goes on
    return next(folder.rglob(pattern))
