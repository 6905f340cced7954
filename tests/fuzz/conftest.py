"""Saved models whose files are damaged."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from models.base import Recommender, TrainingData
from models.registry import REGISTRY
from tests.support.examples import example


@cache
def _fitted(name: str) -> Recommender:
    model = REGISTRY[name]
    return model(model.Config()).fit(TrainingData(example()))


@pytest.fixture
def saved() -> Callable[[str, Path], Path]:
    """Saves a model that learned the example into a folder."""

    def save(name: str, folder: Path) -> Path:
        _fitted(name).save(folder)
        return folder

    return save
