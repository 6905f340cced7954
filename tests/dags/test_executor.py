"""The executor of `encore nightly`: which waiting task goes to which worker, and what becomes of a worker that dies."""

import json
import multiprocessing
import os
import subprocess
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.models.taskinstancekey import TaskInstanceKey

from dags import executor

ROOT = Path(__file__).parents[2]


class Waiting:
    """A task that waits, as Airflow hands it over."""

    def __init__(self, task_id: str, weight: int = 1) -> None:
        self.key = TaskInstanceKey("nightly", task_id, "run", 1)
        self.ti = SimpleNamespace(task_id=task_id, priority_weight=weight, model_dump=lambda include: {"task": task_id})


@pytest.fixture
def side_by_side(monkeypatch):
    """An executor whose workers are ends of pipes, as if they were processes."""

    class Other(executor.SideBySideExecutor):
        def _start_worker(self):
            ours, theirs = multiprocessing.Pipe()
            self.ends.append(theirs)
            self.workers[ours] = SimpleNamespace(pid=len(self.workers), terminate=lambda: None)

    monkeypatch.setattr(executor.Pool, "get_pools", lambda: [SimpleNamespace(pool="spark", slots=1)])
    made = Other(parallelism=3)
    made.ends = []  # type: ignore[attr-defined]
    made.start()
    yield made
    made.end()


def given(made) -> set[str]:
    """What the workers have been told to do."""
    return {end.recv()["task"] for end in made.ends if end.poll(0.5)}


def queue(made, *tasks: Waiting) -> None:
    made.queued_tasks |= {task.key: task for task in tasks}
    made.trigger_tasks(0)


def test_the_first_domain_goes_first_and_in_it_what_has_most_behind_it(side_by_side):
    names = ["music.train_ncf", "movies.train_ncf", "games.train_ncf", "spark_check", "games.report", "games.evaluate"]
    weights = [9, 9, 2, 1, 1, 3]
    queue(side_by_side, *map(Waiting, names, weights))
    assert given(side_by_side) == {"spark_check", "games.evaluate", "games.train_ncf"}


def test_a_pool_has_no_more_tasks_than_slots_and_others_pass(side_by_side):
    names = ["games.vocabulary", "games.sequences", "movies.clean", "movies.pin", "music.pin"]
    queue(side_by_side, *map(Waiting, names))
    assert given(side_by_side) == {"games.vocabulary", "movies.pin", "music.pin"}


def test_trainings_share_the_cores_where_there_is_no_gpu(side_by_side, monkeypatch, tmp_path):
    queue(side_by_side, Waiting("games.train_lstm"), Waiting("games.train_ncf"), Waiting("games.sentiment"))
    assert len(given(side_by_side)) == (1 if executor.GPU_DEVICE.exists() else 3)


def test_a_worker_that_is_done_gets_the_next_at_once(side_by_side):
    queue(side_by_side, *(Waiting(f"games.train_{n}", 9 - i) for i, n in enumerate(["lstm", "ncf", "ease", "sasrec"])))
    assert given(side_by_side) == {"games.train_lstm", "games.train_ncf", "games.train_ease"}
    side_by_side.ends[1].send(None)
    assert given(side_by_side) == {"games.train_sasrec"}
    side_by_side.sync()
    ((key, (state, _)),) = side_by_side.get_event_buffer().items()
    assert state == "success"
    assert key not in side_by_side.running


def test_airflow_looks_at_the_run_again_when_a_task_has_ended_and_not_before(side_by_side, monkeypatch):
    monkeypatch.setattr(executor, "WAIT_SECONDS", 60.0)  # of which the test shall see none
    queue(side_by_side, Waiting("games.train_lstm"))
    (end,) = (end for end in side_by_side.ends if end.poll(0.5))
    end.recv()
    looked = threading.Event()
    airflow = threading.Thread(target=lambda: (side_by_side.sync(), looked.set()), daemon=True)
    airflow.start()
    assert not looked.wait(0.2)
    end.send(None)
    airflow.join(30)
    ((_, (state, _)),) = side_by_side.get_event_buffer().items()
    assert state == "success"
    side_by_side.sync()  # nothing runs any more: nothing to wait for


def test_a_task_that_waits_to_be_tried_again_is_not_forgotten(side_by_side, monkeypatch):
    """Airflow is let go on though nothing has ended."""
    monkeypatch.setattr(executor, "WAIT_SECONDS", 0.01)
    queue(side_by_side, Waiting("games.train_lstm"))
    side_by_side.sync()
    assert not side_by_side.get_event_buffer()


def test_a_worker_that_dies_fails_its_task_and_another_takes_its_place(side_by_side):
    queue(side_by_side, *(Waiting(f"games.train_{name}") for name in ("lstm", "ncf", "ease", "sasrec")))
    before = given(side_by_side)
    side_by_side.ends.pop(0).close()
    assert len(given(side_by_side)) == 1  # the new worker has the fourth
    side_by_side.sync()
    ((key, (state, reason)),) = side_by_side.get_event_buffer().items()
    assert key.task_id in before
    assert (state, reason) == ("failed", f"worker {reason.split()[1]} is gone")


def test_what_airflow_cannot_do_fails_the_task_with_its_reason(side_by_side):
    queue(side_by_side, Waiting("games.pin"))
    (end,) = (end for end in side_by_side.ends if end.poll(0.5))
    end.recv()
    end.send("OperationalError('database is locked')")
    for _ in range(100):
        if not side_by_side.ended.empty():
            break
        threading.Event().wait(0.01)
    side_by_side.sync()
    ((_, event),) = side_by_side.get_event_buffer().items()
    assert event == ("failed", "OperationalError('database is locked')")


def test_a_run_whose_starter_was_killed_ends_with_its_tasks(side_by_side, monkeypatch):
    ended = []
    for worker in side_by_side.workers.values():
        worker.terminate = lambda: ended.append(True)
    side_by_side.sync()
    monkeypatch.setattr(executor.os, "getppid", lambda: 1)
    with pytest.raises(SystemExit, match="gone"):
        side_by_side.sync()
    assert len(ended) == 3


TIMED = """#!/bin/sh
start=$(date +%s.%N); sleep 0.3
echo "$* $start $(date +%s.%N)" >> "$CALLS"
echo '{"champion": "ease"}'
"""

COMMANDS = """spark check, pin, clean, vocabulary, sequences, item_similarity, user_similarity, sentiment, train,
evaluate, gate, recommend, continuations, activity, publish, html_report, spark stop"""


@pytest.mark.slow
def test_a_run_through_airflow_side_by_side(tmp_path):
    """Every task once, after those before it, and the models of a domain beside each other."""
    program, calls = tmp_path / "encore", tmp_path / "calls"
    program.write_text(TIMED)
    program.chmod(0o755)
    env = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__EXECUTOR": "dags.executor.SideBySideExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "ENCORE": str(program),
        "CALLS": str(calls),
    }
    conf = json.dumps({"ds": "2026-03-01", "run": "mine", "domains": ["music"]})
    airflow = ROOT / ".venv-airflow" / "bin" / "airflow"
    for words in (["db", "migrate"], ["pools", "import", str(ROOT / "dags" / "pools.json")]):
        subprocess.run([airflow, *words], env=env, check=True, capture_output=True)
    run = [airflow, "dags", "test", "nightly", "--use-executor", "--conf", conf]
    done = subprocess.run(run, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    rows = [line.rsplit(" ", 2) for line in calls.read_text().splitlines()]
    spans = {words: (float(start), float(end)) for words, start, end in rows}
    assert len(spans) == len(rows)
    assert {words.split(" --")[0] for words in spans} == set(COMMANDS.replace("\n", " ").split(", "))
    assert sum(words.startswith("train ") for words in spans) == 12
    first = {words.split()[0]: span for words, span in spans.items()}
    assert first["pin"][1] < first["clean"][0] < first["evaluate"][0] < first["publish"][0] < first["html_report"][0]
    trained = sorted(span for words, span in spans.items() if words.startswith("train"))
    assert any(later[0] < earlier[1] for earlier, later in pairwise(trained))
