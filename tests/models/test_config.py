"""Configurations as annotated dataclasses: what each setting is, and the check of its value."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Lt, MinLen, Predicate, Unit, doc

from models.config import Config, settings_of

Share = Annotated[float, Interval(ge=0.0, le=1.0), Unit("share"), doc("how much")]


def is_even(number: int) -> bool:
    """An even number. Zero too."""
    return number % 2 == 0


@dataclass(frozen=True)
class Example(Config):
    model: ClassVar[str] = "example"
    given: Annotated[str, MinLen(1), doc("a text that must be given")]
    whole: Annotated[int, Interval(ge=1, le=9), Unit("items"), doc("a number of items")] = 3
    real: Annotated[float | None, Interval(gt=0.0, le=1.0), doc("none: chosen")] = None
    open: Annotated[float, Gt(0.0)] = 1.0
    below: Annotated[float, Interval(ge=0.0, lt=1.0)] = 0.5
    much: Annotated[Share, doc("more of it")] = 0.5
    word: Literal["b", "a"] = "b"
    yes: bool = False
    words: tuple[str, ...] = ()
    even: Annotated[int, Predicate(is_even)] = 2
    table: Annotated[Mapping[str, int] | None, doc("a table")] = None


def test_annotations_say_what_a_setting_is() -> None:
    settings = settings_of(Example)
    assert [*settings][:6] == ["given", "whole", "real", "open", "below", "much"]
    whole = settings["whole"]
    assert (whole.kind, whole.unit, whole.default, whole.meaning) == (int, "items", 3, "a number of items")
    assert settings["given"].default is MISSING
    assert settings["real"].optional
    assert not whole.optional
    assert settings["word"].choices == ("b", "a")
    assert (settings["much"].meaning, settings["much"].unit) == ("more of it", "share"), "the outermost counts"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("given", "not empty"),
        ("whole", "between 1 and 9"),
        ("real", "above 0 and at most 1"),
        ("open", "above 0"),
        ("below", "at least 0 and below 1"),
        ("word", "one of b, a"),
        ("yes", ""),
        ("even", "an even number"),
    ],
)
def test_rules_in_words(name: str, rule: str) -> None:
    assert settings_of(Example)[name].rule == rule


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", 1),
        ("whole", 9),
        ("real", None),
        ("real", 1),
        ("real", np.float64(0.5)),
        ("open", 1e-300),
        ("below", 0),
        ("word", "a"),
        ("yes", True),
        ("words", ("a", "b")),
        ("even", 0),
    ],
)
def test_values_that_keep_their_rule(name: str, value: Any) -> None:
    assert getattr(replace(Example("x"), **{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("given", "", "must be not empty, got ''"),
        ("given", None, "must be a text, got None"),
        ("whole", 0, "must be between 1 and 9, got 0"),
        ("whole", 10, "must be between 1 and 9, got 10"),
        ("whole", 1.0, "must be a whole number, got 1.0"),
        ("whole", True, "must be a whole number, got true"),
        ("whole", None, "must be a whole number, got None"),
        ("real", 0, "must be above 0 and at most 1, got 0"),
        ("real", math.nan, "must be above 0 and at most 1, got nan"),
        ("real", "1", "must be a number, got '1'"),
        ("open", math.inf, "must be above 0, got inf"),
        ("open", math.nan, "must be above 0, got nan"),
        ("below", 1.0, "must be at least 0 and below 1, got 1.0"),
        ("word", "c", "must be one of b, a, got 'c'"),
        ("word", 1, "must be a text, got 1"),
        ("yes", 1, "must be true or false, got 1"),
        ("words", "ab", "must be a list of texts, got 'ab'"),
        ("words", ("a", 1), "must be a list of texts, got ['a', 1]"),
        ("even", 3, "must be an even number, got 3"),
        ("table", 3, "must be a table, got 3"),
    ],
)
def test_values_that_break_it(name: str, value: Any, problem: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        replace(Example("x"), **{name: value})
    assert str(error.value) == f"example.{name} {problem}"


def test_a_bound_of_one_side() -> None:
    assert [setting.rule for setting in settings_of(Small).values()] == ["at least 1", "below 2"]


@dataclass(frozen=True)
class Small(Config):
    model: ClassVar[str] = "small"
    least: Annotated[int, Ge(1)] = 1
    most: Annotated[float, Lt(2.0)] = 1.0
