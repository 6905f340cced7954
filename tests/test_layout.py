"""How files are kept: no test needs another one or has a helper that others use; a package says what it holds."""

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.commands import COMMANDS
from tests.support.layout import layout

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))
PACKAGES = ("benchmarks", "dags", "jobs", "models", "schemas")
FRAME = {
    "__init__",
    "__main__",
    "addresses",
    "backend",
    "cli",
    "commands",
    "contracts",
    "errors",
    "forkserver",
    "job",
    "known_ids",
    "lineage",
    "local_airflow",
    "night",
    "output",
    "settings",
    "states",
    "terminal",
    "usage",
    "version",
    "warm",
    "worker_server",
}
FLOORS = {  # contracts of import-linter
    "jobs": "jobs: commands over packages over the frame, each module and package on its floor",
    "models": "packages of models import downwards: lists, recommenders, what judges them, the contract, kernels and "
    "features",
}


def imported(file: Path) -> Iterator[str]:
    """Modules below `tests` that a file imports, or that a program in one of its strings does."""
    text = file.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relative to itself"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^(?:from|import) (tests\.\S+)", node.value, re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_nothing_imports_a_test(file: Path) -> None:
    """Helpers are in tests/support, fixtures in the conftest.py of a folder."""
    below = [name for name in imported(file) if name == "tests" or name.startswith("tests.")]
    assert [name for name in below if not name.startswith("tests.support.")] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_every_folder_of_a_package_says_what_lives_there(name: str) -> None:
    """A folder without `__init__.py` is in no package, so that import-linter and setuptools do not see it."""
    folders = {file.parent for file in (TESTS.parent / name).rglob("*.py")}
    doors_of = {folder.relative_to(TESTS.parent): folder / "__init__.py" for folder in folders}
    assert [str(folder) for folder, door in doors_of.items() if not door.exists()] == []
    docstrings = {
        folder: ast.get_docstring(ast.parse(door.read_text("utf-8"))) or "" for folder, door in doors_of.items()
    }
    assert [str(folder) for folder, text in docstrings.items() if "import" not in text] == [], "who imports it"
    beginnings = {folder: begin_reading(text) for folder, text in docstrings.items()}
    assert [str(folder) for folder, file in beginnings.items() if not (TESTS.parent / folder / file).is_file()] == []


def begin_reading(docstring: str) -> str:
    """The file of a package that its docstring names first: "Begin with `lists`" or "Begin with `lists.py`"."""
    named = re.search(r"\bBegin\swith\s`([\w/]+)(?:\.py)?`", docstring)
    return f"{named[1]}.py" if named else "nothing"


@pytest.mark.parametrize("name", ["schemas", "models", "jobs", "dags"])
def test_modules_functions_and_folders_are_small(name: str) -> None:
    """Modules have at most 250 lines, functions 40 without their docstring, folders 20 files; `jobs` itself is apart,
    since whatever can be called stands there."""
    large = []
    files = sorted((TESTS.parent / name).rglob("*.py"))
    for file in files:
        text = file.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > 250:
            large.append(f"{file}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                if (lines := (node.end_lineno or 0) - first.lineno + 1) > 40:
                    large.append(f"{file}:{node.lineno} {node.name}: {lines} lines")
    folders = Counter(file.parent.relative_to(TESTS.parent) for file in files)
    large += [f"{folder}: {count} files" for folder, count in folders.items() if count > 20 and str(folder) != "jobs"]
    assert large == []


@pytest.mark.parametrize("name", [*PACKAGES, "tests"])
def test_variables_say_what_they_hold(name: str) -> None:
    """No variable, argument or function is named by a word that could be any other."""
    vague = {"told", "found", "said", "who", "how", "may"}
    places = []
    for file in sorted((TESTS.parent / name).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = {getattr(node, key, None) for key in ("id", "arg", "attr", "name")}
            binds = isinstance(node, ast.arg | ast.FunctionDef) or isinstance(getattr(node, "ctx", None), ast.Store)
            places += [f"{file}:{node.lineno} {word}" for word in names & vague] if binds else []
    assert places == []


def test_architecture_lists_every_package() -> None:
    page = (TESTS.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w/]+)/`", page, re.MULTILINE))
    inner = {
        f"{top}/{door.parent.name}" for top in ("jobs", "models") for door in (TESTS.parent / top).glob("*/__init__.py")
    }
    assert inner <= listed


def test_architecture_begins_where_the_docstrings_do() -> None:
    page = (TESTS.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)/(?:\*\.py)?` \|.*\| `([\w/.]+)` \|$", page, re.MULTILINE)
    packages = {folder: file for folder, file in rows if folder.split("/")[0] in PACKAGES}
    assert {*PACKAGES} <= {*packages}
    docstring = {
        folder: ast.get_docstring(ast.parse((TESTS.parent / folder / "__init__.py").read_text("utf-8")))
        for folder in packages
    }
    assert packages == {folder: f"{folder}/{begin_reading(text or '')}" for folder, text in docstring.items()}


@pytest.mark.parametrize("name", ["schemas", "models", "jobs", "dags"])
def test_no_modules_import_each_other(name: str) -> None:
    assert layout(name).circles == []


def test_modules_of_jobs_can_be_called_or_are_its_frame() -> None:
    """Everything else is in a package."""
    called = {command.module.split(".")[1] for command in COMMANDS.values()}
    modules = {file.stem for file in (TESTS.parent / "jobs").glob("*.py")}
    assert modules - called - FRAME == set()
    assert FRAME - modules == set()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the installed packages and import-linter's contracts."""
    for name in ("schemas", "models", "jobs", "dags"):
        shutil.copytree(TESTS.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TESTS.parent / "setup.cfg", tmp_path)
    return tmp_path


def broken(folder: Path) -> set[str]:
    """The names of import-linter's contracts that a copy breaks."""
    program = Path(sys.executable).with_name("lint-imports")
    shown = subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, env={"COLUMNS": "200"})
    assert "Contracts: " in shown.stdout, shown.stdout + shown.stderr
    return set(re.findall(r"^(.+) BROKEN", shown.stdout, re.MULTILINE))


def test_contracts_hold(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize("file", ["jobs/trends.py", "jobs/extra/__init__.py", "models/extra.py"])
def test_what_is_new_needs_a_floor(copy: Path, file: str) -> None:
    """import-linter refuses a module or package that no floor lists."""
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_text('"""New."""\n', encoding="utf-8")
    assert broken(copy) == {FLOORS[file.split("/")[0]]}


@pytest.mark.parametrize("package", ["schemas", "models", "jobs", "dags"])
@pytest.mark.parametrize("other", ["benchmarks", "tests"])
def test_nothing_installed_imports_benchmarks_or_tests(copy: Path, package: str, other: str) -> None:
    with (copy / package / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(f"\nimport {other}.support\n")
    assert broken(copy) == {"what is installed imports neither benchmarks nor tests"}
