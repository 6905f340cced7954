"""The pages of docs/measurements are what the generator writes from the JSON files beside them."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import measurements, scale
from benchmarks.shared import scale_page
from benchmarks.shared.measurement import Table, measured_now, page, read, write
from benchmarks.shared.processes import Usage


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


def test_growth_is_flagged_where_it_is_steeper_than_the_events() -> None:
    """What is the same at any size does not hide what grows behind it."""
    sizes = (1000, 4000, 16_000)
    costs = {
        "steady": [(n, Usage(n / 1000, n / 1000, 100.0, "done")) for n in sizes],
        "square": [(n, Usage(20 + (n / 1000) ** 2, n / 1000, 100.0, "done")) for n in sizes],
    }
    steady, square = scale.exponents(costs)
    assert steady == ["steady", "1.00", "1.00", "0.00", None]
    assert (float(str(square[1])) > 1.4, square[4]) == (True, "seconds")


def test_the_plan_grows_with_the_exponents() -> None:
    """By hand: ten hours of a core and 1 GiB at a hundredth of the events, linear and with the root."""
    events = scale_page.EVENTS / 100
    costs = Table("", scale.COLUMNS, [["clean", f"{events:,.0f}", "1.0", "36,000.0", "1,024"]])
    growth = Table("", scale.EXPONENTS, [["clean", "1.00", "1.00", "0.50", None]])
    [row], total = scale_page.plan(costs, growth)
    assert row[:5] == ["`clean`", "1.00", "1,000", "0.50", "10.0 GiB"]
    assert round(total) == 1000
    text = scale_page.page(measured_now("Growth", [], [costs, growth]))
    assert "these are 1,000 core hours: in a night of 4 hours 16 executors of 16 cores" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120


def test_every_stage_of_a_night_says_what_must_change() -> None:
    stages = {"import", *scale.BEFORE, *scale.BEHIND, *(f"train_{model}" for model in scale.MODELS.split(","))}
    assert {stage for stage in stages if stage not in scale_page.CHANGES} <= {"train_sasrec"}  # as any training
