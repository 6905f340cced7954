"""The numbers that `python -m tests.support.layout` prints, on packages small enough to count by eye."""

import sys
from pathlib import Path

import pytest

from tests.support.layout import components, layout


def test_circles_are_found_and_come_after_what_they_import() -> None:
    imports = {"top": {"one", "low"}, "one": {"two"}, "two": {"three"}, "three": {"one", "low"}, "low": set()}
    assert components(imports) == [{"low"}, {"one", "two", "three"}, {"top"}]


def test_a_package_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "__init__": "",
        "low": "import json",
        "left": "from counted import low, right",
        "right": "from counted.left import low",
        "top": "def late():\n    import counted.left",
    }
    (tmp_path / "counted").mkdir()
    for name, code in files.items():
        (tmp_path / "counted" / f"{name}.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = layout("counted")
    assert (result.modules, result.floors, result.imports) == (5, 3, 4)
    assert result.circles == [{"counted.left", "counted.right"}]
    assert "counted" not in sys.modules, "nothing is run"
