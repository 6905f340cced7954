"""How columns of a file become a column of the landing format, by what they hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from jobs.sources.cells import lists, scalars
from jobs.sources.cells.scalars import Parser
from jobs.sources.cells.times import TimeReader

LEFT_OUT = ", left out"
UNREADABLE = f"values that cannot be read{LEFT_OUT}"
HOLES = "lists with elements that are empty or no texts, which are left out"
OLDEST_WORK = date(1500, 1, 1)  # before it, a number is no plausible day of release


@dataclass(frozen=True)
class Field:
    """A landing column made from columns of the file: `parse` takes their cells in this order.

    `finding` is said of cells that it cannot read. `begin` makes the parser anew for every file, in place of
    `parse`, where it learns from a file what the cells mean.
    """

    parse: Parser | None
    sources: tuple[str, ...]
    finding: str = UNREADABLE
    begin: Callable[[], TimeReader] | None = None


def identity(source: str) -> Field:
    """The column as an id."""
    return Field(scalars.identity, (source,))


def text(source: str) -> Field:
    """The column as it is."""
    return Field(scalars.text, (source,))


def number(source: str, decimal: str = ".") -> Field:
    """The column as a number."""
    return Field(partial(scalars.number, decimal=decimal), (source,), "values that are not numbers, left out")


def age(source: str) -> Field:
    """The column as a person's age."""
    return Field(scalars.age, (source,), f"values that are not ages from 0 to {scalars.OLDEST}, left out")


def moment(source: str, given: str | None = None, first_day: date = date.min, required: bool = False) -> Field:
    """The column as a time, in the format given, else in the one that the file's cells show."""
    begin = partial(TimeReader, source, first_day, given=given, required=required)
    return Field(None, (source,), "values that are not times, left out", begin)


def day(source: str, given: str | None = None) -> Field:
    """The column as a day, likewise."""
    begin = partial(TimeReader, source, OLDEST_WORK, day=True, given=given, required=False)
    return Field(None, (source,), "values that are not days, left out", begin)


def parts(source: str, separator: str = "", none: str = "") -> Field:
    """The column as a list."""
    return Field(partial(lists.parts, separator=separator, none=none), (source,), HOLES)


def look_up_name(source: str, names: Mapping[Any, str], as_list: bool = False) -> Field:
    """The name that stands for the column's code; a code without a name is unreadable."""
    then = lists.parts if as_list else scalars.text
    parse = partial(scalars.look_up_name, names={str(code): name for code, name in names.items()}, then=then)
    return Field(parse, (source,), "codes without a name, left out")


def flags(names: tuple[str, ...]) -> Field:
    """The list of those columns that hold 1; the others hold 0."""
    return Field(partial(lists.flags, names=names), names, "flags that are neither 0 nor 1, left out")
