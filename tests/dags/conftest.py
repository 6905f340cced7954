"""Airflow in a home of its own, and an `encore` that only writes down how it was called.

Environment variables come first: Airflow reads them when it is imported.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = tempfile.mkdtemp(prefix="encore-airflow-")
os.environ |= {
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "dags" / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
}

FAKE = """#!{python} -SE
import json, os, sys
words = sys.argv[1:]
with open(os.environ["FAKE_CALLS"], "a") as calls:
    calls.write(json.dumps(words) + "\\n")
codes = json.loads(os.environ["FAKE_CODES"])
code = next((code for part, code in codes.items() if part in " ".join(words)), 0)
print("a line for the log")
if code:
    print(f"error: {{words[0]}}: told to end with {{code}}", file=sys.stderr, flush=True)
else:
    champion = os.environ.get("FAKE_CHAMPION")
    told = {{"task": words[0]}} | ({{"champion": champion}} if champion else {{}})
    published = json.loads(os.environ.get("FAKE_PUBLICATION", "{{}}")) if words[0] == "publish" else {{}}
    print(json.dumps(told | published))
    print("a warning at the very end", file=sys.stderr)
sys.exit(code)
"""


def pytest_unconfigure():
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture
def movies_alone(monkeypatch):
    """DAGs of one domain and some models, for tests that run no others: Airflow's time grows with the tasks of a DAG,
    skipped or not."""
    from dags import common, form
    from schemas import names

    some = ("popularity", "item_knn", "hybrid_knn", names.CONTINUING, names.ENSEMBLE)
    monkeypatch.setattr(names, "MODELS", some)
    for module in (common, form):
        monkeypatch.setattr(module, "DOMAINS", ("movies",))


@pytest.fixture
def dag():
    """Parsed anew for each test: a run leaves the values of its form in the DAG's parameters."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags" / "nightly.py")
    assert bag.import_errors == {}
    return bag.dags["nightly"]


@pytest.fixture(scope="session", autouse=True)
def checked_once():
    """Airflow checks the schema of every parameter for every task that it serializes: here each schema once."""
    from jsonschema import Draft202012Validator as Validator

    check = lru_cache(None)(lambda schema, check=Validator.check_schema: check(json.loads(schema)))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Validator, "check_schema", lambda schema: check(json.dumps(schema)))
        yield


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()
    pools = [sys.executable, "-m", "airflow", "pools", "import", str(ROOT / "dags" / "pools.json")]
    subprocess.run(pools, check=True, capture_output=True)


@pytest.fixture
def encore(tmp_path, monkeypatch):
    """Puts the fake in the place of `encore`; called with exit codes by a part of the command, returns the calls."""
    program, calls = tmp_path / "encore", tmp_path / "calls"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)
    calls.touch()
    monkeypatch.setenv("ENCORE", str(program))
    monkeypatch.setenv("FAKE_CALLS", str(calls))

    def fake(**codes_by_part):
        monkeypatch.setenv("FAKE_CODES", json.dumps(codes_by_part))
        return lambda: [json.loads(line) for line in calls.read_text().splitlines()]

    return fake


@pytest.fixture
def night(dag, database, encore):
    """Runs the DAG; returns the run's state, the state of each task, and the commands that were called."""

    def run(conf=None, codes=None, **dates):
        calls = encore(**(codes or {}))
        run = dag.test(run_conf=conf, **dates)
        return run.state, {task.task_id: task.state for task in run.get_task_instances()}, calls()

    for task in dag.tasks:
        task.retry_delay *= 0
    return run


@pytest.fixture(scope="session")
def in_jobs_environment():
    """Runs Python code in the environment of the jobs, with `data` as JSON on its standard input; returns its JSON."""

    def run(code, data):
        python = ROOT / ".venv" / "bin" / "python"
        done = subprocess.run([python, "-c", code], input=json.dumps(data), capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
