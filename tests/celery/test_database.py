"""`make up DATABASE=postgres`: Airflow on a PostgreSQL of its own, with a stand-in for Airflow's parts."""

import shutil
import tempfile
from pathlib import Path

import psycopg2
import pytest

from tests.support.servers.airflow_stand_in import project
from tests.support.servers.services import POSTGRES

pytestmark = pytest.mark.skipif(
    not (POSTGRES / "initdb").exists(), reason="no PostgreSQL: `make test-celery` installs it"
)


@pytest.fixture
def airflow():
    """In a folder that PostgreSQL's user may enter, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="encore-up-"))
    folder.chmod(0o755)
    with project(folder, ".venv-airflow-workers") as run:
        yield run
    shutil.rmtree(folder)


def address(run):
    """The database's address in the environment of the scheduler."""
    environ = Path(f"/proc/{run.pids()['scheduler']}/environ").read_bytes().split(b"\0")
    variables = dict(line.decode().partition("=")[::2] for line in environ if line)
    return variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def query(url, text):
    """The first value of an answer."""
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchone()[0] if cursor.description else None


def test_airflow_has_a_database_that_stays_and_is_stopped(airflow):
    done = airflow("up", DATABASE="postgres")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one machine" not in done.stdout
    url = address(airflow)
    query(url, "CREATE TABLE kept AS SELECT 7 AS n")
    assert "run with another database" not in airflow("up").stderr
    refused = airflow("up", DATABASE="sqlite")
    assert refused.returncode == 2
    assert "another database; stop it first: make down" in refused.stderr
    assert airflow("down").returncode == 0
    with pytest.raises(psycopg2.OperationalError):
        query(url, "SELECT 1")
    assert airflow("up").returncode == 0  # the choice holds
    assert query(address(airflow), "SELECT n FROM kept") == 7


def test_nobody_else_may_read_or_enter_it(airflow):
    airflow("up", DATABASE="postgres")
    folder = airflow.home / "postgres"
    assert (folder / "password").stat().st_mode & 0o077 == 0
    assert (folder / "data").stat().st_mode & 0o077 == 0
    url = address(airflow)
    secret = (folder / "password").read_text().strip()
    assert secret in url
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(url.replace(secret, "guessed"), "SELECT 1")
    listening = {
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    }
    port = f"{int((folder / 'port').read_text()):04X}"
    assert {place for place in listening if place.endswith(f":{port}")} == {f"0100007F:{port}"}


def test_a_database_that_is_unknown_is_named(airflow):
    done = airflow("up", DATABASE="mysql")
    assert done.returncode == 2
    assert "DATABASE=mysql: must be sqlite or postgres" in done.stderr
    assert [*airflow.home.iterdir()] == []
