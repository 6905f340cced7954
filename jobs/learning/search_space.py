"""The settings that `encore tune` varies, by model, and the values that it draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

DIGITS = 3  # of a number that is drawn


@dataclass(frozen=True)
class Uniform:
    """A number between two others."""

    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        return round_digits(random.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform:
    """A number between two others, of which every doubling is as likely as the next."""

    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        return round_digits(np.exp(random.uniform(np.log(self.low), np.log(self.high))))


@dataclass(frozen=True)
class LogInteger(LogUniform):
    """The same for whole numbers."""

    def draw(self, random: np.random.Generator) -> int:
        """One value."""
        return round(super().draw(random))


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def draw(self, random: np.random.Generator) -> Any:
        """One value."""
        return self.values[int(random.integers(len(self.values)))]


Space = Mapping[str, Uniform | LogUniform | Choice]
_DECAY, _DROPOUT, _RATE = Uniform(0.5, 1.0), Uniform(0.0, 0.5), LogUniform(3e-4, 1e-2)
_ITEMS: Space = {"neighbours": LogInteger(20, 1000), "decay": _DECAY}

# The ensemble is not among them: its members must be trained before it, and it chooses its weights itself.
SPACES: Mapping[str, Space] = {
    "popularity": {"half_life_days": LogUniform(1, 365)},
    "item_knn": _ITEMS,
    "user_knn": {"neighbours": LogInteger(20, 1000), "decay": _DECAY},
    "content_knn": _ITEMS,
    "hybrid_knn": {**_ITEMS, "alpha": Uniform(0.05, 0.95)},
    "ease": {
        "ridge": LogUniform(1, 3000),
        "half": LogUniform(0.5, 20),
        "window": LogInteger(10, 200),
        "ahead": Uniform(0.0, 0.8),
    },
    "ncf": {
        "dim": Choice((16, 32, 64)),
        "units": Choice((32, 64, 128)),
        "negatives": LogInteger(2, 16),
        "positives": LogInteger(10, 50),
        "learning_rate": _RATE,
    },
    "lstm": {
        "units": Choice((64, 128, 256)),
        "dim": Choice((32, 64, 128)),
        "length": LogInteger(20, 200),
        "dropout": _DROPOUT,
        "learning_rate": _RATE,
    },
    "sasrec": {
        "dim": Choice((32, 64, 128)),
        "blocks": Choice((1, 2, 3)),
        "block": Choice(("original", "ligr")),
        "relative_bias": Choice((False, True)),
        "length": LogInteger(20, 200),
        "dropout": _DROPOUT,
        "learning_rate": _RATE,
    },
    "two_tower": {
        "dim": Choice((32, 64, 128)),
        "length": LogInteger(20, 100),
        "id_dropout": Uniform(0.2, 0.8),
        "content_dropout": _DROPOUT,
        "dropout": _DROPOUT,
        "learning_rate": _RATE,
    },
    "seq2seq": {
        "dim": Choice((32, 64, 128)),
        "units": Choice((64, 128, 256)),
        "length": LogInteger(10, 60),
        "dropout": _DROPOUT,
        "learning_rate": _RATE,
    },
}


def draw(space: Space, random: np.random.Generator) -> dict[str, Any]:
    """Settings at random."""
    return {name: values.draw(random) for name, values in space.items()}


def round_digits(value: float) -> float:
    """The value to DIGITS significant digits: a file that a person reads needs no more."""
    return float(f"{value:.{DIGITS}g}")
