"""`make up` and `make down` with a stand-in for Airflow, whose parts are real processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("api-server", "dag-processor", "scheduler")

# The API server says of every other part whether its process lives. A scheduler that has no API server ends, as its
# tasks would; one that is told to hang hears no SIGTERM.
AIRFLOW = """#!{python} -SE
import http.server, json, os, pathlib, signal, sys, time, urllib.request
home, words = pathlib.Path(os.environ["AIRFLOW_HOME"]), sys.argv[1:]
port = int(os.environ["AIRFLOW__API__PORT"])

def lives(part):
    try:
        stat = pathlib.Path(f"/proc/{{(home / f'{{part}}.pid').read_text().strip()}}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        parts = {{"metadatabase": True, "dag_processor": lives("dag-processor"), "scheduler": lives("scheduler")}}
        health = {{part: {{"status": "healthy" if well else "unhealthy"}} for part, well in parts.items()}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(health).encode())

    def log_message(self, *_):
        pass

if words[0] == "api-server":
    (home / "simple_auth_manager_passwords.json.generated").write_text('{{"admin": "secret"}}')
    http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
if words[0] in ("scheduler", "dag-processor"):
    urllib.request.urlopen(f"http://127.0.0.1:{{port}}/", timeout=5)
    if (home / "hang").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
paused = home / "paused"
if words[:2] in (["dags", "pause"], ["dags", "unpause"]):
    paused.write_text(str(words[1] == "pause"))
if words[:2] == ["dags", "list"]:
    start = os.environ["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"]
    print("dag_id  is_paused")
    print("nightly", paused.read_text() if paused.exists() else start)
"""


@pytest.fixture
def airflow(tmp_path):
    """Runs airflow.sh in a project of its own; `pids` gives the processes of its parts."""
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    bin = tmp_path / ".venv-airflow" / "bin"
    bin.mkdir(parents=True)
    (bin / "python").symlink_to(sys.executable)
    (bin / "airflow").write_text(AIRFLOW.format(python=sys.executable))
    (bin / "airflow").chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    def run(action, **environment):
        own = {"AIRFLOW_HOME": str(home), "PORT": port, "STOP_SECONDS": "2", **environment}
        command = [tmp_path / "docker" / "airflow.sh", action]
        apart = {
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
        }  # no terminal: job control would stop the tests
        return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, timeout=200, **apart)

    run.pids = lambda: {part: int((home / f"{part}.pid").read_text()) for part in PARTS}
    run.home = home
    yield run
    run("down")


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
    assert "up already" in airflow("up").stdout
    assert airflow.pids() == pids
    assert airflow("down").stdout == "Airflow is down\n"
    assert not any(map(running, pids.values()))
    assert airflow("down").stdout == ""


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


def test_down_ends_what_a_killed_scheduler_leaves_and_what_does_not_listen(airflow):
    (airflow.home / "hang").touch()
    airflow("up")
    pids = airflow.pids()
    os.kill(pids["api-server"], signal.SIGKILL)
    done = airflow("down")
    assert done.returncode == 0, done.stderr
    assert f"scheduler (process {pids['scheduler']}) has not stopped after 2 s: it is killed" in done.stdout
    assert not any(map(running, pids.values()))


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
