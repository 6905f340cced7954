"""The registry, and that no model escapes the contract."""

from importlib import import_module

import pytest

from models.registry import REGISTRY
from schemas.names import MODELS
from tests.support.contract import RecommenderContract


def test_the_registry_has_the_models_that_dags_know() -> None:
    assert tuple(REGISTRY) == MODELS
    assert [model.name for model in REGISTRY.values()] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_inherits_the_contract(name: str) -> None:
    """The tests of models.classic.ease are tests/models/classic/test_ease.py, with a contract class for the model."""
    package, _, module = REGISTRY[name].__module__.rpartition(".")
    result = vars(import_module(f"tests.{package}.test_{module}")).values()
    contracts = [each for each in result if isinstance(each, type) and issubclass(each, RecommenderContract)]
    assert REGISTRY[name] in [each.model for each in contracts if each.__name__.startswith("Test")]
