"""Every image is built, starts as its user on a root it cannot write, and is well; a night runs in a container."""

import json
import subprocess
from collections.abc import Callable
from subprocess import PIPE, STDOUT

import pytest

from tests.support.servers.images import await_health, call, container, inspect
from tests.support.servers.services import free_port

pytestmark = pytest.mark.timeout(3600)  # an image is built by the first test that asks for it
Image = Callable[[str], str]
TARGETS = ("airflow", "jobs", "trainer", "services")
NIGHT = """
set -e
at="--domain games --ds 2026-03-01"
encore import demo $at --size tiny
encore nightly $at --models popularity,item_knn || { tail -n 100 "$AIRFLOW_HOME"/logs/encore/*.log; exit 1; }
encore tables sql "SELECT count(*) AS n FROM latest.recommendations"
docker/images/metrics.sh &
read='import urllib.request as web; print(web.urlopen("http://127.0.0.1:9100/metrics.txt").read().decode())'
for attempt in $(seq 120); do
    if python3 -c "$read" 2>/dev/null | grep encore_complete_nights; then exit 0; fi
    sleep 1
done
exit 1
"""


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is_and_runs_as_nobody_else(image: Image, target: str) -> None:
    facts = inspect(image(target))
    assert facts["User"] == "10001:10001"
    labels = facts["Labels"]
    assert labels["org.opencontainers.image.title"] == f"encore-{target}"
    assert labels["org.opencontainers.image.revision"] == call("git", "rev-parse", "HEAD").strip()
    assert facts["Healthcheck"]["Test"] == ["CMD", "python3", "docker/images/health.py"]
    print(target, f"{facts['Size'] / 2**20:.0f} MiB")


@pytest.mark.parametrize(("target", "parts"), [("airflow", {"airflow"}), ("jobs", {"airflow", "jobs"})])
def test_an_image_lists_its_packages(image: Image, target: str, parts: set[str]) -> None:
    words = ("podman", "run", "--rm", "--entrypoint", "cat", image(target))
    for part in parts:
        listed = json.loads(call(*words, f"sbom/{part}.cdx.json"))
        names = {package["name"].lower() for package in listed["components"]}
        assert {"airflow": "apache-airflow", "jobs": "pyspark"}[part] in names


@pytest.mark.parametrize("target", ["jobs", "trainer"])
def test_a_worker_or_pod_finds_airflow_the_dags_and_encore(image: Image, target: str) -> None:
    """By the words that KubernetesExecutor starts a task with, as Airflow imports a DAG from any folder, and by those
    that the task starts a job with."""
    words = ("podman", "run", "--rm", image(target))
    assert "--json-string" in call(*words, "python", "-m", "airflow.sdk.execution_time.execute_workload", "--help")
    in_home = ("podman", "run", "--rm", "--workdir", "/var/lib/encore", image(target))
    assert call(*in_home, "python", "-c", "from dags.nightly import dag; print(dag.dag_id)").endswith("nightly\n")
    assert call(*words, "sh", "-c", "$ENCORE --version").startswith("encore ")


def test_redis_answers_and_its_health_check_sees_that_it_does_not(image: Image) -> None:
    name, port = image("services"), str(free_port())
    with container(
        name, "redis-server", "--port", "6379", "--save", "", "--dir", "/tmp", "--bind", "0.0.0.0"
    ) as number:
        await_health(number)
    with container(name, "redis-server", "--port", port, "--save", "", "--dir", "/tmp") as number:
        assert subprocess.run(["podman", "healthcheck", "run", number], check=False).returncode


def test_the_database_is_made_once_and_answers(image: Image) -> None:
    options = ["--volume", "/var/lib/encore"]
    with container(
        image("services"), "docker/images/database.sh", options=options, env={"POSTGRES_PASSWORD": "s"}
    ) as number:
        await_health(number)
        query = ["psql", "-h", "127.0.0.1", "-U", "encore", "-d", "airflow", "-Atc", "SELECT 1"]
        assert call("podman", "exec", "--env", "PGPASSWORD=s", number, *query).strip() == "1"
        refused = ["podman", "exec", "--env", "PGPASSWORD=wrong", number, *query]
        assert call(*refused, check=False) == ""


def test_airflow_starts_on_a_root_that_cannot_be_written(image: Image) -> None:
    """The API server, on SQLite in its volume."""
    options = ["--volume", "/var/lib/encore", "--entrypoint", "docker/images/airflow.sh"]
    with container(image("airflow"), "api-server", options=options) as number:
        await_health(number)
        assert "Read-only file system" in call("podman", "exec", number, "sh", "-c", "touch x 2>&1 || true")
        assert call("podman", "exec", number, "id", "-u").strip() == "10001"


def test_spark_starts(image: Image) -> None:
    with container(image("jobs"), "docker/images/spark.sh", "master") as number:
        await_health(number)


def test_a_night_in_a_container(image: Image) -> None:
    """A small night of games: import, the DAG, publication, metrics; with the state and the tables on a volume."""
    options = ["--volume", "/var/lib/encore"]
    place = {"ENCORE_WAREHOUSE": "/var/lib/encore/warehouse", "ENCORE_LANDING": "/var/lib/encore/landing"}
    with container(image("jobs"), "bash", "-c", NIGHT, options=options, env=place) as number:
        code = call("podman", "wait", number, seconds=900).strip()
        done = subprocess.run(["podman", "logs", number], stdout=PIPE, stderr=STDOUT, text=True, check=True)
    assert code == "0", done.stdout[-5000:]
    assert "games 2026-03-01 is complete" in done.stdout
    assert 'encore_complete_nights{domain="games"} 1' in done.stdout
