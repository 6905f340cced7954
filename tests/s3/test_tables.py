"""Two published nights on an object store behind an Iceberg REST catalog, and what is done with them.

The nights are fake (tests/support/fakes.py), published by the real job, by the recipe of docs/object-storage.md. Whole
nights, with the catalog in PostgreSQL: test_nights.py.
"""

import json
import os
import re
import subprocess
from typing import Any
from urllib.parse import quote

import pytest

from jobs import settings
from jobs.cli import main
from jobs.privacy.ids import Ids
from jobs.privacy.scan import scan
from jobs.storage.files import listing
from tests.support.fakes import USERS, fake_night, publish_words
from tests.support.servers import services
from tests.support.servers.deployment import Deployment
from tests.support.servers.encryption import KEY, encryption_of

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.parametrize("deployment", ["rest"], indirect=True, scope="session"),
]
NIGHTS = ("2026-11-19", "2026-11-20")
WORKERS = services.ROOT / ".venv-airflow-workers" / "bin" / "python"


@pytest.fixture(scope="session")
def published(deployment: Deployment) -> Deployment:
    """The deployment with two published nights of movies."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "ENCORE_", "SPARK_"))]:
            monkeypatch.delenv(name)
        for name, value in deployment.variables.items():
            monkeypatch.setenv(name, value)
        config = settings.load()
        for mark, ds in enumerate(NIGHTS, start=1):
            fake_night(config, mark, ds=ds, run="run")
            assert main(publish_words("run", ds=ds)) == 0
    return deployment


@pytest.fixture
def aws(published: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process reaches the store too."""
    for name, value in published.variables.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)


def ask(at: Deployment, sql: str) -> list[dict[str, Any]]:
    """Rows of `encore tables sql`."""
    output = at.encore("tables", "sql", sql, "--format", "json")
    result: list[dict[str, Any]] = json.loads(output[output.index("[") : output.rindex("]") + 1])
    return result


def test_tables_are_checked_exported_rolled_back_and_expired(published: Deployment) -> None:
    at, bucket = published, f"s3://encore-{published.kind}"
    at.encore("tables", "check")
    (before,) = ask(at, "SELECT count(*)::INT AS n FROM latest.recommendations")
    assert before["n"] > 0
    exported = at.encore("tables", "export", "--to", f"{bucket}/exported")
    assert re.search(rf"recommendations +{before['n']:,} rows", exported)
    at.encore("tables", "rollback", "--domain", "movies", "--ds", NIGHTS[1], "--to", "run")
    assert ask(at, "SELECT count(*)::INT AS n FROM latest.recommendations") == [before]
    at.encore("tables", "expire", "--keep-nights", "1", "--grace-hours", "0")
    assert ask(at, "SELECT DISTINCT ds FROM recommendations") == [{"ds": NIGHTS[1]}]
    at.encore("tables", "check")


@pytest.mark.skipif(not WORKERS.exists(), reason="no .venv-airflow-workers: `make test-s3` builds it")
def test_the_report_plugin_lists_and_serves_pages_from_the_store(published: Deployment) -> None:
    published.encore("html_report", "--domain", "movies", "--ds", NIGHTS[1], "--run", "run")
    code = """
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from dags.plugins import reports
found = reports.pages()
user = SimpleAuthManagerUser(username="ann", role="VIEWER")
page = reports.report(user, found[0].domain, found[0].ds, found[0].run).body.decode()
print(len(found), found[0].ds, page.count("<h1"))
"""
    environment = {"PATH": "/usr/bin:/bin", **published.variables}
    words = [str(WORKERS), "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=services.ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    count, newest, headings = done.stdout.split()[-3:]
    assert (count, newest) == ("1", NIGHTS[1])
    assert int(headings) >= 1


def test_every_object_is_encrypted_as_the_bucket_says(published: Deployment, aws: None) -> None:
    """Whoever writes it: Arrow, PyIceberg, DuckDB."""
    every = listing(f"s3://encore-{published.kind}", recursive=True)
    assert {address.rsplit(".", 1)[-1] for address in every} >= {"parquet", "avro", "json"}
    for address in every:
        path = quote(address.removeprefix("s3://"))
        assert encryption_of(published.store.address, path) == ("aws:kms", KEY), address


def test_an_erasure_reaches_every_object(published: Deployment, aws: None) -> None:
    user = USERS[2]
    assert places(published, user)
    published.encore("erase", user, "--domain", "movies", "--yes", "--idle-minutes", "0")
    assert places(published, user) == []
    published.encore("erase", user, "--domain", "movies", "--verify")
    published.encore("tables", "check")
    assert places(published, USERS[3])  # the others stay


def places(at: Deployment, user: str) -> list[str]:
    """Where a user stands in any object of the bucket."""
    return [finding.address for finding in scan(Ids([user]), [f"s3://encore-{at.kind}"]).findings]
