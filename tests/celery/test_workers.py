"""Nights with CeleryExecutor: PostgreSQL, Redis, a default worker and one for GPUs, and what happens when parts die.

Each worker has a state of its own; they share warehouse, landing and a Spark Connect server, and nothing else.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import services
from tests.support.servers.celery_deployment import ENCORE, Celery, start, variables, wait_for_file
from tests.support.servers.spark_cluster import Cluster

pytestmark = pytest.mark.timeout(3600)  # the nights are of the first test that asks for them
DS, DAYS = "2026-03-01", ("2026-03-02", "2026-03-03", "2026-03-04")
NETWORK = "lstm"
MODELS = ["popularity", "item_knn", NETWORK]
TABLES = ("interactions", "item_similarity", "user_similarity", "recommendations", "vocabulary")
# Long enough to be killed in the middle; early stop would end it sooner.
SETTINGS = f"[models.{NETWORK}]\nepochs = 40\npatience = 40\n"


@dataclass
class Night:
    """The night of DS: asked for twice, with a GPU worker and a scheduler that were killed on its way."""

    celery: Celery
    states: dict[str, str] = field(default_factory=dict)
    second: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    def digests(self, domain: str = "movies") -> dict[str, str]:
        """Table and night → SHA-256 of its rows."""
        return digests(self.celery.shared, domain)


def encore(environment: dict[str, str], *words: str) -> str:
    """The output of `encore WORDS`, which must succeed."""
    own = ("AIRFLOW", "ENCORE", "SPARK_", "AWS_")  # of these tests, as conftest.py has them for Kubernetes
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run([ENCORE, *words], env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, f"encore {' '.join(words)}\n{(done.stdout + done.stderr)[-6000:]}"
    return done.stdout


def ask(environment: Any, sql: str) -> list[dict[str, Any]]:
    """Rows of `encore tables sql`."""
    output = encore(dict(environment), "tables", "sql", sql, "--format", "json")
    result: list[dict[str, Any]] = json.loads(output[output.index("[") : output.rindex("]") + 1])
    return result


def digests(environment: Any, domain: str) -> dict[str, str]:
    """Table and night → SHA-256 of the domain's rows in a fixed order."""
    hashes = {}
    for table in TABLES:
        rows = ask(environment, f"SELECT * FROM {table} WHERE domain = '{domain}' ORDER BY ALL")
        for row in rows:
            row.pop("run_id", None)
        for ds in {row["ds"] for row in rows}:
            text = json.dumps([row for row in rows if row["ds"] == ds], sort_keys=True)
            hashes[f"{table} {ds}"] = hashlib.sha256(text.encode()).hexdigest()
    return hashes


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("celery")


@pytest.fixture(scope="session")
def spark(folder: Path) -> Iterator[str]:
    """A Connect server of two local cores, which all workers share."""
    python = ENCORE.with_name("python")
    place = folder / "spark"
    place.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_", "AIRFLOW"))}
    environment = {
        **kept,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(python),
        "PYTHONPATH": str(services.ROOT),
    }
    with Cluster("local[2]", place, environment).connect(None) as (remote, _):
        yield remote


@pytest.fixture(scope="session")
def celery(folder: Path, spark: str) -> Iterator[Celery]:
    """All parts, running, with imported catalogues."""
    config = folder / "encore.toml"
    config.write_text(SETTINGS)
    with (
        services.postgres(folder) as postgres,
        services.redis(folder) as redis,
        services.statsd() as (statsd, metrics),
    ):
        port = services.free_port()
        own = {"ENCORE_CONFIG": str(config), "SPARK_REMOTE": spark}
        celery = Celery(folder, variables(folder, postgres, redis, statsd, port, **own), port, metrics)
        try:
            encore(dict(celery.shared), "import", "demo", "--size", "tiny", "--domain", "movies", "--ds", DS)
            for ds in DAYS:
                encore(dict(celery.shared), "import", "demo", "--size", "tiny", "--domain", "music", "--ds", ds)
            start(celery)
            yield celery
        finally:
            celery.stop()


@pytest.fixture(scope="session")
def night(celery: Celery, folder: Path) -> Night:
    """The night of DS; the GPU worker is lost while it trains, the scheduler while the training goes on elsewhere."""
    asked = {"domains": ["movies"], "ds": DS, "models": MODELS}
    first = celery.trigger("first", **asked)
    second = celery.trigger("second", **asked)
    wait_for_file(f"{NETWORK}.npz", folder / "warehouse")
    celery.kill("gpu-worker")
    celery.start_worker("other-gpu-worker", "gpu", 1)
    services.wait_until(
        lambda: "goes on after" in celery.logs("other-gpu-worker", first).get(f"movies.train_{NETWORK}", ""),
        f"a resumed training; see {folder}", 1800, 1.0,
    )  # fmt: skip
    celery.kill("scheduler")
    celery.start("scheduler")
    night = Night(celery, celery.wait(first))
    night.second = celery.wait(second)
    night.before = night.digests()
    return night


def test_a_night_that_lost_a_gpu_worker_and_the_scheduler_is_complete(night: Night) -> None:
    assert night.celery.state("first") == "success", night.states
    assert night.states["movies.publish"] == "success"
    assert {state for task, state in night.states.items() if task.startswith("movies.")} == {"success", "skipped"}
    (lists,) = ask(night.celery.shared, "SELECT count(DISTINCT user_id)::INT AS users FROM latest.recommendations")
    assert lists["users"] > 10


def test_networks_train_on_the_gpu_workers_and_nothing_else_does(night: Night) -> None:
    tasks = night.celery.ask("GET", "/api/v2/dags/nightly/tasks")["tasks"]
    gpu = {task["task_id"] for task in tasks if task["queue"] == "gpu"}
    assert "movies.train_lstm" in gpu
    assert "movies.train_popularity" not in gpu
    ran = {part: {*night.celery.logs(part, "first")} for part in ("gpu-worker", "other-gpu-worker", "default-worker")}
    assert f"movies.train_{NETWORK}" in ran["gpu-worker"] & ran["other-gpu-worker"]
    assert ran["gpu-worker"] | ran["other-gpu-worker"] <= gpu
    assert not ran["default-worker"] & gpu
    assert {"movies.pin", "movies.clean", "movies.train_popularity", "movies.publish"} <= ran["default-worker"]


def test_the_training_goes_on_where_the_lost_worker_stopped(night: Night) -> None:
    log = night.celery.logs("other-gpu-worker", "first")[f"movies.train_{NETWORK}"]
    assert f"{NETWORK} goes on after epoch" in log
    assert "after epoch 0 " not in log
    assert not list((night.celery.folder / "other-gpu-worker" / "state").rglob("fetched.npz"))


def test_airflow_tells_statsd_what_the_alerts_ask_for(night: Night) -> None:
    """Under the names that statsd_exporter makes of them: with underscores for dots."""
    rules = (services.ROOT / "docker" / "monitoring" / "alerts.yaml").read_text()
    asked = {*re.findall(r"\b(airflow_\w+)", rules)}
    assert len(asked) == 2
    assert asked <= {name.replace(".", "_") for name in night.celery.metrics}, night.celery.metrics


def test_a_second_trigger_of_the_night_is_refused_with_a_clear_message(night: Night) -> None:
    assert night.celery.state("second") == "success"
    assert night.second["movies.pin"] == "skipped"
    assert {state for task, state in night.second.items() if task.startswith("movies.")} == {"skipped"}
    log = night.celery.logs("default-worker", "second")["movies.pin"]
    assert f"the night of {DS} was published by run first" in log
    assert "trigger it again" in log
    runs = ask(night.celery.shared, "SELECT run_id FROM runs WHERE domain = 'movies'")
    assert runs == [{"run_id": "first"}]


def test_a_task_that_is_cleared_gives_the_same_rows(night: Night) -> None:
    celery = night.celery
    celery.clear("first", ["movies.clean"], downstream=True)
    celery.wait("first")
    for task in ("pin", "vocabulary", "train_item_knn", "evaluate", "recommend", "publish"):
        celery.clear("first", [f"movies.{task}"])
        assert celery.wait("first")[f"movies.{task}"] == "success", task
    assert celery.state("first") == "success"
    assert night.digests() == night.before
    encore(dict(celery.shared), "tables", "check")


def test_a_backfill_of_three_days_gives_the_tables_of_three_nights(celery: Celery, folder: Path, spark: str) -> None:
    days = {"from_date": f"{DAYS[0]}T00:00:00Z", "to_date": f"{DAYS[-1]}T23:59:59Z"}
    conf = {"domains": ["music"], "models": ["popularity"]}
    celery.ask("POST", "/api/v2/backfills", {"dag_id": "nightly", "max_active_runs": 3, "dag_run_conf": conf, **days})
    runs = celery.ask("GET", "/api/v2/dags/nightly/dagRuns?run_type=backfill")["dag_runs"]
    assert len(runs) == 3
    for run in runs:
        states = celery.wait(run["dag_run_id"])
        assert states["music.publish"] == "success", states
    alone = folder / "alone"
    places = {f"ENCORE_{name.upper()}": str(alone / name) for name in ("warehouse", "landing", "state")}
    environment = {**places, "AIRFLOW_HOME": str(alone / "airflow"), "SPARK_REMOTE": spark}
    for ds in DAYS:
        encore(environment, "import", "demo", "--size", "tiny", "--domain", "music", "--ds", ds)
    for ds in DAYS:
        encore(environment, "nightly", "--domain", "music", "--ds", ds, "--models", "popularity")
    assert digests(celery.shared, "music") == digests(environment, "music")
