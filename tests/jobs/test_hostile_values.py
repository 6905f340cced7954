"""Hostile values in every argument of the jobs that people trigger: one clear line, exit code 2, nothing written but
that the task has failed."""

from pathlib import Path

import pytest

from jobs.cli import main
from jobs.output import CONTROL
from jobs.settings import Settings
from tests.support.fakes import DS
from tests.support.hostile import TEXTS

RIGHT = {
    "--domain": "movies",
    "--ds": DS,
    "--run": "another",
    "--to": "first",
    "--top-k": "5",
    "--models": "popularity",
}
COMMANDS = {
    "pin": (["pin"], ["--domain", "--ds", "--run", "--top-k", "--models"]),
    "publish": (["publish"], ["--domain", "--ds", "--run"]),
    "train": (["train", "--model=popularity"], ["--domain", "--ds", "--run"]),
    "rollback": (["tables", "rollback"], ["--domain", "--ds", "--to"]),
    "erase": (["erase", "--yes", "--domain=movies"], ["--sha256"]),
    "expire": (["tables", "expire"], ["--keep-nights"]),
}
# A run is called as Airflow calls it; `run_folder` makes a safe name of any text (tests/jobs/storage/test_runs.py).
CASES = [(command, field) for command, (_, fields) in COMMANDS.items() for field in fields if field != "--run"]
RIGHT_AFTER_ALL = {("--keep-nights", "20260101")}


def files(folder: Path) -> dict[str, int]:
    """Every file below a folder, with its size."""
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("command", "field"), CASES, ids="".join)
def test_a_hostile_value_is_refused_in_one_line(
    shared: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    field: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    warehouse = Path(shared.warehouse.removeprefix("file://"))
    before = files(warehouse)
    words, fields = COMMANDS[command]
    others = [f"{name}={RIGHT[name]}" for name in fields if name != field]
    tried = 0
    for value in TEXTS:
        if (field, value) in RIGHT_AFTER_ALL:
            continue
        try:
            code = main([*words, *others, f"{field}={value}"])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        errors = capsys.readouterr().err
        assert code == 2, (value[:50], errors)
        assert "Traceback" not in errors
        lines = [line for line in errors.splitlines() if "error: " in line]
        assert len(lines) == 1, (value[:50], errors)
        assert len(lines[0]) <= 2_000
        assert not CONTROL.search(lines[0])
        tried += 1
    assert tried >= 60
    changed = {name.rpartition("/runs/")[2] for name, _ in files(warehouse).items() ^ before.items()}
    assert changed <= {f"movies/{DS}/another/manifest/{command}.json"}
    assert files(tmp_path) == {}
