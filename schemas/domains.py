"""The domains: what differs between movies, music and games, and the defaults of their nights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from schemas.eligibility import ITEM_RULES, USER_RULES
from schemas.methods import Method
from schemas.names import DOMAINS as NAMES

# `auto` holds out by what the data knows of time; `leave_last_out` compares with papers.
SPLITS = ("auto", "leave_last_out")

# Setting → least and largest value.
RANGES: Mapping[str, tuple[float, float]] = {
    "top_k": (1, 1000),
    "assumed_age": (0, 150),
    "diversity_lambda": (0.0, 1.0),
    "exploration_slots": (0, 10),
    "neighbours": (1, 1000),
    "max_rejected_share": (0.0, 1.0),
    "test_days": (1, 365),
    "validation_days": (1, 365),
    "test_users": (1, 1_000_000),
    "test_share": (0.001, 0.5),
    "full_training_nights": (1, 365),
    "max_coverage_fall": (0.0, 1.0),
    "max_new_users_fall": (0.0, 1.0),
    "max_tail_items_fall": (0.0, 1.0),
    "min_volume": (0.0, 1.0),
    "max_volume": (1.0, 1e6),
    "max_psi": (0.0, 1e6),
    "half_life_days": (0.01, 36_500),
    "shrinkage": (0.0, 1e9),
    "alpha": (0.0, 1.0),
    "max_events_per_item": (0, 10**12),
    "sentiment_weight": (0.0, 1.0),
    "block_rows": (64, 4096),
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
    # What may be recommended (schemas/eligibility.py): item ids in `blocked` never; a user whose age or country is
    # unknown is taken to be of the assumed one ('': only what is available everywhere).
    eligibility: tuple[str, ...] = (*ITEM_RULES, *USER_RULES)
    blocked: tuple[str, ...] = ()
    assumed_age: int = 18
    assumed_country: str = ""
    # How lists are made (models/serving, docs/recommendations.md).
    top_k: int = 20
    diversity_lambda: float = 0.8
    exploration_slots: int = 0
    neighbours: int = 50
    max_rejected_share: float = 0.1
    # What is held out.
    split: str = "auto"
    test_days: int = 7
    validation_days: int = 7
    test_users: int = 100
    test_share: float = 0.1
    # Networks learn from nothing once in so many nights, else begin with last night's weights.
    full_training_nights: int = 7
    # How far a new champion may fall behind the old one, as shares of the old one's value.
    max_coverage_fall: float = 0.5
    max_new_users_fall: float = 0.1
    max_tail_items_fall: float = 0.5
    # How far a night's events may be from those of the nights before.
    min_volume: float = 0.6
    max_volume: float = 3.0
    max_psi: float = 0.25
    # How items and users are compared (schemas/methods.py). `alpha` is the share of events in a
    # hybrid where no model has chosen one; an item's events above `max_events_per_item` are left out (0: none are).
    item_methods: tuple[str, ...] = ("cosine", "content", "hybrid")
    user_methods: tuple[str, ...] = ("cosine", "hybrid")
    half_life_days: float = 90.0
    shrinkage: float = 10.0
    alpha: float = 0.5
    max_events_per_item: int = 0
    # How much the verdict of a review counts in the value of what its user did with the item; 0: not.
    sentiment_weight: float = 0.0
    block_rows: int = 4096

    def __post_init__(self) -> None:
        """Raises ValueError that names the setting, the rule and the value."""
        for rule in self.eligibility:
            if rule not in {**ITEM_RULES, **USER_RULES}:
                there = ", ".join((*ITEM_RULES, *USER_RULES))
                raise ValueError(f"domains.{self.name}.eligibility: there is no rule {rule!r}; there are: {there}")
        for item in self.blocked:
            if not isinstance(item, str):
                raise ValueError(f"domains.{self.name}.blocked must list item ids as texts, got {item!r}")
        if self.split not in SPLITS:
            raise ValueError(f"domains.{self.name}.split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        for setting in ("item_methods", "user_methods"):
            _methods(f"domains.{self.name}.{setting}", getattr(self, setting))
        for setting, (low, high) in RANGES.items():
            _between(self.name, setting, getattr(self, setting), low, high)
        if self.exploration_slots >= self.top_k:
            slots = self.exploration_slots
            raise ValueError(f"domains.{self.name}.exploration_slots must be below top_k = {self.top_k}, got {slots}")


def _methods(setting: str, names: tuple[str, ...]) -> None:
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{setting} must name at least one method, and none twice, got {list(names)}")
    for name in names:
        try:
            Method.named(name)
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{setting}: {error}") from error


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
    blocked = ", ".join(map(_text, domain.blocked))
    rules = [rule.format(ds=ds, blocked=blocked) for name, rule in ITEM_RULES.items() if name in domain.eligibility]
    return " AND ".join(rules) or "TRUE"


def suits(domain: Domain) -> str:
    """SQL condition on (age_rating, regions) of an item and (age, country) of a user: whether it may be shown."""
    assumed = {"assumed_age": domain.assumed_age, "assumed_country": _text(domain.assumed_country)}
    rules = [rule.format(**assumed) for name, rule in USER_RULES.items() if name in domain.eligibility]
    return " AND ".join(rules) or "TRUE"


def eligibility_sql(domain: Domain, ds: str) -> tuple[str, str]:
    """SQL that defines what contracts and jobs ask: the view `eligible` (of items) and the macro `suits`."""
    return (
        f"CREATE OR REPLACE VIEW eligible AS FROM items WHERE {eligible(domain, ds)}",
        f"CREATE OR REPLACE MACRO suits(age_rating, regions, age, country) AS ({suits(domain)})",
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


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
