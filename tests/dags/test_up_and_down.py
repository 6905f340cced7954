"""`make up` and `make down` with a stand-in for Airflow, whose parts are real processes."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.servers.airflow_stand_in import project

PARTS = ("api-server", "dag-processor", "scheduler")


@pytest.fixture
def airflow(tmp_path):
    """Runs airflow.sh in a project of its own; `pids` gives the processes of its parts."""
    with project(tmp_path, ".venv-airflow") as run:
        yield run


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_every_part_is_started_and_stopped(airflow):
    done = airflow("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "password (shown this once): secret" in done.stdout
    pids = airflow.pids()
    assert all(map(running, pids.values()))
    # tasks wait for an API server that is started again: with Airflow's own five tries they fail for good in seconds
    for part, pid in pids.items():
        given = dict(one.split("=", 1) for one in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in one)
        assert int(given["AIRFLOW__WORKERS__EXECUTION_API_RETRIES"]) >= 10, part
    assert "up already" in airflow("up").stdout
    assert airflow.pids() == pids
    assert airflow("down").stdout == "Airflow is down\n"
    assert not any(map(running, pids.values()))
    assert airflow("down").stdout == ""


@pytest.mark.slow
def test_a_killed_scheduler_is_seen_and_started_again(airflow):
    airflow("up")
    before = airflow.pids()
    os.kill(before["scheduler"], signal.SIGKILL)
    time.sleep(0.5)
    done = airflow("up")
    assert done.returncode == 0, done.stderr
    assert "not running: scheduler; starting again what is dead" in done.stdout
    after = airflow.pids()
    assert after["scheduler"] != before["scheduler"]
    assert running(after["scheduler"])
    assert {part: after[part] for part in PARTS[:2]} == {part: before[part] for part in PARTS[:2]}


@pytest.mark.slow
def test_down_ends_what_a_killed_scheduler_leaves_and_what_does_not_listen(airflow):
    (airflow.home / "hang").touch()
    airflow("up")
    pids = airflow.pids()
    os.kill(pids["api-server"], signal.SIGKILL)
    done = airflow("down")
    assert done.returncode == 0, done.stderr
    assert f"scheduler (process {pids['scheduler']}) has not stopped after 2 s: it is killed" in done.stdout
    assert not any(map(running, pids.values()))


@pytest.mark.slow
def test_no_night_starts_unasked_and_it_says_how(airflow):
    assert "no night runs by itself: they are paused" in airflow("up").stdout
    assert "last night's at once: make up PAUSED=0" in airflow("up", PAUSED="1").stdout
    assert "nights run by themselves" in airflow("up", PAUSED="0").stdout
    assert "pause them with: make up PAUSED=1" in airflow("up", PAUSED="0").stdout
    assert "no night runs by itself" in airflow("up", PAUSED="1").stdout


def test_a_part_that_does_not_start_is_named(airflow):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = airflow("up", PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "is taken; take another: make up PORT=8081" in done.stderr
