"""The pages of docs/measurements are what the generator writes from the JSON files beside them."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import measurements
from benchmarks.shared.measurement import Table, measured_now, page, read, write


def test_the_pages_are_those_of_the_files() -> None:
    written = {file.name: file.read_text(encoding="utf-8") for file in measurements.FOLDER.glob("*.md")}
    assert written == measurements.pages(), "write them again: python -m benchmarks.measurements"


def test_a_measurement_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = Table("What it is.", ["size", "seconds"], [["1/16", 0.5], ["1", None]])
    made = measured_now("Speed", ["python -m benchmarks.speed"], [table], notes="Alone.")
    write(made, tmp_path / "speed.json")
    assert read(tmp_path / "speed.json") == made
    lines = page(made, "speed").splitlines()
    assert lines[0] == "# Speed"
    assert "| 1/16 | 0.5 |" in lines
    assert "| 1 |  |" in lines
    assert f"- Commit: `{made.commit}`" in lines


def test_a_row_of_another_length_is_refused() -> None:
    made = measured_now("Speed", [], [Table("It.", ["size", "seconds"], [["1"]])])
    with pytest.raises(ValueError, match=r"speed: a row of 'It\.' has not 2 cells"):
        page(replace(made, notes=""), "speed")
