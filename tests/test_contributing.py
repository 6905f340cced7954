"""The checklists of CONTRIBUTING.md, step by step in a copy of the packages, with the checks that they name."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTIAL = shutil.ignore_patterns("*.pyc*", "*.tmp.*")  # of other processes that import or compile meanwhile
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# A file of the project in a code span, and the code block that follows it.
STEP = re.compile(
    r"`((?:schemas|models|jobs|dags|tests)/[\w/]+\.py|docs/sources/\w+\.md|setup\.cfg)`[^\n]*(?:\n(?!\n)[^\n]*)*:\n\n```(python|markdown|diff)\n(.*?)\n```",
    re.DOTALL,
)
PUBLISHED = """
import json
from jobs import cli, settings
from jobs.storage.catalog import Tables
from schemas.document import document
from schemas.tables import TABLES
Tables(settings.load()).create()
assert cli.main(["tables", "sql", "DESCRIBE trends", "--format", "csv"]) == 0
print(json.dumps([list(TABLES), "## trends" in document()]))
"""
TASKS = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
print(json.dumps([bag.import_errors, sorted(task.task_id for task in bag.dags["nightly"].tasks)]))
"""


NIGHT = """
from jobs import cli, settings
from tests.support.fakes import DS, fake_night, publish_words
night = fake_night(settings.load(), 1)
assert cli.main(["trends", "--domain", "movies", "--ds", DS, "--run", "run"]) == 0
assert night.run.entry("trends").rows == {"trends": 0}, "all events of the fake night are of one day"
assert cli.main(publish_words("run")) == 0
assert cli.main(["tables", "sql", "SELECT count(*) AS n FROM latest.trends", "--format", "csv"]) == 0
"""


def section(name: str) -> str:
    """The text below a heading of the checklists."""
    return re.split(r"^###? ", PAGE.split(f"### {name}\n")[1], flags=re.MULTILINE)[0]


def copy(folder: Path) -> None:
    """Packages, tests, pages; compiled kernels too: their caches hold where no source changes its time or size."""
    for package in ("schemas", "models", "jobs", "dags", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=PARTIAL)
    shutil.copytree(ROOT / "docs", folder / "docs")
    for file in (ROOT / "setup.cfg", *ROOT.glob("*.md")):
        shutil.copy(file, folder)


def applied(name: str, folder: Path) -> list[str]:
    """Applies the steps of a section to a copy; the files that it names."""
    files = []
    for file, language, code in STEP.findall(section(name)):
        path = folder / file
        if language == "diff":
            lines = [(line[:1], line[1:]) for line in code.splitlines()]
            old, new = ("\n".join(text for sign, text in lines if sign != leave) for leave in "+-")
            text = path.read_text(encoding="utf-8")
            assert text.count(f"{old}\n") == 1, f"CONTRIBUTING.md: {file} does not have these lines once: {old}"
            path.write_text(text.replace(f"{old}\n", f"{new}\n"), encoding="utf-8")
        else:
            before = f"{path.read_text(encoding='utf-8')}\n\n" if path.exists() else ""
            path.write_text(f"{before}{code}\n", encoding="utf-8")
        files.append(file)
    return files


def run(folder: Path, *words: str, python: Path = Path(sys.executable)) -> str:
    """What a process with the copy's packages prints; it must end with 0."""
    own = {"PYTHONPATH": str(folder), "AIRFLOW_HOME": str(folder / "airflow")}
    own |= {f"ENCORE_{name.upper()}": str(folder / name) for name in ("warehouse", "landing", "state")}
    others = {name: value for name, value in os.environ.items() if name not in ("ENCORE_CONFIG", "SPARK_REMOTE")}
    done = subprocess.run([python, *words], cwd=folder, env={**others, **own}, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def lint(folder: Path, files: list[str]) -> None:
    """The examples are formatted and linted as all code is, and import what they may."""
    modules = [file for file in files if file.endswith(".py")]
    for words in (["check"], ["format", "--check"]):
        run(folder, "-m", "ruff", *words, "--config", str(ROOT / ".ruff.toml"), *modules)
    run(folder, str(Path(sys.executable).with_name("lint-imports")), "--no-cache")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a copy."""
    copy(tmp_path)
    return tmp_path


def task_ids(folder: Path) -> list[str]:
    """Tasks of the copy's DAG, which Airflow can read."""
    shown = run(folder, "-c", TASKS, python=ROOT / ".venv-airflow" / "bin" / "python")
    errors, tasks = json.loads(shown.splitlines()[-1])
    assert errors == {}
    return list(tasks)


def test_a_table(clone: Path) -> None:
    files = applied("A table", clone)
    assert files == ["schemas/outputs.py", "schemas/tables.py", "schemas/names.py"]
    lint(clone, files)
    shown = run(clone, "-c", PUBLISHED)
    tables, documented = json.loads(shown.splitlines()[-1])
    assert tables.index("continuations") + 1 == tables.index("trends") == tables.index("metrics") - 1
    assert documented
    assert re.findall(r"^(\w+),\w+,", shown, re.MULTILINE)[1:] == ["domain", "ds", "item_id", "growth"]


@pytest.mark.slow
def test_a_model(clone: Path) -> None:
    files = applied("A model", clone)
    new, tests = "models/classic/newest.py", "tests/models/classic/test_newest.py"
    assert files == [new, "models/registry.py", "schemas/names.py", tests]
    lint(clone, files)
    some = "first_taken or saved or settings or dags_know or (inherits and newest)"
    run(clone, "-m", "pytest", tests, "tests/models/test_registry.py", "-k", some)
    assert "movies.train_newest" in task_ids(clone)


@pytest.mark.slow
def test_a_job(clone: Path) -> None:
    applied("A table", clone)
    files = applied("A job", clone)
    new, tests = "jobs/trends.py", "tests/jobs/test_trends.py"
    assert files == [new, "jobs/commands.py", "setup.cfg", "dags/nightly.py", tests]
    lint(clone, files)
    run(clone, "-m", "pytest", tests)
    assert run(clone, "-c", NIGHT).splitlines()[-2:] == ["n", "0"]
    assert "movies.trends" in task_ids(clone)


def test_a_source(clone: Path) -> None:
    files = applied("A source", clone)
    code = ["jobs/sources/goodbooks.py", "jobs/sources/__init__.py"]
    assert files == [*code, *(f"docs/sources/{page}.md" for page in ("goodbooks", "README"))]
    lint(clone, files)
    run(clone, "-m", "pytest", "tests/test_docs.py", "-k", "docs/sources or index_of_docs or format")
    books = clone / "goodbooks"
    books.mkdir()
    (books / "ratings.csv").write_text("user_id,book_id,rating\n1,258,5\n2,258,four\n")
    (books / "books.csv").write_text("book_id,title\n258,The Shadow of the Wind\n")
    shown = run(clone, *["-m", "jobs", "import", "goodbooks", "goodbooks", "--domain", "movies", "--ds", "2024-05-01"])
    assert re.search(r"ratings\.csv +2 rows → interactions", shown)
    assert re.search(r"books\.csv +1 rows? → items", shown)
