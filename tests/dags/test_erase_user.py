"""The DAG `erase_user`: its form, and the command that it calls."""

import hashlib
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
