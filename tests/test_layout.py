"""How files are kept: no test needs another one or has a helper that others use; a package says what it holds."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))


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


@pytest.mark.parametrize("name", ["benchmarks", "dags", "jobs", "models", "schemas"])
def test_every_folder_of_a_package_says_what_lives_there(name: str) -> None:
    """A folder without `__init__.py` is in no package, so that import-linter and setuptools do not see it."""
    folders = {file.parent for file in (TESTS.parent / name).rglob("*.py")}
    found = {folder.relative_to(TESTS.parent): folder / "__init__.py" for folder in folders}
    assert [str(folder) for folder, door in found.items() if not door.exists()] == []
    docstrings = {folder: ast.get_docstring(ast.parse(door.read_text("utf-8"))) for folder, door in found.items()}
    assert [str(folder) for folder, text in docstrings.items() if not text] == []
