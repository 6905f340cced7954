"""A fourth domain, books, is the TOML file of docs/domains.md: no file of Encore changes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"`(\w+\.toml)`:\n\n```toml\n(.*?)```", re.DOTALL)
START = 1_714_521_600  # 2024-05-01

PARSED = """
import json
from jobs import cli, commands
words = {"import": ["csv", "x"], "user": ["ann"], "erase": ["ann"], "train": ["--model=popularity"]}
accepted = []
for name, command in commands.COMMANDS.items():
    arguments = ["--domain=books", *words.get(name, [])]
    arguments += [] if name in ("status", "erase", "tune") else ["--ds=2024-05-01"]
    arguments += ["--run=r"] if command in commands.JOBS else []
    if name not in ("spark", "tables", "config", "deliveries", "package", "pseudonyms"):
        args = cli.parser(command).parse_args(arguments)
        accepted += [name] if args.domain in ("books", ["books"]) else []
print(json.dumps(accepted))
"""
FILLED = """
import json
from jobs.settings import load
from schemas.domains import placeholders
print(json.dumps(placeholders(load().domains["books"], "2024-05-01")))
"""
GROUPS = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
dag = bag.dags["nightly"]
tasks = lambda name: sorted(task.task_id.split(".")[1] for task in dag.task_group_dict[name].iter_tasks())
print(json.dumps([bag.import_errors, tasks("movies"), tasks("books"), dag.params["domains"]]))
"""
NIGHT = """
import sys
from jobs.cli import main
from jobs.commands import JOBS
for name in [job.name for job in JOBS]:
    for more in (["--model=popularity"], ["--model=item_knn"]) if name == "train" else ([],):
        code = main([name, "--domain=books", "--ds=2024-05-01", "--run=first", *more])
        if code:
            sys.exit(f"{name} ended with {code}")
sys.exit(main(["user", "u01", "--domain=books", "--format=json"]))
"""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the domain's file, as the page has it, and a folder of csv files."""
    root = tmp_path_factory.mktemp("books")
    [(name, text), *_] = EXAMPLE.findall((ROOT / "docs" / "domains.md").read_text(encoding="utf-8"))
    (root / "domains").mkdir()
    (root / "domains" / name).write_text(text, encoding="utf-8")
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


def run(books: Path, *words: str, python: Path = Path(sys.executable), **changes: str) -> str:
    """What a process prints that finds the domain by ENCORE_DOMAINS."""
    own = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "AIRFLOW_HOME": str(books / "airflow")}
    own |= {f"ENCORE_{name.upper()}": str(books / name) for name in ("warehouse", "landing", "state", "domains")}
    others = {name: value for name, value in os.environ.items() if name not in ("ENCORE_CONFIG", "SPARK_REMOTE")}
    environment = {**others, **own, **changes}
    done = subprocess.run([python, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def answer(books: Path, code: str, python: Path = Path(sys.executable)) -> Any:
    """The JSON that some code prints last."""
    return json.loads(run(books, "-c", code, python=python).splitlines()[-1])


@pytest.fixture(scope="module")
def imported(books: Path) -> str:
    """What the import says."""
    exports = str(books / "exports")
    return run(books, "-m", "jobs", "import", "csv", exports, "--domain", "books", "--ds", "2024-05-01")


def test_files_are_imported(imported: str) -> None:
    assert re.search(r"interactions\.csv +98 rows → interactions", imported)
    assert "next: encore nightly --domain books --ds 2024-05-01" in imported


def test_every_command_takes_it(books: Path) -> None:
    accepted = answer(books, PARSED)
    assert {"import", "nightly", "user", "status", "report", "pin", "clean", "train", "publish"} <= set(accepted)


def test_clean_knows_its_kinds(books: Path) -> None:
    filled = answer(books, FILLED)
    assert filled["kinds"] == "'rating', 'loan'"
    assert filled["value_missing"] == "kind IN ('rating') AND value IS NULL"
    assert "BETWEEN 1.0 AND 5.0" in filled["value_out_of_range"]


def test_the_dag_has_its_tasks(books: Path) -> None:
    errors, of_movies, of_books, domains = answer(books, GROUPS, ROOT / ".venv-airflow" / "bin" / "python")
    assert errors == {}
    assert of_books == of_movies
    assert domains == ["books", "games", "movies", "music"]


@pytest.mark.slow
def test_a_whole_night_which_stays_readable_without_its_file(books: Path, imported: str) -> None:
    try:
        shown = run(books, "-c", NIGHT)
    finally:
        run(books, "-m", "jobs", "spark", "stop", "--run", "first")
    shown_user = json.loads(shown[shown.index("\n{\n") :])
    assert (shown_user["domain"], shown_user["ds"]) == ("books", "2024-05-01")
    assert len(shown_user["history"]) == 8
    seen = {row["title"] for row in shown_user["history"]}
    assert {row["title"] for row in shown_user["recommendations"]} == {f"Book {i}" for i in range(10)} - seen
    assert any(row["because"].startswith("because you read Book ") for row in shown_user["recommendations"])

    def later(*words: str) -> str:
        return run(books, "-m", "jobs", *words, ENCORE_DOMAINS="")

    rejected = "SELECT reasons, raw FROM rejected WHERE domain = 'books'"
    rows = json.loads(later("tables", "sql", rejected, "--format", "json"))
    assert rows == [{"reasons": ["unknown_kind"], "raw": "u00,b8,play,1,1714525000"}]
    assert "books" in later("status")
    assert json.loads(later("user", "u01", "--domain=books", "--format=json")) == shown_user
    assert "first" in later("tables", "history", "--domain=books")
    assert "0 findings" in later("tables", "check")
    assert "books 2024-05-01" in later("report", "--domain=books")
    assert "exported books 2024-05-01" in later("tables", "export", "--to", str(books / "exported"))
    assert "published again" in later("tables", "rollback", "--domain=books", "--ds=2024-05-01", "--to=first")
    assert "nothing" not in later("tables", "expire", "--keep-nights=1", "--dry-run")
