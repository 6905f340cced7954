"""A run's manifest: whole or not there, and nobody's entry lost."""

import argparse
import hashlib
from multiprocessing import get_context
from pathlib import Path

import pytest

from jobs.errors import InputError
from jobs.storage import files
from jobs.storage.runs import Entry, Run, run_name


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(f"file://{tmp_path}/höuse", "movies", "2026-11-20", "r")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("manual__2026-11-22T10:00:00+00:00", "manual__2026-11-22T10_00_00_00_00-{digest}"),
        ("scheduled__2026-11-22", "scheduled__2026-11-22"),
        ("../etc/é 1", "___etc___1-{digest}"),
        ("a.b", "a_b-{digest}"),
    ],
)
def test_run_ids_are_reduced_to_what_a_path_bears(text: str, name: str) -> None:
    assert run_name(text) == name.format(digest=hashlib.sha256(text.encode()).hexdigest()[:8])


def test_a_run_id_that_airflow_would_not_take_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="250 characters at most, got 10000"):
        run_name("x" * 10_000)


def test_an_entry_comes_back_as_it_went(run: Run) -> None:
    entry = Entry("clean", "done", "a", {"items": ["file:///é"]}, {"items": 2}, {"n": [1, None]}, 1.5, 64.0, "ü", 3)
    run.record(entry)
    assert run.find("clean") == run.entry("clean") == entry
    assert run.entries() == {"clean": entry}
    assert run.find("publish") is None


def test_a_task_that_has_not_run_or_failed_is_named(run: Run) -> None:
    with pytest.raises(InputError, match="run r of movies 2026-11-20: task clean has not run; run it first"):
        run.entry("clean")
    run.record(Entry("clean", "failed", "a"))
    with pytest.raises(InputError, match="task clean has failed"):
        run.entry("clean")


def test_files_are_those_of_tasks_that_did_not_fail(run: Run) -> None:
    run.record(Entry("one", "done", "a", {"items": ["b", "a"]}))
    run.record(Entry("two", "refused", "a", {"items": ["c"]}))
    run.record(Entry("three", "failed", "a", {"items": ["d"]}))
    assert run.files("items") == ["a", "b", "c"]
    run.record(Entry("four", "done", "a", {"users": []}))
    assert run.files("users") == [], "written, and empty"
    with pytest.raises(InputError, match="no task has written reviews; run it first"):
        run.files("reviews")


def test_attempts_have_folders_of_their_own(run: Run) -> None:
    assert len({run.new_attempt("clean") for _ in range(100)}) == 100
    assert run.new_attempt("clean").startswith(f"{run.address}/clean/")


def test_a_publication_is_named_by_run_and_number(run: Run) -> None:
    assert run.tag(3) == "movies.2026-11-20.r.3"


def record_often(run: Run, task: str) -> None:
    for number in range(200):
        run.record(Entry(task, "done", str(number), facts={"filling": "x" * 10_000}))


def test_tasks_side_by_side_lose_nothing_and_readers_see_whole_entries(run: Run) -> None:
    tasks = ("train_a", "train_b", "train_a")  # the last: a retry while the first attempt is still alive
    processes = [get_context("fork").Process(target=record_often, args=(run, task)) for task in tasks]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        for entry in run.entries().values():  # raises where it reads half a file
            assert len(entry.facts["filling"]) == 10_000
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert {task: entry.attempt for task, entry in run.entries().items()} == {"train_a": "199", "train_b": "199"}
    assert files.listing(f"{run.address}/manifest", ".tmp") == []
