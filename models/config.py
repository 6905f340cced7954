"""Configurations: dataclasses whose annotations state the range, the unit and the meaning of each setting, and the
check of their values.

    dim: Annotated[int, Interval(ge=1, le=4096), Unit("numbers"), doc("width of the embeddings")] = 64

The words (`Interval`, `Unit`, `doc`, …) are those of annotated-types, which type checkers pass through and pydantic
understands too. A type is int, float, bool, str, a `Literal`, a tuple of texts, one of these `| None`, or a Mapping.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import date, time
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import DocInfo, Ge, GroupedMetadata, Gt, Le, Lt, MinLen, Predicate, Unit

TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", tuple: "a list of texts"}
BOUNDS = {Gt: ("above", "gt"), Ge: ("at least", "ge"), Lt: ("below", "lt"), Le: ("at most", "le")}


@dataclass(frozen=True)
class Setting:
    """One setting: its type, the rules that a value of the type keeps, its unit, its default and its meaning.

    kind: int, float, bool, str, tuple or Mapping; of a Mapping (a TOML table) `part` is the class of the values.
    choices: the values of a `Literal`. optional: None is a value too. default: MISSING where a value must be given.
    """

    name: str
    kind: type
    part: type | None
    choices: tuple[Any, ...]
    optional: bool
    rules: tuple[Any, ...]
    unit: str
    default: Any
    meaning: str

    @property
    def rule(self) -> str:
        """What a value of the type must be, in words; empty where all values are allowed."""
        if self.choices and self.kind is not bool:
            return "one of " + ", ".join(map(str, self.choices))
        bounds = {type(rule): rule for rule in self.rules if type(rule) in BOUNDS}
        limits = {kind: _number(getattr(bounds[kind], name)) for kind, (_, name) in BOUNDS.items() if kind in bounds}
        if limits.keys() == {Ge, Le}:
            return f"between {limits[Ge]} and {limits[Le]}"
        words = [f"{BOUNDS[kind][0]} {limit}" for kind, limit in limits.items()]
        words += [_first_sentence(rule.func) for rule in self.rules if isinstance(rule, Predicate)]
        words += ["not empty" for rule in self.rules if isinstance(rule, MinLen)]
        return " and ".join(words)

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, as `must be …, got …`; None where nothing is."""
        if value is None and self.optional:
            return None
        if not self._is_of_type(value):
            return f"must be {TYPES.get(self.kind, 'a table')}, got {_short(value)}"
        if self.choices and value not in self.choices:
            return f"must be {self.rule}, got {_short(value)}"
        for rule in self.rules:
            try:
                kept = _keeps(rule, value)
            except ValueError as error:  # a predicate that says more
                return f"must be {self.rule}: {error}"
            if not kept:
                return f"must be {self.rule}, got {_short(value)}"
        return None

    def _is_of_type(self, value: Any) -> bool:
        if self.kind is float:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return number and (isinstance(value, float) or abs(value) <= sys.float_info.max)
        if self.kind is tuple:
            return isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value)
        return isinstance(value, self.kind) and (self.kind is bool or not isinstance(value, bool))


def in_toml(value: Any) -> str:
    """A value as a TOML file has it; texts between the quotes of Python, which are TOML's too."""
    match value:
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return f"[{', '.join(map(in_toml, value))}]"
        case Mapping():
            return "{" + ", ".join(f"{name} = {in_toml(part)}" for name, part in value.items()) + "}"
    return repr(value)


def _short(value: Any) -> str:
    text = in_toml(value)
    return text if len(text) <= 100 else f"{text[:97]}…"


def _number(value: float) -> str:
    """The same for 1 and 1.0: `typing` takes `Annotated[float, Ge(1)]` and `Annotated[float, Ge(1.0)]` for one."""
    return str(int(value)) if value == int(value) else repr(value)


def _first_sentence(function: Any) -> str:
    """Of a predicate's docstring, as the end of a sentence: what its values are."""
    sentence = str(function.__doc__).split(".")[0]
    return sentence[:1].lower() + sentence[1:]


def _keeps(rule: Any, value: Any) -> bool:
    match rule:
        case Gt():
            return bool(value > rule.gt) and value < math.inf
        case Ge():
            return bool(value >= rule.ge) and value < math.inf
        case Lt():
            return bool(value < rule.lt)
        case Le():
            return bool(value <= rule.le)
        case MinLen():
            return len(value) >= rule.min_length
    return bool(rule.func(value))


def settings_of(config: type) -> Mapping[str, Setting]:
    """The settings of a configuration's class by name, in their order."""
    return _settings_of(config)


@cache
def _settings_of(config: type) -> Mapping[str, Setting]:
    hints = get_type_hints(config, include_extras=True)
    return {field.name: _setting(field, hints[field.name]) for field in fields(config)}


def _setting(field: Field[Any], hint: Any) -> Setting:
    kind, *facts = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    optional = get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)
    if optional:
        kind = next(part for part in get_args(kind) if part is not NoneType)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    plain = type(choices[0]) if choices else get_origin(kind) or kind
    rules = [part for fact in facts for part in (fact if isinstance(fact, GroupedMetadata) else (fact,))]
    outer = facts[::-1]  # Annotated[Epochs, doc("…")] says more than the alias
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return Setting(
        name=field.name,
        kind=plain,
        part=get_args(kind)[1] if plain is Mapping else None,
        choices=choices,
        optional=optional,
        rules=tuple(rule for rule in rules if isinstance(rule, (*BOUNDS, MinLen, Predicate))),
        unit=next((fact.unit for fact in outer if isinstance(fact, Unit)), ""),
        default=default,
        meaning=next((fact.documentation for fact in outer if isinstance(fact, DocInfo)), ""),
    )


def require(config: Any, where: str) -> None:
    """Raises ValueError that names the first setting of `config` that breaks its rule, the rule and the value."""
    for name, setting in settings_of(type(config)).items():
        if problem := setting.problem(getattr(config, name)):
            raise ValueError(f"{where}.{name} {problem}")


@dataclass(frozen=True)
class Config:
    """The configuration of a model; `model` is its name."""

    model: ClassVar[str]

    def __post_init__(self) -> None:
        """Raises ValueError for a value out of range."""
        require(self, self.model)
