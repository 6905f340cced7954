"""The DAG `erase_user`: its form, the command that it calls, and what Airflow's own database keeps of a user."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from airflow.sdk.exceptions import ParamValidationError

ROOT = Path(__file__).resolve().parents[2]
DIGEST = hashlib.sha256(b"viewer-4711").hexdigest()


@pytest.fixture
def erasure():
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags")
    assert bag.import_errors == {}
    return bag.dags["erase_user"]


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"domain": "movies", "sha256": DIGEST},
        {"domain": "movies", "sha256": "viewer-4711", "confirmed": True},
        {"domain": "movies", "sha256": DIGEST.upper(), "confirmed": True},
        {"domain": "movies", "sha256": f"{DIGEST}\n--verify", "confirmed": True},
        {"domain": "$(id)", "sha256": DIGEST, "confirmed": True},
        {"domain": "movies", "sha256": DIGEST, "confirmed": "true"},
    ],
)
def test_the_form_takes_a_hash_and_no_id(erasure, conf):
    params = {**erasure.params.dump(), **conf}
    wrong = []
    for name, value in params.items():
        try:
            erasure.params.get_param(name).resolve(value)
        except ParamValidationError:
            wrong.append(name)
    assert wrong


def test_the_command_is_parsed_by_the_job(erasure, database, encore, in_jobs_environment):
    calls = encore()
    run = erasure.test(run_conf={"domain": "games", "sha256": DIGEST, "confirmed": True})
    assert run.state == "success"
    (words,) = calls()
    assert words == ["erase", "--domain=games", f"--sha256={DIGEST}", "--yes"]
    code = """
import json, sys
from jobs import erase
args = erase.parser().parse_args(json.load(sys.stdin)[1:])
print(json.dumps([args.domain, args.sha256, args.yes, args.user]))
"""
    assert in_jobs_environment(code, words) == ["games", [DIGEST], True, None]


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_airflows_database_forgets_by_the_commands_of_docs_privacy(erasure, encore, tmp_path):
    """A person has typed the id into a run's configuration; `--verify` finds it until it is cleaned away."""
    encore()
    erasure.test(run_conf={"domain": "games", "sha256": DIGEST, "confirmed": True, "why": "viewer-4711 has asked"})
    home = tmp_path / "airflow home"
    home.mkdir()
    for name in ("nightly.db", "airflow.db"):
        live = sqlite3.connect(f"{os.environ['AIRFLOW_HOME']}/airflow.db")
        with closing(live), closing(sqlite3.connect(home / name)) as copied:
            live.backup(copied)
    env = {**os.environ, "AIRFLOW_HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {f"ENCORE_{name}": str(tmp_path / name) for name in ("WAREHOUSE", "LANDING", "STATE")}

    def verify():
        words = [ROOT / ".venv" / "bin" / "encore", "erase", "viewer-4711", "--domain", "games", "--verify"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, cwd=ROOT)
        places = [line.partition(".db")[0].rpartition("/")[2] for line in done.stdout.splitlines()[:-1]]
        return done.returncode, {*places}

    assert verify() == (1, {"nightly", "airflow"})
    commands = (ROOT / "docs" / "privacy.md").read_text().partition("```bash\nfor name")[2].partition("```")[0]
    subprocess.run(["bash", "-ec", f"for name{commands}"], env=env, check=True, capture_output=True)
    assert verify() == (0, set())
