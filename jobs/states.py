"""The last publication and the last complete night. States of tasks and nights are in `schemas/names.py`.

A night may be published several times: run again, rolled back, refused. It stays complete as its last complete run left
it; a refused run after that one changes neither what readers see (`latest`) nor which model is the incumbent.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from schemas.names import NightState

Row = Mapping[str, Any]


class Publication(NamedTuple):
    """One publication of a night; `sequence` counts a domain's publications."""

    domain: str
    ds: str
    run_id: str
    sequence: int

    @classmethod
    def of(cls, row: Row) -> "Publication":
        """That of a row of `runs`."""
        return cls(row["domain"], row["ds"], row["run_id"], row["sequence"])


PUBLISHED = (*Publication._fields, "state")  # the columns of `runs` that the functions below read


def last_publications(runs: Iterable[Row]) -> dict[str, Row]:
    """The row of each domain's last publication, whatever its state; runs: rows of `runs`."""
    return {row["domain"]: row for row in sorted(runs, key=lambda row: row["sequence"])}


def complete_nights(runs: Iterable[Row]) -> list[Publication]:
    """Every complete night once, as its last complete run published it, by (domain, ds); runs: rows of `runs`."""
    complete = [Publication.of(row) for row in runs if row["state"] == NightState.COMPLETE]
    complete.sort(key=lambda one: (one.domain, one.ds, one.sequence))
    return [*{(one.domain, one.ds): one for one in complete}.values()]


def last_complete(
    runs: Iterable[Row], domain: str, *, ds: str | None = None, before: str | None = None
) -> Publication | None:
    """The last complete night of a domain: the greatest ds, as its last complete run published it. None without one.

    ds: of this night only; before: of earlier nights only.
    """
    nights = [
        one
        for one in complete_nights(runs)
        if one.domain == domain and ds in (None, one.ds) and (before is None or one.ds < before)
    ]
    return nights[-1] if nights else None


def last_complete_nights(runs: Iterable[Row]) -> list[Publication]:
    """The last complete night of each domain that has one, by domain."""
    return [*{one.domain: one for one in complete_nights(runs)}.values()]
