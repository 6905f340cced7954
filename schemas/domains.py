"""The domains: what differs between movies, music and games, and the defaults of their nights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from schemas.names import DOMAINS as NAMES

# Which items may be recommended on the night {ds}: SQL over `items` that every reader of the tables can run.
ELIGIBILITY: Mapping[str, str] = {
    "available": "available",
    "released": "(released IS NULL OR released <= CAST('{ds}' AS DATE))",
}


@dataclass(frozen=True)
class Kind:
    """A kind of interaction. `low` and `high` bound its value (inclusive); None for both means that it carries none."""

    meaning: str
    low: float | None = None
    high: float | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Domain:
    """One domain with the settings of its nights; all but the first three may be overridden in the TOML file."""

    name: str
    verb: str
    kinds: Mapping[str, Kind] = field(hash=False)
    eligibility: tuple[str, ...] = ("available", "released")
    top_k: int = 20
    neighbours: int = 50
    test_share: float = 0.1
    max_rejected_share: float = 0.1

    def __post_init__(self) -> None:
        """Raises ValueError that names the setting, the rule and the value."""
        for rule in self.eligibility:
            if rule not in ELIGIBILITY:
                there = ", ".join(ELIGIBILITY)
                raise ValueError(f"domains.{self.name}.eligibility: there is no rule {rule!r}; there are: {there}")
        _between(self.name, "top_k", self.top_k, 1, 1000)
        _between(self.name, "neighbours", self.neighbours, 1, 1000)
        _between(self.name, "test_share", self.test_share, 0.001, 0.5)
        _between(self.name, "max_rejected_share", self.max_rejected_share, 0.0, 1.0)


def _between(domain: str, setting: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"domains.{domain}.{setting} must be between {low} and {high}, got {value}")


MOVIES = Domain(
    name="movies",
    verb="watched",
    kinds={"rating": Kind("stars given", low=0.5, high=5.0)},
)

MUSIC = Domain(
    name="music",
    verb="listened to",
    kinds={"play": Kind("number of plays", low=1.0, high=1e7)},
)

GAMES = Domain(
    name="games",
    verb="played",
    kinds={
        "play": Kind("hours played", low=0.0, high=1e6),
        "purchase": Kind("bought", weight=1.0),
    },
)

DOMAINS: Mapping[str, Domain] = {domain.name: domain for domain in (MOVIES, MUSIC, GAMES)}
assert tuple(DOMAINS) == NAMES, "schemas/names.py and schemas/domains.py must list the same domains"


def eligible(domain: Domain, ds: str) -> str:
    """SQL condition on `items` for those that may be recommended."""
    return " AND ".join(ELIGIBILITY[rule].format(ds=ds) for rule in domain.eligibility) or "TRUE"


def placeholders(domain: Domain, ds: str) -> dict[str, str]:
    """What stands for {kinds}, {value_missing}, {value_out_of_range} and {end_of_ds} in the checks (Spark SQL)."""
    with_value = {name: kind for name, kind in domain.kinds.items() if kind.low is not None}
    ranges = " ".join(f"WHEN '{name}' THEN value NOT BETWEEN {k.low} AND {k.high}" for name, k in with_value.items())
    valued = ", ".join(f"'{name}'" for name in with_value) or "''"
    return {
        "kinds": ", ".join(f"'{name}'" for name in domain.kinds),
        "value_missing": f"kind IN ({valued}) AND value IS NULL",
        "value_out_of_range": f"CASE kind {ranges} ELSE FALSE END" if ranges else "FALSE",
        "end_of_ds": f"TIMESTAMP '{date.fromisoformat(ds) + timedelta(days=1)} 00:00:00 UTC'",
    }
