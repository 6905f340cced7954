"""Curves are files that TensorFlow's own reader reads."""

from pathlib import Path

from models.training.event_file import EventFile
from tests.support.networks import curve_events


def test_tensorflow_reads_what_was_written(tmp_path: Path) -> None:
    for steps in ((1, 127, 128), (70_000,)):
        file = EventFile(tmp_path / "curves")
        for step in steps:
            file.add(step, {"loss": step / 8, "validation NDCG@10": 0.25})
        file.close()
    first, *result = curve_events(tmp_path / "curves")
    assert first.file_version == "brain.Event:2"
    scalars = [(event.step, [(value.tag, value.simple_value) for value in event.summary.value]) for event in result]
    assert [scalar for scalar in scalars if scalar[1]] == [
        (step, [("loss", step / 8), ("validation NDCG@10", 0.25)]) for step in (1, 127, 128, 70_000)
    ]
    assert all(1.5e9 < event.wall_time < 1e11 for event in (first, *result))
