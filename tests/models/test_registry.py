"""The registry, and that no model escapes the contract."""

from pathlib import Path

import pytest

from models.registry import REGISTRY
from schemas.names import MODELS


def test_the_registry_has_the_models_that_dags_know() -> None:
    assert tuple(REGISTRY) == MODELS
    assert [model.name for model in REGISTRY.values()] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_inherits_the_contract(name: str) -> None:
    (file,) = Path(__file__).parent.rglob(f"test_{name}.py")
    test = file.read_text(encoding="utf-8")
    assert "(RecommenderContract):" in test
    assert f"    model = {REGISTRY[name].__name__}\n" in test
