"""`encore nightly` with a stand-in for Airflow, which writes manifests and marked lines as the DAG's jobs would."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from jobs import local_airflow, nightly
from jobs.cli import main
from jobs.commands import tasks
from jobs.errors import InputError
from jobs.report import viewer
from jobs.spark import server as spark_server
from schemas.names import MODELS

AIRFLOW = """#!{python}
import json, os, pathlib, signal, sys, time
from jobs.storage.runs import Entry, Run
told = json.loads(pathlib.Path({script!r}).read_text())


def note(*what):
    with open({calls!r}, "a") as calls:
        calls.write(json.dumps(what) + "\\n")


signal.signal(signal.SIGINT, lambda *_: sys.exit(note("interrupted", None)))
note(sys.argv[1:], dict(os.environ))
if "test" in sys.argv:
    conf = json.loads(sys.argv[-1])
    for domain, entry in told.get("entries", []):
        run = Run(os.environ["ENCORE_WAREHOUSE"], domain, conf["ds"], conf["run"])
        run.record(Entry(attempt="a", **entry))
    print(*told.get("lines", []), sep="\\n", flush=True)
    time.sleep(told.get("sleep", 0))
    sys.exit(told.get("code", 0))
sys.exit(told.get("preparing", 0))
"""
PUBLISH = ["movies", {"task": "publish", "state": "done"}]
TAIL = "   [airflow.task.operators.dags.common.JobOperator] loc=common.py:49"


@pytest.fixture
def airflow(tmp_path, monkeypatch):
    """Call it with what the stand-in shall do; returns a function for what it was called with."""
    program, script, calls = tmp_path / "airflow", tmp_path / "script", tmp_path / "calls"
    program.write_text(AIRFLOW.format(python=sys.executable, script=str(script), calls=str(calls)))
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE_AIRFLOW", str(program))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ENCORE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ENCORE_WAREHOUSE", (tmp_path / "warehouse").as_uri())

    def fake(**message):
        script.write_text(json.dumps(message))
        return lambda: [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    return fake


@pytest.fixture(autouse=True)
def ends(monkeypatch):
    """Runs whose Spark server was stopped, and nights that were reported."""
    seen = {"stopped": [], "reported": []}
    monkeypatch.setattr(spark_server, "stop", lambda config, run: seen["stopped"].append(run))
    monkeypatch.setattr(viewer, "show", lambda domain, ds, run: seen["reported"].append((domain, ds, run)))
    return seen


def night(*more):
    return main(["nightly", "--domain", "movies", "--ds", "2026-03-01", *more])


def test_published_night_is_reported(airflow, ends, capsys):
    calls = airflow(
        entries=[PUBLISH], lines=[f"2026-… [info] [encore] movies.publish {s}{TAIL}" for s in ("started", "done")]
    )
    assert night("--top-k", "7", "--models", "popularity") == 0
    words, environment = calls()[-1]
    assert words[:5] == ["dags", "test", "nightly", "--use-executor", "--conf"]
    conf = json.loads(words[5])
    assert conf == {
        "ds": "2026-03-01",
        "run": ends["stopped"][0],
        "domains": ["movies"],
        "models": ["popularity"],
        "top_k": 7,
    }
    assert ends["reported"] == [("movies", "2026-03-01", conf["run"])]
    assert environment["ENCORE"] == str(Path(sys.executable).with_name("encore"))
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "dags.executor.SideBySideExecutor"
    assert int(environment["AIRFLOW__CORE__PARALLELISM"]) >= 2
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("/home/nightly.db")
    assert "movies.publish               done" in capsys.readouterr().out


def test_a_report_is_shown_once_as_soon_as_its_domain_is_complete(airflow, ends, capsys):
    lines = [f"[encore] {domain}.report {end}{TAIL}" for domain in ("movies", "games") for end in ("started", "done")]
    airflow(entries=[PUBLISH, ["games", PUBLISH[1]], ["music", PUBLISH[1]]], lines=lines, sleep=1)
    shown = []

    def show(*night):
        shown.append((night[0], capsys.readouterr().out.splitlines()[-1:]))

    viewer.show, before = show, viewer.show
    try:
        assert night("--domain", "games", "--domain", "music") == 0
    finally:
        viewer.show = before
    assert [domain for domain, _ in shown] == ["movies", "games", "music"]
    assert [line.split()[0] for _, (line,) in shown[:2]] == ["movies.report", "games.report"]


def test_progress_says_what_runs_since_when_and_what_is_left(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 2.0, 5.0, 21.0, 25.0, 36.5])
    monkeypatch.setattr(local_airflow.time, "monotonic", lambda: next(clock))
    progress = local_airflow.Progress(7, lambda task: None)  # at 0
    progress.read(f"[encore] movies.train_lstm started{TAIL}")  # 1
    progress.read(f"[encore] games.pin started{TAIL}")  # 2
    progress.read(f"[encore] games.pin done{TAIL}")  # 5
    progress.wait()  # 21
    progress.wait()  # 25: just said
    progress.wait()  # 36.5
    assert capsys.readouterr().out.splitlines() == [
        "  games.pin                    done        3.0 s",
        "  … running: movies.train_lstm for 20 s; 6 tasks are left",
        "  … running: movies.train_lstm for 36 s; 6 tasks are left",
    ]


def test_the_number_of_tasks_is_that_of_the_dag(airflow):
    """One of a night's `recommend` and `recommend_gpu` runs; `continuations` where its model is trained."""
    assert len(tasks(MODELS)) == 26
    assert len(tasks(["popularity", "ease"])) == len(tasks(["popularity", "seq2seq"])) - 1 == 15


@pytest.mark.parametrize(
    ("cores", "gib", "expected"), [(1, 64, 2), (2, 24, 2), (8, 16, 4), (8, 64, 8), (64, 512, 8), (4, 1, 2)]
)
def test_as_many_tasks_at_a_time_as_cores_and_memory_allow(cores, gib, expected):
    assert local_airflow.workers(cores, gib << 30) == expected


def test_airflow_is_prepared_once(airflow):
    calls = airflow(entries=[PUBLISH])
    assert night() == night() == 0
    assert [words[:2] for words, _ in calls()] == [
        ["db", "migrate"],
        ["pools", "import"],
        ["dags", "test"],
        ["dags", "test"],
    ]


def test_failed_preparation_is_repeated(airflow, ends, capsys):
    calls = airflow(preparing=1)
    assert night() == 1
    assert "airflow db migrate ended with exit code 1; the log is" in capsys.readouterr().err
    airflow(entries=[PUBLISH])
    assert night() == 0
    assert [words[0] for words, _ in calls()] == ["db", "db", "pools", "dags"]


@pytest.mark.parametrize("code", [1, 2])
def test_failed_job_gives_its_exit_code_and_reason(airflow, ends, capsys, code):
    entry = {"task": "clean", "state": "failed", "error": "u.data: no such column", "exit_code": code}
    airflow(entries=[["movies", entry]], code=1)
    assert night() == code
    error = capsys.readouterr().err
    assert "error: movies.clean: u.data: no such column" in error
    log = Path(error.rsplit("its log is ", 1)[1].strip())
    assert log.is_file()
    assert ends["stopped"]
    assert not ends["reported"]


def test_failed_model_fails_the_night_but_what_is_published_is_shown(airflow, ends):
    entry = {"task": "train_item_knn", "state": "failed", "error": "out of memory", "exit_code": 1}
    airflow(entries=[PUBLISH, ["movies", entry]], code=1)
    assert night() == 1
    assert len(ends["reported"]) == 1


def test_a_night_without_its_page_is_published_all_the_same(airflow, ends, capsys):
    page = {"task": "report", "state": "failed", "error": "no font", "exit_code": 1}
    output = f"2026-… [error] [encore] movies.report fault: no font{TAIL}"
    airflow(entries=[PUBLISH, ["movies", page]], lines=[output])
    assert night() == 0
    message = capsys.readouterr()
    assert "movies.report" in message.out
    assert message.err == ""
    assert len(ends["reported"]) == 1


def test_refusal_ends_with_3(airflow, ends, capsys):
    entry = {"task": "gate", "state": "refused", "error": "NDCG@10 0.01 is below 0.02", "exit_code": 3}
    airflow(entries=[PUBLISH, ["movies", entry]])
    assert night() == 3
    assert "gate refused: NDCG@10 0.01 is below 0.02" in capsys.readouterr().out


@pytest.mark.parametrize(("state", "code"), [("failed", 2), ("fault", 1)])
def test_job_that_left_no_manifest_is_known_from_its_line(airflow, capsys, state, code):
    line = f"2026-11-22T17:14:22Z [error    ] [encore] spark_check {state}: error: no java [17] here {TAIL}"
    airflow(lines=[line], code=1)
    assert night() == code
    assert "error: spark_check: no java [17] here\n" in capsys.readouterr().err


def test_second_try_makes_good(airflow):
    lines = [f"[encore] movies.clean {end}{TAIL}" for end in ("fault: error: lost", "started", "done")]
    airflow(entries=[PUBLISH], lines=lines)
    assert night() == 0


def test_server_that_would_not_stop_does_not_fail_the_night(airflow):
    airflow(entries=[PUBLISH], lines=[f"[encore] spark_stop fault: error: gone{TAIL}"])
    assert night() == 0


def test_nothing_published_is_a_failure(airflow, capsys):
    airflow()
    assert night() == 1
    assert "error: movies.publish: nothing was published" in capsys.readouterr().err


def test_airflow_that_fails_by_itself_is_a_fault(airflow, capsys):
    airflow(entries=[PUBLISH])
    assert night() == 0
    airflow(lines=["Traceback …", "AirflowException: no Dag nightly", ""], code=4)
    assert night() == 1
    expected = "error: airflow: ended with exit code 4; its last line: AirflowException: no Dag nightly\n"
    assert expected in capsys.readouterr().err


def test_several_domains_in_one_run(airflow, ends):
    calls = airflow(entries=[PUBLISH, ["games", PUBLISH[1]]])
    assert night("--domain", "games", "--domain", "movies") == 0
    assert json.loads(calls()[-1][0][-1])["domains"] == ["movies", "games"]
    assert [domain for domain, _, _ in ends["reported"]] == ["movies", "games"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interruption_reaches_airflow_and_the_spark_server(airflow, ends, stop):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
    airflow(entries=[PUBLISH])
    night()
    calls = airflow(sleep=60)
    before = len(calls())

    def interrupt():
        while len(calls()) == before:
            time.sleep(0.1)
        os.kill(os.getpid(), stop)

    threading.Thread(target=interrupt).start()
    assert night() == 130
    assert calls()[-1] == ["interrupted", None]
    assert len(ends["stopped"]) == 2
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("words", [("--top-k", "0"), ("--models", "oracle"), ("--models", ""), ("--ds", "2126-01-01")])
def test_bad_values_are_refused_before_airflow_is_called(airflow, words, capsys):
    calls = airflow()
    assert night(*words) == 2
    assert calls() == []
    assert capsys.readouterr().err.startswith("error: ")


def test_missing_airflow_says_what_to_do(airflow, monkeypatch):
    monkeypatch.setenv("ENCORE_AIRFLOW", "/nowhere/airflow")
    with pytest.raises(InputError, match="/nowhere/airflow; `make setup` builds it"):
        nightly.main(nightly.parser().parse_args(["--domain", "movies", "--ds", "2026-03-01"]))
