"""The names that DAGs import: standard library only."""

import ast
import sys
from pathlib import Path

import pytest

from schemas import names


def test_nothing_but_the_standard_library_is_imported() -> None:
    tree = ast.parse(Path(names.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("listed", [names.DOMAINS, names.TABLES, names.MODELS])
def test_names_are_plain_and_stand_once(listed: tuple[str, ...]) -> None:
    assert len(set(listed)) == len(listed) > 0
    assert all(name.isidentifier() and name == name.lower() for name in listed)
