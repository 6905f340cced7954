"""Domains: what differs between movies, music, games and a company's own catalogues, and the defaults of their nights.

The settings are declared here; the values of a domain stand in a TOML file: those of the three that Encore ships beside
this module, those of others in the folder that ENCORE_DOMAINS names. `jobs/settings.py` reads and checks the files.
Jobs import it, and it imports `schemas` alone; DAGs read the files by `schemas/names.py`. Begin with `__init__.py`,
whose `Domain` has the settings, beside `movies.toml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

from annotated_types import Interval, MinLen, Predicate, Unit, doc

from schemas.countries import CODES
from schemas.eligibility import ITEM_RULES, OLDEST_USER, USER_RULES
from schemas.methods import are_methods
from schemas.names import MAX_TOP_K, NAME, NAME_RULE, TOP_K
from schemas.sql import quote

Share = Annotated[float, Interval(ge=0.0, le=1.0)]


@dataclass(frozen=True)
class Kind:
    """A kind of interaction."""

    meaning: Annotated[str, MinLen(1), doc("what the value is, or what happened where there is none")]
    low: Annotated[
        float | None,
        Interval(ge=-1e12, le=1e12),
        doc("least value; without `low` and `high` the kind carries no value"),
    ] = None
    high: Annotated[float | None, Interval(ge=-1e12, le=1e12), doc("largest value")] = None
    weight: Annotated[float, Interval(gt=0.0, le=1e6), doc("factor of the value in the preference of a user")] = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError for half a range, or one that is empty."""
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high must be given both, or neither for a kind without a value")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be below high = {self.high}, got {self.low}")


def are_rules(names: tuple[str, ...]) -> bool:
    """Names of rules of eligibility."""
    for name in names:
        if name not in (*ITEM_RULES, *USER_RULES):
            raise ValueError(f"there is no rule {name!r}; there are: {', '.join((*ITEM_RULES, *USER_RULES))}")
    return True


def is_country(code: str) -> bool:
    """Empty, or a country by two letters of ISO 3166-1, as DE."""
    return code == "" or code in CODES


def is_day(text: str) -> bool:
    """A day, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@dataclass(frozen=True)
class Domain:
    """A domain with the settings of its nights."""

    name: Annotated[str, doc("the name: that of the file, without `.toml`")]
    verb: Annotated[str, MinLen(1), doc("what users did with an item, as in `because you watched Alien`")]
    kinds: Annotated[Mapping[str, Kind], MinLen(1), doc("the kinds of interaction by name")]

    eligibility: Annotated[
        tuple[str, ...],
        Predicate(are_rules),
        doc("rules that a recommended item keeps (schemas/eligibility.py)"),
    ] = (*ITEM_RULES, *USER_RULES)
    blocked: Annotated[tuple[str, ...], doc("ids of items that are never recommended (rule `not_blocked`)")] = ()
    assumed_age: Annotated[
        int, Interval(ge=0, le=OLDEST_USER), Unit("years"),
        doc("age of a user whose age is unknown; 0: such a user gets only what everyone may see"),
    ] = 0  # fmt: skip
    assumed_country: Annotated[
        str,
        Predicate(is_country),
        doc("country of a user whose country is unknown; empty: only items without `regions` suit"),
    ] = ""

    show_unknown_release: Annotated[
        bool, doc("whether an item is recommended whose day of release is there and cannot be read (`Q4 2024`)")
    ] = False
    unknown_rating_age: Annotated[
        int, Interval(ge=0, le=OLDEST_USER), Unit("years"),
        doc("age from which users see items with an `age_rating` that nobody knows; 0: everyone does"),
    ] = 18  # fmt: skip

    top_k: Annotated[int, Interval(ge=1, le=MAX_TOP_K), Unit("items"), doc("length of a user's list")] = TOP_K
    diversity_lambda: Annotated[
        float, Interval(ge=0.0, le=1.0), doc("λ of maximal marginal relevance: 1 ranks by score, 0 by variety alone")
    ] = 0.8
    exploration_slots: Annotated[
        int, Interval(ge=0, le=10), Unit("items"), doc("places of a list for items without events; below `top_k`")
    ] = 0

    item_methods: Annotated[
        tuple[str, ...], Predicate(are_methods), doc("methods of `item_similarity` (docs/design.md)")
    ] = ("cosine", "content", "hybrid")
    user_methods: Annotated[
        tuple[str, ...], Predicate(are_methods), doc("methods of `user_similarity` (docs/design.md)")
    ] = ("cosine", "hybrid")
    neighbours: Annotated[
        int, Interval(ge=1, le=1000), Unit("rows"), doc("similar items of an item, similar users of a user")
    ] = 50
    half_life_days: Annotated[
        float,
        Interval(ge=0.01, le=36_500),
        Unit("days"),
        doc("age at which an event counts half (`recency`)"),
    ] = 90.0
    shrinkage: Annotated[
        float, Interval(ge=0.0, le=1e9), Unit("events"), doc("constant of the weighting `shrunk`: n / (n + shrinkage)")
    ] = 10.0
    alpha: Annotated[
        float, Interval(ge=0.0, le=1.0), doc("share of events in method `hybrid` where no trained model has chosen one")
    ] = 0.5
    max_events_per_item: Annotated[
        int,
        Interval(ge=0, le=10**12),
        Unit("events"),
        doc("similarity leaves out an item's events above it; 0: none"),
    ] = 0
    sentiment_weight: Annotated[
        float, Interval(ge=0.0, le=1.0), doc("how far the sentiment of a user's review moves the value of the item")
    ] = 0.0
    block_rows: Annotated[
        int, Interval(ge=64, le=4096), Unit("rows"), doc("rows of a block of the similarity kernel")
    ] = 4096

    pseudonyms: Annotated[bool, doc("whether imports make pseudonyms of user ids (docs/privacy.md)")] = False

    first_day: Annotated[
        str, Predicate(is_day), doc("no event is older (YYYY-MM-DD): earlier times are misread numbers")
    ] = "1990-01-01"
    max_rejected_share: Annotated[Share, doc("a night with a larger share of rejected rows fails")] = 0.1
    repetition: Annotated[
        Literal["newest", "sum", "count"],
        doc("what interactions with one key make: the newest holds, their values add up, or they count"),
    ] = "newest"
    unknown_items: Annotated[
        Literal["hold", "reject", "accept"],
        doc("events whose item no catalogue has wait for it, are rejected, or make an item titled by its id"),
    ] = "hold"
    hold_days: Annotated[
        int, Interval(ge=0, le=365), Unit("days"), doc("a row that came too early waits so long, then is rejected")
    ] = 7
    split: Annotated[
        Literal["auto", "leave_last_out"],
        doc("`auto` holds out by what the data knows of time, `leave_last_out` compares with papers"),
    ] = "auto"
    test_days: Annotated[int, Interval(ge=1, le=365), Unit("days"), doc("last days of events for the test")] = 7
    validation_days: Annotated[
        int, Interval(ge=1, le=365), Unit("days"), doc("days before those, for the choice of settings")
    ] = 7
    test_users: Annotated[
        int, Interval(ge=1, le=1_000_000), Unit("users"), doc("users whom a test by days must reach at least")
    ] = 100
    test_share: Annotated[
        float,
        Interval(ge=0.001, le=0.5),
        doc("share of a user's items held out where nothing tells the order"),
    ] = 0.1
    full_training_nights: Annotated[
        int, Interval(ge=1, le=365), Unit("nights"),
        doc("networks train from scratch once in so many nights, else start with last night's weights"),
    ] = 7  # fmt: skip

    max_coverage_fall: Annotated[
        Share, doc("how far a new champion's coverage may fall below the incumbent's, as a share of it")
    ] = 0.5
    max_new_users_fall: Annotated[Share, doc("the same for the NDCG@10 of new users")] = 0.1
    max_tail_items_fall: Annotated[Share, doc("the same for the share of rarely used items in the lists")] = 0.5
    min_volume: Annotated[
        Share, doc("least number of events of a night, as a share of the median of the nights before")
    ] = 0.6
    max_volume: Annotated[float, Interval(ge=1.0, le=1e6), doc("largest, likewise")] = 3.0
    max_psi: Annotated[
        float, Interval(ge=0.0, le=1e6), doc("largest population stability index of a night against those before")
    ] = 0.25

    def __post_init__(self) -> None:
        """Raises ValueError for settings that do not fit together."""
        for kind in self.kinds:
            if not NAME.fullmatch(kind):
                raise ValueError(f"a kind's name must be {NAME_RULE}, got {kind!r}")
        if self.exploration_slots >= self.top_k:
            raise ValueError(f"exploration_slots must be below top_k = {self.top_k}, got {self.exploration_slots}")


def eligible(domain: Domain, ds: str) -> str:
    """SQL condition on `items` for those that may be recommended."""
    blocked = ", ".join(map(quote, domain.blocked))
    words = {"ds": ds, "blocked": blocked, "show_unknown_release": domain.show_unknown_release}
    rules = [rule.format(**words) for name, rule in ITEM_RULES.items() if name in domain.eligibility]
    return " AND ".join(rules) or "TRUE"


def suits(domain: Domain) -> str:
    """SQL condition on (age_rating, regions) of an item and (age, country) of a user: whether it may be shown."""
    assumed = {"assumed_age": domain.assumed_age, "assumed_country": quote(domain.assumed_country)}
    assumed["unknown_rating_age"] = domain.unknown_rating_age
    rules = [rule.format(**assumed) for name, rule in USER_RULES.items() if name in domain.eligibility]
    return " AND ".join(rules) or "TRUE"


def eligibility_sql(domain: Domain, ds: str) -> tuple[str, str]:
    """SQL that defines what contracts and jobs ask: the view `eligible` (of items) and the macro `suits`."""
    return (
        f"CREATE OR REPLACE VIEW eligible AS FROM items WHERE {eligible(domain, ds)}",
        f"CREATE OR REPLACE MACRO suits(age_rating, regions, age, country) AS ({suits(domain)})",
    )


def placeholders(domain: Domain, ds: str) -> dict[str, str]:
    """What stands for the words in braces of the checks (DuckDB SQL): {kinds}, {first_day}, {end_of_ds} and others."""
    with_value = {name: kind for name, kind in domain.kinds.items() if kind.low is not None}
    ranges = " ".join(f"WHEN '{name}' THEN value NOT BETWEEN {k.low} AND {k.high}" for name, k in with_value.items())
    valued = ", ".join(f"'{name}'" for name in with_value) or "''"
    return {
        "kinds": ", ".join(f"'{name}'" for name in domain.kinds),
        "value_missing": f"kind IN ({valued}) AND value IS NULL",
        "value_out_of_range": f"CASE kind {ranges} ELSE FALSE END" if ranges else "FALSE",
        "first_day": f"TIMESTAMPTZ '{domain.first_day} 00:00:00 UTC'",
        "end_of_ds": f"TIMESTAMPTZ '{date.fromisoformat(ds) + timedelta(days=1)} 00:00:00 UTC'",
    }


def settings_behind(domain: Domain, check: str) -> str:
    """The settings by which a check judges, as `domains.movies.kinds.rating: low = 0.5, high = 5.0`; "" without any."""
    where = f"domains.{domain.name}"
    ranges = {name: kind for name, kind in domain.kinds.items() if kind.low is not None}
    return {
        "unknown_kind": f"{where}.kinds: {', '.join(domain.kinds)}",
        "value_missing": f"{where}.kinds with a value: {', '.join(ranges)}",
        "value_out_of_range": "; ".join(
            f"{where}.kinds.{name}: low = {kind.low}, high = {kind.high}" for name, kind in ranges.items()
        ),
        "ts_before_first_day": f"{where}.first_day = {domain.first_day}",
    }.get(check, "")
