"""A stand-in for Airflow, whose parts are real processes, and a project in which docker/airflow.sh runs it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
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
        return stat.rpartition(")")[2].split()[0] != "Z" and (home / f"{{part}}.ready").exists()
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
    (home / f"{{words[0]}}.ready").touch()
    time.sleep(600)
paused = home / "paused"
if words[:2] in (["dags", "pause"], ["dags", "unpause"]):
    paused.write_text(str(words[1] == "pause"))
if words[:2] == ["dags", "list"]:
    start = os.environ["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"]
    print("dag_id  is_paused")
    print("nightly", paused.read_text() if paused.exists() else start)
"""


@contextmanager
def project(folder: Path, environment: str) -> Iterator[Any]:
    """Calls airflow.sh in a project with the stand-in in its `environment`; `pids` gives the processes of its parts."""
    shutil.copytree(ROOT / "docker", folder / "docker")
    programs = folder / environment / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "airflow").write_text(AIRFLOW.format(python=sys.executable))
    (programs / "airflow").chmod(0o755)
    home = folder / "home"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    def run(action: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"AIRFLOW_HOME": str(home), "PORT": port, "STOP_SECONDS": "2", **variables}
        command = [folder / "docker" / "airflow.sh", action]
        # Without a terminal: job control would stop the tests.
        apart: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True}
        return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, timeout=200, **apart)

    run.pids = lambda: {part: int((home / f"{part}.pid").read_text()) for part in PARTS}  # type: ignore[attr-defined]
    run.home = home  # type: ignore[attr-defined]
    yield run
    run("down")
