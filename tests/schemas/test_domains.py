"""Domains: their ranges, and what they fill into the checks."""

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import duckdb
import pytest

from schemas.domains import DOMAINS, ELIGIBILITY, GAMES, MOVIES, MUSIC, Domain, Kind, eligible, placeholders
from schemas.names import DOMAINS as NAMES

RANGES: dict[str, tuple[Any, Any, Any, Any]] = {  # just below, least, most, just above
    "top_k": (0, 1, 1000, 1001),
    "neighbours": (0, 1, 1000, 1001),
    "test_share": (0.0009, 0.001, 0.5, 0.51),
    "max_rejected_share": (-0.01, 0.0, 1.0, 1.01),
}


def truth(predicate: str, kind: str, value: str) -> bool | None:
    """What DuckDB makes of a predicate for one row."""
    row = duckdb.sql(f"SELECT {predicate} FROM (SELECT '{kind}' AS kind, {value} AS value)").fetchone()
    assert row
    return row[0]


def test_domains_and_names_agree() -> None:
    assert tuple(DOMAINS) == NAMES
    assert [domain.name for domain in DOMAINS.values()] == list(NAMES)


def test_every_number_has_a_range() -> None:
    assert {field.name for field in fields(Domain)} == {"name", "verb", "kinds", "eligibility", *RANGES}


@pytest.mark.parametrize("setting", RANGES)
def test_values_outside_their_range_are_refused(setting: str) -> None:
    below, least, most, above = RANGES[setting]
    assert getattr(replace(MOVIES, **{setting: least}), setting) == least
    assert getattr(replace(MOVIES, **{setting: most}), setting) == most
    for value in (below, above, float("nan")):
        message = rf"^domains\.movies\.{setting} must be between {least} and {most}, got {value}$"
        with pytest.raises(ValueError, match=message):
            replace(MOVIES, **{setting: value})


def test_unknown_rules_of_eligibility_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^domains\.movies\.eligibility: there is no rule 'new'; there are: available"
    ):
        replace(MOVIES, eligibility=("available", "new"))


@pytest.mark.parametrize(
    ("available", "released", "rules"),
    [
        ("TRUE", "DATE '2018-09-24'", {"available", "released"}),
        ("TRUE", "DATE '2018-09-25'", {"available"}),
        ("TRUE", "NULL", {"available", "released"}),
        ("FALSE", "DATE '1999-01-01'", {"released"}),
    ],
)
def test_an_item_is_eligible_where_it_fulfils_all_rules(available: str, released: str, rules: set[str]) -> None:
    for chosen in ((), ("available",), ("released",), ("released", "available")):
        condition = eligible(replace(MOVIES, eligibility=chosen), "2018-09-24")
        row = duckdb.sql(
            f"SELECT {condition} FROM (SELECT {available} AS available, {released} AS released)"
        ).fetchone()
        assert row == ({*chosen} <= rules,)


def test_all_rules_of_eligibility_are_tested() -> None:
    assert set(ELIGIBILITY) == {"available", "released"}


def test_domains_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        MOVIES.top_k = 3  # type: ignore[misc]


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=NAMES)
def test_kinds_are_described(domain: Domain) -> None:
    assert domain.kinds
    for kind in domain.kinds.values():
        assert kind.meaning
        assert kind.weight > 0
        assert (kind.low is None) == (kind.high is None)
        assert kind.low is None or kind.low < kind.high


@pytest.mark.parametrize(
    ("ds", "end"),
    [("2018-09-24", "2018-09-25"), ("2018-12-31", "2019-01-01"), ("2024-02-28", "2024-02-29")],
)
def test_a_night_ends_when_the_next_day_begins(ds: str, end: str) -> None:
    assert placeholders(MUSIC, ds)["end_of_ds"] == f"TIMESTAMP '{end} 00:00:00 UTC'"


def test_placeholders_by_eye() -> None:
    found = placeholders(GAMES, "2018-09-24")
    assert found["kinds"] == "'play', 'purchase'"
    assert found["value_missing"] == "kind IN ('play') AND value IS NULL"
    assert (
        found["value_out_of_range"] == "CASE kind WHEN 'play' THEN value NOT BETWEEN 0.0 AND 1000000.0 ELSE FALSE END"
    )


@pytest.mark.parametrize(
    ("domain", "kind", "value", "missing", "outside"),
    [
        (MOVIES, "rating", "0.5", False, False),
        (MOVIES, "rating", "5.0", False, False),
        (MOVIES, "rating", "0.4", False, True),
        (MOVIES, "rating", "5.5", False, True),
        (MOVIES, "rating", "NULL", True, None),
        (GAMES, "play", "0", False, False),
        (GAMES, "play", "-1", False, True),
        (GAMES, "purchase", "NULL", False, False),
        (MUSIC, "play", "0", False, True),
        (MUSIC, "other", "7", False, False),
    ],
)
def test_values_are_judged_by_their_kind(
    domain: Domain, kind: str, value: str, missing: bool, outside: bool | None
) -> None:
    found = placeholders(domain, "2018-09-24")
    assert truth(found["value_missing"], kind, value) is missing
    assert truth(found["value_out_of_range"], kind, value) is outside


def test_a_domain_whose_kinds_carry_no_values() -> None:
    found = placeholders(replace(MOVIES, kinds={"like": Kind("liked")}), "2018-09-24")
    for value in ("NULL", "7"):
        assert truth(found["value_missing"], "like", value) is False
        assert truth(found["value_out_of_range"], "like", value) is False
