"""The DAGs `similarity` and `retrain` with the real jobs, on a generated catalogue of some users."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from schemas.names import run_folder
from tests.support.servers.airflow_stand_in import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ENCORE = ROOT / ".venv" / "bin" / "encore"
DOMAIN, DS = "games", "2026-03-01"
PLACES = ("warehouse", "landing", "state")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the jobs of this module find and leave their files: an imported catalogue, at first."""
    folder = tmp_path_factory.mktemp("operators")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("SPARK_REMOTE", "ENCORE_CONFIG", "ENCORE_DOMAINS"):
            monkeypatch.delenv(name, raising=False)
        for name in PLACES:
            monkeypatch.setenv(f"ENCORE_{name.upper()}", str(folder / name))
        monkeypatch.setenv("ENCORE", str(ENCORE))
        encore("import", "demo", "--size", "tiny", "--domain", DOMAIN, "--ds", DS)
        yield folder


def encore(*words):
    """What `encore WORDS` prints; it must succeed."""
    done = subprocess.run([ENCORE, *words], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(query):
    return json.loads(encore("tables", "sql", query, "--format", "json"))


def run_dag(name, **conf):
    """Runs a DAG to its end; returns its run id and the states of the domain's tasks, which are the only ones."""
    done = DagBag(ROOT / "dags").dags[name].test(run_conf=conf)
    states = {task.task_id: str(task.state) for task in done.get_task_instances()}
    assert str(done.state) == "success", states
    assert {state for task, state in states.items() if not task.startswith(DOMAIN) and "." in task} == {"skipped"}
    return done.run_id, {task.removeprefix(f"{DOMAIN}."): state for task, state in states.items()}


def written(place, run):
    """The jobs of a run that have left rows or facts."""
    return {file.stem for file in Path(place, "warehouse", "runs", DOMAIN, DS, run, "manifest").glob("*.json")}


def test_similarity_compares_and_a_night_of_its_name_publishes_that(database, place):
    _, states = run_dag("similarity", domains=[DOMAIN], ds=DS, run="mine")
    assert {*states.values()} - {"skipped"} == {"success"}
    assert {"clean", "vocabulary", "item_similarity", "user_similarity"} <= written(place, "mine")
    assert "publish" not in written(place, "mine")
    before = {file: file.stat().st_mtime_ns for file in place.rglob("runs/**/item_similarity/**/*.parquet")}
    assert before
    run_dag("nightly", domains=[DOMAIN], ds=DS, run="mine", models=["popularity"])
    assert rows("SELECT DISTINCT run_id FROM runs") == [{"run_id": "mine"}]
    [similar] = rows("SELECT count(*) AS n, max(rank) AS k FROM latest.item_similarity")
    assert similar["n"] > similar["k"] > 0


def test_retrain_measures_a_model_and_publishes_nothing(database, place):
    published = rows("SELECT run_id FROM runs")
    run, states = run_dag("retrain", domain=DOMAIN, ds=DS, model="item_knn", settings={"neighbours": 5})
    assert (states["train"], states["train_gpu"], states["gate"]) == ("success", "skipped", "success")
    assert states["publish"] == states["recommend"] == states["item_similarity"] == "skipped"
    assert {"train_item_knn", "evaluate", "gate"} <= written(place, run_folder(run))
    assert rows("SELECT run_id FROM runs") == published


def test_retrain_publishes_a_network_with_the_settings_of_the_form(database, place):
    _, states = run_dag("retrain", domain=DOMAIN, ds=DS, model="lstm", settings={"epochs": 2}, publish=True)
    assert (states["train"], states["train_gpu"], states["publish"]) == ("skipped", "success", "success")
    models = rows("SELECT model, status, settings FROM models")
    assert {row["model"]: row["status"] for row in models}["lstm"] == "champion"
    [settings] = [json.loads(row["settings"]) for row in models if row["model"] == "lstm"]
    assert settings["epochs"] == 2
    assert "lstm" in {row["model"] for row in rows("SELECT DISTINCT model FROM latest.recommendations")}
