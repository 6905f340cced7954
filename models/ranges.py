"""Checks of settings: one wording for all errors."""

from typing import Any


def between(model: str, config: Any, **limits: tuple[float, float]) -> None:
    """Raises ValueError for a setting of `config` outside its limits, both included."""
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if not low <= value <= high:
            raise ValueError(f"{model}.{name} must be between {low} and {high}, got {value}")


def one_of(model: str, config: Any, **choices: tuple[object, ...]) -> None:
    """Raises ValueError for a setting of `config` that is none of its choices."""
    for name, allowed in choices.items():
        value = getattr(config, name)
        if value not in allowed:
            raise ValueError(f"{model}.{name} must be one of {', '.join(map(str, allowed))}, got {value}")
