"""Import, two whole nights through Airflow, what is done with tables after that, and other readers, on an object store.

The catalog is in PostgreSQL, as the recipe of docs/object-storage.md has it; its examples are what runs. Published
tables behind a REST catalog: test_tables.py.
"""

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.servers import services
from tests.support.servers.deployment import Deployment, blocks

pytestmark = [
    pytest.mark.timeout(3600),  # the nights are of the first test that asks for them
    pytest.mark.parametrize("deployment", ["postgres"], indirect=True, scope="session"),
]
NIGHTS = ("2026-03-01", "2026-03-02")
MODELS = "popularity,item_knn"
# What a night of the tiny demo may ask of the store, as counted by the proxy: 2,007 requests and 3.6 MB were measured.
MOST_REQUESTS, MOST_BYTES = 2600, 5 << 20
WORKERS = services.ROOT / ".venv-airflow-workers" / "bin" / "python"


@dataclass(frozen=True)
class Nights:
    """Two published nights: what the first asked of the store, and what the commands printed."""

    at: Deployment
    requests: dict[str, int]
    bytes: int
    printed: list[str]

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of `encore tables sql`."""
        output = self.at.encore("tables", "sql", sql, "--format", "json")
        result: list[dict[str, Any]] = json.loads(output[output.index("[") : output.rindex("]") + 1])
        return result


@pytest.fixture(scope="session")
def nights(deployment: Deployment) -> Nights:
    """Two nights, each imported and run through the whole DAG."""
    printed = []
    counted: dict[str, int] = {}
    size = 0
    for ds in NIGHTS:
        printed.append(deployment.encore("import", "demo", "--size", "tiny", "--domain", "movies", "--ds", ds))
        deployment.store.well()
        printed.append(deployment.encore("nightly", "--domain", "movies", "--ds", ds, "--models", MODELS))
        if not counted:
            counted = dict(deployment.store.requests)
            size = deployment.store.bytes_in + deployment.store.bytes_out
    return Nights(deployment, counted, size, printed)


def test_both_nights_are_complete_and_keep_every_row(nights: Nights) -> None:
    complete = nights.ask("SELECT ds, state FROM runs ORDER BY ds")
    assert complete == [{"ds": ds, "state": "complete"} for ds in NIGHTS]
    (files,) = nights.ask("SELECT sum(rows)::INT AS rows, sum(rejected)::INT AS bad FROM files")
    (kept,) = nights.ask(
        "SELECT (SELECT count(*) FROM interactions)::INT AS events, (SELECT count(*) FROM rejected)::INT AS bad"
    )
    assert files["bad"] == kept["bad"]
    assert 0 < kept["events"] <= files["rows"] - files["bad"]
    (lists,) = nights.ask(
        "SELECT count(DISTINCT user_id)::INT AS users, max(rank)::INT AS k FROM latest.recommendations"
    )
    assert lists["users"] > 10
    assert lists["k"] >= 10


def test_a_night_asks_no_more_of_the_store_than_the_page_says(nights: Nights) -> None:
    print(nights.requests, nights.bytes)
    assert 100 < sum(nights.requests.values()) <= MOST_REQUESTS
    assert nights.bytes <= MOST_BYTES


def test_no_log_holds_a_secret(nights: Nights) -> None:
    logs = [path for path in nights.at.folder.parent.rglob("*") if path.suffix in (".log", ".json") and path.is_file()]
    assert len(logs) > 2
    for path in logs:
        text = path.read_text(errors="replace")
        assert nights.at.variables["AWS_SECRET_ACCESS_KEY"] not in text, path
        assert services.PASSWORD not in text, path


def test_readers_of_the_page_see_the_same_rows(nights: Nights) -> None:
    (count,) = nights.ask("SELECT count(*)::INT AS all, count(*) FILTER (rank = 1)::INT AS best FROM recommendations")
    code = "\n".join(nights.at.here(example) for example in blocks("python"))
    code += "\nprint(len(rows), len(best), counts[0][0])"
    environment = {"PATH": "/usr/bin:/bin", "POLARS_ICEBERG_PLANNER": "pyiceberg", **nights.at.variables}
    python = str(services.ROOT / ".venv" / "bin" / "python")
    done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-3:] == [str(count["all"]), str(count["best"]), str(count["all"])]


@pytest.mark.skipif(not WORKERS.exists(), reason="no .venv-airflow-workers: `make test-s3` builds it")
def test_the_report_plugin_serves_pages_from_the_store(nights: Nights) -> None:
    code = """
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from dags.plugins import reports
found = reports.pages()
user = SimpleAuthManagerUser(username="ann", role="VIEWER")
page = reports.report(user, found[0].domain, found[0].ds, found[0].run).body.decode()
print(len(found), found[0].ds, page.count("<h1"))
"""
    environment = {"PATH": "/usr/bin:/bin", **nights.at.variables}
    done = subprocess.run(
        [str(WORKERS), "-c", code], env=environment, capture_output=True, text=True, cwd=services.ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    count, newest, headings = done.stdout.split()[-3:]
    assert (count, newest) == ("2", NIGHTS[1])
    assert int(headings) >= 1


def test_check_export_rollback_and_expire(nights: Nights) -> None:
    at, bucket = nights.at, f"s3://encore-{nights.at.kind}"
    at.encore("tables", "check")
    (before,) = nights.ask("SELECT count(*)::INT AS n FROM latest.recommendations")
    exported = at.encore("tables", "export", "--to", f"{bucket}/exported")
    assert re.search(rf"recommendations +{before['n']:,} rows", exported)
    (run,) = nights.ask(f"SELECT run_id FROM runs WHERE ds = '{NIGHTS[1]}'")
    at.encore("tables", "rollback", "--domain", "movies", "--ds", NIGHTS[1], "--to", run["run_id"])
    assert nights.ask("SELECT count(*)::INT AS n FROM latest.recommendations") == [before]
    at.encore("tables", "expire", "--keep-nights", "1", "--grace-hours", "0")
    assert nights.ask("SELECT DISTINCT ds FROM recommendations") == [{"ds": NIGHTS[1]}]
    assert nights.ask("SELECT count(*)::INT AS n FROM latest.recommendations") == [before]
    at.encore("tables", "check")
