"""Domains: their ranges, and what they fill into the checks."""

from dataclasses import FrozenInstanceError, replace

import duckdb
import pytest

from schemas.domains import Domain, Kind, are_rules, eligibility_sql, eligible, placeholders, settings_behind, suits
from schemas.eligibility import ITEM_RULES, RATING_UNKNOWN, USER_RULES
from schemas.tables import TABLES
from tests.support.domains import GAMES, MOVIES, MUSIC


def truth(predicate: str, kind: str, value: str) -> bool | None:
    """What DuckDB makes of a predicate for one row."""
    row = duckdb.sql(f"SELECT {predicate} FROM (SELECT '{kind}' AS kind, {value} AS value)").fetchone()
    assert row
    return row[0]


def test_unknown_rules_of_eligibility_are_refused() -> None:
    assert are_rules(("available", "age"))
    with pytest.raises(ValueError, match=r"^there is no rule 'new'; there are: available, released, not_blocked, age"):
        are_rules(("available", "new"))


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
        item = f"{available} AS available, {released} AS released, NULL AS release_unknown"
        row = duckdb.sql(f"SELECT {condition} FROM (SELECT {item})").fetchone()
        assert row == ({*chosen} <= rules,)


@pytest.mark.parametrize("released", ["NULL", "DATE '1999-01-01'"])  # the date that was said before
def test_a_day_of_release_that_cannot_be_read_hides_an_item_unless_the_domain_opens(released: str) -> None:
    for domain, shown in ((MOVIES, False), (replace(MOVIES, show_unknown_release=True), True)):
        condition = eligible(replace(domain, eligibility=("released",)), "2018-09-24")
        row = duckdb.sql(f"SELECT {condition} FROM (SELECT {released} AS released, TRUE AS release_unknown)").fetchone()
        assert row == (shown,)


def test_a_rating_that_nobody_knows_shuts_unless_the_domain_opens() -> None:
    ratings = ["NULL", "'R'", "'Banana'", "'1984'", "'PEGI 7'"]
    for domain, shown in (
        (MOVIES, [True, False, False, False, True]),
        (replace(MOVIES, unknown_rating_age=0), [True, False, True, True, True]),
    ):
        condition = suits(replace(domain, eligibility=("age",)))
        rows = duckdb.sql(f"SELECT {condition} FROM (SELECT unnest([{', '.join(ratings)}]) AS age_rating, 10 AS age)")
        assert [row[0] for row in rows.fetchall()] == shown
        rows = duckdb.sql(f"SELECT {RATING_UNKNOWN} FROM (SELECT unnest([{', '.join(ratings)}]) AS age_rating)")
        assert [row[0] for row in rows.fetchall()] == [False, False, True, True, False]


def test_blocked_items_are_not_eligible() -> None:
    condition = eligible(replace(MOVIES, eligibility=("not_blocked",), blocked=("it's", "b")), "2018-09-24")
    rows = duckdb.sql(f"SELECT item_id FROM (VALUES ('a'), ('b'), ('it''s')) AS items(item_id) WHERE {condition}")
    assert rows.fetchall() == [("a",)]


@pytest.mark.parametrize(
    ("rating", "least"),
    [
        (None, 0),
        ("", 0),
        ("G", 0),
        (" pg ", 8),
        ("PG-13", 13),
        ("TV-14", 14),
        ("R", 17),
        ("NC-17", 18),
        ("PEGI 12", 12),
        ("16+", 16),
        ("unknown", 18),
        ("R18+", 18),
        ("12A", 12),
        ("from 16 years", 16),
        ("0", 0),
        ("21", 21),
        ("22", 18),
        ("-3", 18),
        ("3.5", 18),
        ("1984", 18),
        ("99999999999999999999", 18),
    ],
)
def test_a_rating_allows_an_item_from_an_age_on(rating: str | None, least: int) -> None:
    rules = replace(MOVIES, eligibility=("age",), assumed_age=15)
    with duckdb.connect(":memory:") as db:
        db.execute("CREATE TABLE items (item_id VARCHAR)")
        for definition in eligibility_sql(rules, "2018-09-24"):
            db.execute(definition)

        def suits(age: int | None) -> bool:
            row = db.execute("SELECT suits($1, NULL, $2, NULL)", [rating, age]).fetchone()
            assert row
            return bool(row[0])

        assert suits(least)
        assert not least or not suits(least - 1)
        assert suits(None) == (least <= 15)


@pytest.mark.parametrize(
    ("regions", "country", "assumed", "shown"),
    [
        ("NULL", "'DE'", "", True),
        ("['FR', 'DE']", "'DE'", "", True),
        ("['FR']", "'DE'", "", False),
        ("[]", "'DE'", "", False),
        ("['FR']", "NULL", "", False),
        ("['FR']", "NULL", "FR", True),
        ("['FR']", "'DE'", "FR", False),
    ],
)
def test_an_item_is_shown_in_its_regions(regions: str, country: str, assumed: str, shown: bool) -> None:
    condition = suits(replace(MOVIES, eligibility=("region",), assumed_country=assumed))
    row = duckdb.sql(
        f"SELECT {condition} FROM (SELECT {regions}::VARCHAR[] AS regions, {country} AS country)"
    ).fetchone()
    assert row == (shown,)


@pytest.mark.parametrize("age", ["NULL", "-3", "121", "1984"])
def test_an_unknown_age_shuts_unless_the_domain_opens(age: str) -> None:
    assert MOVIES.assumed_age == 0
    for domain, shown in ((MOVIES, [True, False]), (replace(MOVIES, assumed_age=18), [True, True])):
        condition = suits(replace(domain, eligibility=("age",)))
        rows = duckdb.sql(f"SELECT {condition} FROM (SELECT unnest([NULL, 'R']) AS age_rating, {age} AS age)")
        assert [row[0] for row in rows.fetchall()] == shown


def test_without_rules_everything_is_shown() -> None:
    assert suits(replace(MOVIES, eligibility=())) == eligible(replace(MOVIES, eligibility=()), "2018-09-24") == "TRUE"


def test_all_rules_of_eligibility_are_tested() -> None:
    assert (*ITEM_RULES, *USER_RULES) == ("available", "released", "not_blocked", "age", "region")


def test_a_list_holds_more_than_new_items() -> None:
    assert replace(MOVIES, top_k=3, exploration_slots=2).exploration_slots == 2
    with pytest.raises(ValueError, match=r"^exploration_slots must be below top_k = 3, got 3$"):
        replace(MOVIES, top_k=3, exploration_slots=3)


def test_domains_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        MOVIES.top_k = 3  # type: ignore[misc]


def test_kinds_have_a_range_or_none() -> None:
    with pytest.raises(ValueError, match=r"^low and high must be given both, or neither"):
        Kind("stars", low=1.0)
    with pytest.raises(ValueError, match=r"^low must be below high = 1.0, got 5.0$"):
        Kind("stars", low=5.0, high=1.0)


def test_kinds_have_plain_names() -> None:
    with pytest.raises(ValueError, match=r"^a kind's name must be lower-case .*, got \"it's\"$"):
        replace(MOVIES, kinds={"it's": Kind("liked")})


@pytest.mark.parametrize(
    ("ds", "end"),
    [("2018-09-24", "2018-09-25"), ("2018-12-31", "2019-01-01"), ("2024-02-28", "2024-02-29")],
)
def test_a_night_ends_when_the_next_day_begins(ds: str, end: str) -> None:
    assert placeholders(MUSIC, ds)["end_of_ds"] == f"TIMESTAMPTZ '{end} 00:00:00 UTC'"


def test_placeholders_by_eye() -> None:
    filled = placeholders(GAMES, "2018-09-24")
    assert filled["kinds"] == "'play', 'purchase'"
    assert filled["value_missing"] == "kind IN ('play') AND value IS NULL"
    assert (
        filled["value_out_of_range"] == "CASE kind WHEN 'play' THEN value NOT BETWEEN 0.0 AND 1000000.0 ELSE FALSE END"
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
    filled = placeholders(domain, "2018-09-24")
    assert truth(filled["value_missing"], kind, value) is missing
    assert truth(filled["value_out_of_range"], kind, value) is outside


def test_a_domain_whose_kinds_carry_no_values() -> None:
    filled = placeholders(replace(MOVIES, kinds={"like": Kind("liked")}), "2018-09-24")
    for value in ("NULL", "7"):
        assert truth(filled["value_missing"], "like", value) is False
        assert truth(filled["value_out_of_range"], "like", value) is False


@pytest.mark.parametrize(
    ("check", "settings"),
    [
        ("unknown_kind", "domains.games.kinds: play, purchase"),
        ("value_missing", "domains.games.kinds with a value: play"),
        ("value_out_of_range", "domains.games.kinds.play: low = 0.0, high = 1000000.0"),
        ("ts_before_first_day", "domains.games.first_day = 1990-01-01"),
        ("duplicate", ""),
    ],
)
def test_the_settings_by_which_a_check_judges(check: str, settings: str) -> None:
    assert settings_behind(GAMES, check) == settings


def test_checks_with_settings_behind_them_exist() -> None:
    names = {check.name for check in TABLES["interactions"].checks}
    assert {"unknown_kind", "value_missing", "value_out_of_range", "ts_before_first_day"} <= names
