"""OpenLineage events of a real run: what each task read and wrote, with schema and rows."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.servers.celery_deployment import AIRFLOW, ENCORE
from tests.support.servers.services import ROOT

pytestmark = pytest.mark.timeout(1200)
DS = "2026-03-01"
# Task → tables that it reads, and the tables whose rows it writes, of the first night of a generated catalogue.
GOLDEN: dict[str, tuple[set[str], set[str]]] = {
    "pin": (set(), set()),
    "clean": (set(), {"files", "rejected", "held", "replaced", "interactions", "items", "users", "reviews"}),
    "vocabulary": ({"interactions", "items", "users"}, {"vocabulary"}),
    "item_similarity": ({"interactions", "items", "vocabulary"}, {"item_similarity"}),
    "user_similarity": ({"interactions", "items", "users", "vocabulary"}, {"user_similarity"}),
}


def encore(environment, *words):
    """What `encore WORDS` prints; it must succeed."""
    done = subprocess.run([ENCORE, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The environment of a run of `similarity`, which has ended."""
    folder = tmp_path_factory.mktemp("lineage")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ENCORE", "SPARK_"))},
        **{f"ENCORE_{name.upper()}": str(folder / name) for name in ("warehouse", "landing", "state")},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "encore",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(folder / "events.jsonl"), "append": True}
        ),
    }
    encore(environment, "import", "demo", "--size", "tiny", "--domain", "games", "--ds", DS)
    conf = json.dumps({"domains": ["games"], "ds": DS, "run": "mine"})
    for words in (
        ["db", "migrate"],
        ["pools", "import", str(ROOT / "dags" / "pools.json")],
        ["dags", "test", "similarity", "--conf", conf],
    ):
        done = subprocess.run([AIRFLOW, *words], env=environment, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def events(place):
    """Task → the event of its end."""
    every = [json.loads(line) for line in Path(place, "events.jsonl").read_text().splitlines()]
    return {event["job"]["name"]: event for event in every if event["eventType"] == "COMPLETE"}


@pytest.mark.parametrize("task", GOLDEN)
def test_the_event_of_a_task_names_the_tables_it_read_and_the_rows_it_wrote(events, place, task):
    event = events[f"similarity.games.{task}"]
    read, written = GOLDEN[task]
    assert {dataset["name"] for dataset in event["inputs"]} == {f"encore.{table}" for table in read}
    rows = {one["name"]: one["outputFacets"]["outputStatistics"]["rowCount"] for one in event["outputs"]}
    manifest = place / "warehouse" / "runs" / "games" / DS / "mine" / "manifest" / f"{task}.json"
    counted = json.loads(manifest.read_text())["rows"]
    assert rows == {f"encore.{table}": counted[table] for table in written}


def test_a_dataset_has_the_warehouse_and_the_columns_of_its_table(events, place):
    [dataset] = events["similarity.games.vocabulary"]["outputs"]
    assert dataset["namespace"] == (place / "warehouse").as_uri()
    fields = {field["name"]: (field["type"], field["description"]) for field in dataset["facets"]["schema"]["fields"]}
    assert fields["kind"][0] == "string"
    assert fields["row"] == ("int64", "its number, from 0, dense within (domain, kind)")
    assert all(description for _, description in fields.values())
