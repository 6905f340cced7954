"""Curves are files that TensorFlow's own reader reads."""

from pathlib import Path

import tensorflow as tf
from tensorflow.core.util import event_pb2

from models.neural.event_file import EventFile


def events(folder: Path) -> list[event_pb2.Event]:
    """All events of a folder's files in the order of their names; TensorFlow checks length and checksums."""
    files = sorted(str(file) for file in folder.iterdir())
    return [event_pb2.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files)]


def test_tensorflow_reads_what_was_written(tmp_path: Path) -> None:
    for steps in ((1, 127, 128), (70_000,)):
        file = EventFile(tmp_path / "curves")
        for step in steps:
            file.add(step, {"loss": step / 8, "validation NDCG@10": 0.25})
        file.close()
    first, *found = events(tmp_path / "curves")
    assert first.file_version == "brain.Event:2"
    scalars = [(event.step, [(value.tag, value.simple_value) for value in event.summary.value]) for event in found]
    assert [scalar for scalar in scalars if scalar[1]] == [
        (step, [("loss", step / 8), ("validation NDCG@10", 0.25)]) for step in (1, 127, 128, 70_000)
    ]
    assert all(1.5e9 < event.wall_time < 1e11 for event in (first, *found))
