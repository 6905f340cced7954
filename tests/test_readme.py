"""What the README and the pages on usage and querying tell people to type works."""

import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.shared.measurement import read
from jobs import cli, settings
from tests.support.fakes import USERS, fake_night, publish_words

ROOT = Path(__file__).resolve().parents[1]
PAGES = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/usage.md", "docs/querying.md")]
NIGHT = "2018-09-24"


def blocks(language: str) -> list[str]:
    """The pages' code blocks in a language."""
    fences = [
        result for page in PAGES for result in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    ]
    return [text for name, text in fences if name == language]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the warehouse of the night that the pages speak of, and the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENCORE_CONFIG", raising=False)
    monkeypatch.setenv("ENCORE_WAREHOUSE", "warehouse")
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    fake_night(settings.load(), 1, ds=NIGHT, run="RUN")
    assert cli.main(publish_words("RUN", ds=NIGHT)) == 0
    return tmp_path


def test_the_screen_is_an_excerpt_of_a_measurement() -> None:
    """Each of its rows stands in the measurement, in the same order, and is as wide as its head."""
    measured = read(ROOT / "docs" / "measurements" / "movielens-night.json")
    rows = [[str(cell) for cell in row] for table in measured.tables for row in table.rows]
    (screen,) = (text for text in blocks("text") if "is complete" in text)
    shown = [[cell.strip() for cell in line.strip("│").split("│")] for line in screen.splitlines() if line[0] == "│"]
    assert len(shown) == 6
    places = [rows.index(row) for row in shown]
    assert places == sorted(places)


def test_the_tables_read_from_python_and_duckdb(clone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result: dict[str, Any] = {}
    (code,) = blocks("python")
    exec(
        code.replace(
            "table.scan(row_filter=\"domain = 'movies' and", "frame = table.scan(row_filter=\"domain = 'movies' and"
        ),
        result,
    )
    assert set(result["frame"]["user_id"]) == set(USERS)
    rows = [row for file in result["files"] for row in duckdb.read_parquet(file.removeprefix("file://")).fetchall()]
    assert len(rows) == len(result["frame"])


@pytest.mark.slow
def test_the_tables_commands_work(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line.split("#")[0].strip() for block in blocks("") for line in block.splitlines()]
    calls = [shlex.split(line)[1:] for line in commands if line.startswith("encore tables ")]
    assert len(calls) == 11  # three of them in both pages
    for words in calls:
        assert cli.main(words) == 0, words
    assert USERS[0] in capsys.readouterr().out


def test_the_toml_is_valid(tmp_path: Path) -> None:
    (toml,) = blocks("toml")
    (tmp_path / "encore.toml").write_text(toml)
    config = settings.load({"ENCORE_CONFIG": str(tmp_path / "encore.toml")})
    assert config.domains["movies"].top_k == 50
    assert config.spark["spark.driver.memory"] == "8g"
