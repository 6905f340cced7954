"""A fourth domain, books, needs what README.md says and nothing else: tried in a copy of the packages."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHANGED = re.compile(r"in `(schemas/\w+\.py)`.*?```diff\n(.*?)```", re.DOTALL)
START = 1_714_521_600  # 2024-05-01

PARSED = """
import importlib, json
from jobs import cli
from schemas import names
words = {"import": ["csv", "x"], "user": ["ann"], "train": ["--model=popularity"]}
accepted = []
for name, (module, _) in cli.COMMANDS.items():
    if name in ("spark", "tables"):
        continue
    dated = [] if name == "status" else ["--ds=2024-05-01"]
    run = ["--run=r"] if name in cli.NIGHT else []
    args = importlib.import_module(module).parser().parse_args(["--domain=books", *words.get(name, []), *dated, *run])
    accepted += [name] if args.domain in ("books", ["books"]) else []
print(json.dumps([names.__file__, accepted]))
"""
FILLED = """
import json
from schemas.domains import DOMAINS, placeholders
print(json.dumps(placeholders(DOMAINS["books"], "2024-05-01")))
"""
GROUPS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
dag = bag.dags["nightly"]
tasks = lambda name: sorted(task.task_id.split(".")[1] for task in dag.task_group_dict[name].iter_tasks())
print(json.dumps([bag.import_errors, tasks("movies"), tasks("books"), dag.params["domains"]]))
"""
NIGHT = """
import sys
from jobs.cli import NIGHT, main
for name in NIGHT:
    for more in (["--model=popularity"], ["--model=item_knn"]) if name == "train" else ([],):
        code = main([name, "--domain=books", "--ds=2024-05-01", "--run=first", *more])
        if code:
            sys.exit(f"{name} ended with {code}")
sys.exit(main(["user", "u01", "--domain=books", "--format=json"]))
"""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the changes of the page, and a folder of csv files."""
    root = tmp_path_factory.mktemp("books")
    for package in ("schemas", "jobs", "models", "dags"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    changes = CHANGED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [file for file, _ in changes] == ["schemas/names.py", "schemas/domains.py"]
    for file, diff in changes:
        lines = [(line[0], line[1:]) for line in diff.splitlines()]
        old, new = ("\n".join(text for sign, text in lines if sign != leave) for leave in "+-")
        text = (root / file).read_text(encoding="utf-8")
        assert text.count(f"{old}\n") == 1, f"README.md: {file} has other lines than these: {old}"
        (root / file).write_text(text.replace(f"{old}\n", f"{new}\n"), encoding="utf-8")
    write_exports(root / "exports")
    return root


def write_exports(folder: Path) -> None:
    """12 readers who each rated 8 of 10 books, and one row of a kind that books do not have."""
    folder.mkdir()
    pairs = [(u, i) for u in range(12) for i in range(8)]
    events = [f"u{u:02},b{(u + i) % 10},rating,{1 + u * i % 5},{START + 100 * u + i}" for u, i in pairs]
    events += ["u00,b9,loan,,1714525000", "u00,b8,play,1,1714525000"]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,kind,value,ts", *events, ""]))
    items = [f"b{i},Book {i},a|b" for i in range(10)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres", *items, ""]))


def run(books: Path, *words: str, python: Path = Path(sys.executable)) -> str:
    """What a process with the copy's packages prints."""
    own = {"PYTHONPATH": str(books), "PYTHONDONTWRITEBYTECODE": "1", "AIRFLOW_HOME": str(books / "airflow")}
    own |= {f"ENCORE_{name.upper()}": str(books / name) for name in ("warehouse", "landing", "state")}
    others = {name: value for name, value in os.environ.items() if name not in ("ENCORE_CONFIG", "SPARK_REMOTE")}
    done = subprocess.run([python, *words], cwd=books, env={**others, **own}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def answer(books: Path, code: str, python: Path = Path(sys.executable)) -> Any:
    """The JSON that some code prints last."""
    return json.loads(run(books, "-c", code, python=python).splitlines()[-1])


@pytest.fixture(scope="module")
def imported(books: Path) -> str:
    """What the import says."""
    return run(books, "-m", "jobs", "import", "csv", "exports", "--domain", "books", "--ds", "2024-05-01")


def test_files_are_imported(imported: str) -> None:
    assert re.search(r"interactions\.csv +98 rows → interactions", imported)
    assert "next: encore nightly --domain books --ds 2024-05-01" in imported


def test_every_command_takes_it(books: Path) -> None:
    names, accepted = answer(books, PARSED)
    assert names == str(books / "schemas" / "names.py")
    assert {"import", "nightly", "user", "status", "report", "pin", "clean", "train", "publish"} <= set(accepted)


def test_clean_knows_its_kinds(books: Path) -> None:
    found = answer(books, FILLED)
    assert found["kinds"] == "'rating', 'loan'"
    assert found["value_missing"] == "kind IN ('rating') AND value IS NULL"
    assert "BETWEEN 1.0 AND 5.0" in found["value_out_of_range"]


def test_the_dag_has_its_tasks(books: Path) -> None:
    errors, of_movies, of_books, domains = answer(books, GROUPS, ROOT / ".venv-airflow" / "bin" / "python")
    assert errors == {}
    assert of_books == of_movies
    assert domains == ["movies", "music", "games", "books"]


@pytest.mark.slow
def test_a_whole_night(books: Path, imported: str) -> None:
    try:
        shown = run(books, "-c", NIGHT)
    finally:
        run(books, "-m", "jobs", "spark", "stop", "--run", "first")
    found = json.loads(shown[shown.index("\n{\n") :])
    assert (found["domain"], found["ds"]) == ("books", "2024-05-01")
    assert len(found["history"]) == 8
    seen = {row["title"] for row in found["history"]}
    assert {row["title"] for row in found["recommendations"]} == {f"Book {i}" for i in range(10)} - seen
    assert any(row["because"].startswith("because you read Book ") for row in found["recommendations"])
    rejected = "SELECT reasons, raw FROM rejected WHERE domain = 'books'"
    told = json.loads(run(books, "-m", "jobs", "tables", "sql", rejected, "--format", "json"))
    assert told == [{"reasons": ["unknown_kind"], "raw": "u00,b8,play,1,1714525000"}]
