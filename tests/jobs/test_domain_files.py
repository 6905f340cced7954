"""Domains as TOML files: those that Encore ships, and a company's own."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs.errors import InputError
from jobs.night import pinned_domain, resolve
from jobs.settings import Settings, domain_names, load, override
from schemas.domains import Domain, Kind, placeholders, settings_behind
from schemas.eligibility import ITEM_RULES, USER_RULES
from tests.support.domains import DOMAINS, MOVIES

RANGES: dict[str, tuple[Any, Any, Any, Any]] = {  # just below, least, most, just above
    "top_k": (0, 1, 1000, 1001),
    "assumed_age": (-1, 0, 120, 121),
    "unknown_rating_age": (-1, 0, 120, 121),
    "diversity_lambda": (-0.01, 0.0, 1.0, 1.01),
    "exploration_slots": (-1, 0, 10, 11),
    "neighbours": (0, 1, 1000, 1001),
    "max_rejected_share": (-0.01, 0.0, 1.0, 1.01),
    "hold_days": (-1, 0, 365, 366),
    "test_days": (0, 1, 365, 366),
    "validation_days": (0, 1, 365, 366),
    "test_users": (0, 1, 1_000_000, 1_000_001),
    "test_share": (0.0009, 0.001, 0.5, 0.51),
    "full_training_nights": (0, 1, 365, 366),
    "max_coverage_fall": (-0.01, 0.0, 1.0, 1.01),
    "max_new_users_fall": (-0.01, 0.0, 1.0, 1.01),
    "max_tail_items_fall": (-0.01, 0.0, 1.0, 1.01),
    "min_volume": (-0.01, 0.0, 1.0, 1.01),
    "max_volume": (0.99, 1.0, 1e6, 1.1e6),
    "max_psi": (-0.01, 0.0, 1e6, 1.1e6),
    "half_life_days": (0.009, 0.01, 36_500, 36_501),
    "shrinkage": (-0.01, 0.0, 1e9, 1.1e9),
    "alpha": (-0.01, 0.0, 1.0, 1.01),
    "max_events_per_item": (-1, 0, 10**12, 10**12 + 1),
    "sentiment_weight": (-0.01, 0.0, 1.0, 1.01),
    "block_rows": (63, 64, 4096, 4097),
}

FILMS = """
verb = "watched"
exploration_slots = 2

[kinds.play]
meaning = "times watched"
low = 1
high = 1000
weight = 0.5

[kinds.rating]
meaning = "points given"
low = 1
high = 10
"""
Writer = Callable[..., Settings]


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    """Settings with a folder of own domains that holds one file, and with a text as the file of ENCORE_CONFIG."""

    def write(text: str, name: str = "films", config: str = "") -> Settings:
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / f"{name}.toml").write_text(text, encoding="utf-8")
        (tmp_path / "encore.toml").write_text(config, encoding="utf-8")
        return load({"ENCORE_DOMAINS": str(tmp_path / "own"), "ENCORE_CONFIG": str(tmp_path / "encore.toml")})

    return write


def test_the_shipped_domains_by_eye() -> None:
    assert {name: domain.verb for name, domain in DOMAINS.items()} == {
        "games": "played",
        "movies": "watched",
        "music": "listened to",
    }
    assert MOVIES.kinds == {"rating": Kind("stars given", 0.5, 5.0)}
    assert DOMAINS["music"].kinds == {"play": Kind("number of plays", 1.0, 1e7)}
    assert DOMAINS["games"].kinds == {"play": Kind("hours played", 0.0, 1e6), "purchase": Kind("bought")}
    assert MOVIES.eligibility == (*ITEM_RULES, *USER_RULES)


def test_a_film_service_has_plays_and_ratings_from_1_to_10(written: Writer) -> None:
    films = written(FILMS).domains["films"]
    assert films == Domain(
        name="films",
        verb="watched",
        kinds={"play": Kind("times watched", 1.0, 1000.0, 0.5), "rating": Kind("points given", 1.0, 10.0)},
        exploration_slots=2,
    )


@pytest.mark.parametrize(
    ("kind", "value", "rejected"),
    [
        ("rating", 10, False),
        ("rating", 10.5, True),
        ("rating", 0.5, True),
        ("play", 1000, False),
        ("play", 1001, True),
    ],
)
def test_rows_are_judged_by_the_kinds_of_the_file(written: Writer, kind: str, value: float, rejected: bool) -> None:
    films = written(FILMS).domains["films"]
    check = placeholders(films, "2024-05-01")["value_out_of_range"]
    row = duckdb.sql(f"SELECT {check} FROM (SELECT '{kind}' AS kind, {value} AS value)").fetchone()
    assert row == (rejected,)
    assert settings_behind(films, "value_out_of_range") == (
        "domains.films.kinds.play: low = 1.0, high = 1000.0; domains.films.kinds.rating: low = 1.0, high = 10.0"
    )


def test_own_domains_stand_beside_the_shipped_or_replace_them(written: Writer, tmp_path: Path) -> None:
    settings = written(FILMS)
    assert [*settings.domains] == ["films", "games", "movies", "music"]
    assert settings.domains["movies"] == MOVIES
    settings = written(FILMS, "movies")
    assert [*settings.domains["movies"].kinds] == ["play", "rating"]
    assert domain_names({"ENCORE_DOMAINS": str(tmp_path / "own")}) == ("films", "games", "movies", "music")
    assert domain_names({}) == ("games", "movies", "music")


def test_the_configuration_changes_an_own_domain(written: Writer) -> None:
    films = written(FILMS, config="[domains.films]\ntop_k = 7\n").domains["films"]
    assert (films.top_k, films.exploration_slots) == (7, 2)


def test_the_configuration_changes_the_scale_of_a_kind_and_adds_one(written: Writer) -> None:
    config = """
    [domains.movies.kinds.rating]
    low = 1
    high = 10
    [domains.movies.kinds.play]
    meaning = "times watched"
    low = 1
    high = 1000
    """
    movies = written(FILMS, config=config).domains["movies"]
    assert movies.kinds == {"rating": Kind("stars given", 1.0, 10.0), "play": Kind("times watched", 1.0, 1000.0)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('verb = "watched"', "", ".verb is missing; it is what users did with an item, as in"),
        ('verb = "watched"', "verb = 3", ".verb must be a text, got 3"),
        ('verb = "watched"', 'verb = ""', ".verb must be not empty, got ''"),
        (
            'verb = "watched"',
            'verb = "saw"\nname = "movies"',
            "name must be 'films', as the file is called, got 'movies'",
        ),
        (
            "exploration_slots",
            "exploration_slot",
            ".exploration_slot is not a setting; there are: verb, kinds",
        ),
        (
            "exploration_slots = 2",
            "exploration_slots = 20",
            ".exploration_slots must be between 0 and 10, got 20",
        ),
        (
            "exploration_slots = 2",
            "exploration_slots = 5\ntop_k = 5",
            ": exploration_slots must be below top_k = 5",
        ),
        ("exploration_slots = 2", "blocked = [7]", ".blocked must be a list of texts, got [7]"),
        (
            "exploration_slots = 2",
            'split = "time"',
            ".split must be one of auto, leave_last_out, got 'time'",
        ),
        (
            "exploration_slots = 2",
            'item_methods = ["pearson"]',
            ".item_methods must be names of at least one method, none of them twice: method 'pearson' must",
        ),
        (
            "exploration_slots = 2",
            'user_methods = ["cosine", "cosine"]',
            ".user_methods must be names of at least one method, none of them twice, got ['",
        ),
        (
            "exploration_slots = 2",
            'eligibility = ["new"]',
            ".eligibility must be names of rules of eligibility: there is no rule 'new'; there",
        ),
        ('meaning = "points given"', "", ".kinds.rating.meaning is missing; it is what the value is"),
        (
            "weight = 0.5",
            "weight = 0",
            ".kinds.play.weight must be above 0 and at most 1000000, got 0",
        ),
        (
            "weight = 0.5",
            "mass = 0",
            ".kinds.play.mass is not a setting; there are: meaning, low, hi",
        ),
        ("high = 10\n", "", ".kinds.rating: low and high must be given both"),
        (
            "low = 1\nhigh = 10\n",
            "low = 10\nhigh = 1\n",
            ".kinds.rating: low must be below high = 1.0, got 10.0",
        ),
        ("[kinds.rating]", '[kinds."a \'b"]', ": a kind's name must be lower-case letters"),
        ("[kinds.rating]", "[kinds.rating", "not valid TOML: "),
    ],
)
def test_an_error_names_file_key_rule_and_value(written: Writer, old: str, new: str, message: str) -> None:
    key = "" if message.startswith(("name", "not valid")) else "domains.films"
    assert old in FILMS
    with pytest.raises(InputError, match=rf"^/.*/own/films\.toml: {re.escape(key + message)}"):
        written(FILMS.replace(old, new))


def test_a_domain_has_kinds(written: Writer) -> None:
    with pytest.raises(InputError, match=r"domains\.films\.kinds is missing; it is the kinds of interaction by name"):
        written('verb = "watched"')
    with pytest.raises(InputError, match=r"domains\.films\.kinds must be not empty, got \{\}"):
        written('verb = "watched"\nkinds = {}')


def test_a_name_in_the_file_may_be_that_of_the_file(written: Writer) -> None:
    assert written('name = "films"' + FILMS).domains["films"].name == "films"


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"^ENCORE_DOMAINS=/none: is not a folder"):
        load({"ENCORE_DOMAINS": "/none"})
    with pytest.raises(InputError, match=r"^ENCORE_DOMAINS=/none: is not a folder"):
        domain_names({"ENCORE_DOMAINS": "/none"})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("high = inf", r"kinds\.rating\.high must be between -1000000000000 and 1000000000000, got inf$"),
        ("low = -inf", r"kinds\.rating\.low must be between .*, got -inf$"),
        ("high = nan", r"kinds\.rating\.high must be between .*, got nan$"),
        (f"high = 1{'0' * 400}", r"kinds\.rating\.high must be a number, got 10+…$"),
        (f"weight = 1{'0' * 400}", r"kinds\.rating\.weight must be a number, got 10+…$"),
    ],
)
def test_ranges_of_kinds_are_finite(written: Writer, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(FILMS, config=f"[domains.movies.kinds.rating]\n{kind}\n")


@pytest.mark.parametrize("setting", ["max_events_per_item", "shrinkage", "half_life_days", "top_k"])
def test_numbers_of_hundreds_of_digits_are_out_of_range(written: Writer, setting: str) -> None:
    with pytest.raises(InputError, match=rf"domains\.movies\.{setting} must be .*, got 10+…$"):
        written(FILMS, config=f"[domains.movies]\n{setting} = 1{'0' * 400}\n")
    with pytest.raises(InputError, match="not valid TOML"):
        written(FILMS, config=f"[domains.movies]\n{setting} = 1{'0' * 5000}\n")


@pytest.mark.parametrize("day", ["20200101", "2020-W01-1", "2020-1-1", "", "today", "2020-02-30"])
def test_the_first_day_is_a_day(day: str) -> None:
    assert override(MOVIES, {"first_day": "2020-01-01"}, "movies").first_day == "2020-01-01"
    with pytest.raises(InputError, match=rf"^movies\.first_day must be a day, YYYY-MM-DD, got '{day}'$"):
        override(MOVIES, {"first_day": day}, "movies")


def test_a_file_may_begin_with_a_byte_order_mark(written: Writer) -> None:
    assert written(FILMS, config="\ufeff[domains.movies]\ntop_k = 7\n").domains["movies"].top_k == 7


def test_the_assumed_country_is_a_code() -> None:
    for code in ("", "DE", "GB"):
        assert override(MOVIES, {"assumed_country": code}, "movies").assumed_country == code
    for code in ("de", "Germany", "XX", "DEU"):
        message = rf"^movies\.assumed_country must be empty, or a country by two letters of ISO 3166-1.* got '{code}'$"
        with pytest.raises(InputError, match=message):
            override(MOVIES, {"assumed_country": code}, "movies")


def test_a_run_knows_its_domain_when_the_file_is_gone(written: Writer) -> None:
    films = written(FILMS).domains["films"]
    pinned = json.loads(json.dumps(resolve(films, ["popularity"], {})))["domain"]
    assert pinned_domain(pinned, "films", load({})) == films


def test_a_run_that_pinned_no_kinds_has_those_of_today() -> None:
    assert pinned_domain({"top_k": 7}, "movies", load({})) == override(MOVIES, {"top_k": 7}, "domains.movies")
    with pytest.raises(InputError, match=r"^there is no domain 'films' any more; ENCORE_DOMAINS names the folder"):
        pinned_domain({"top_k": 7}, "films", load({}))


def test_the_examples_of_the_page_are_right(written: Writer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "domains.md").read_text(encoding="utf-8")
    books, films, changes = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert [*written(books, "books").domains["books"].kinds] == ["rating", "loan"]
    assert [*written(films).domains["films"].kinds] == ["rating", "play"]
    assert written(films, config=changes).domains["movies"].kinds["rating"].high == 10


def test_every_number_has_a_range() -> None:
    texts = [
        "name",
        "verb",
        "kinds",
        "eligibility",
        "blocked",
        "first_day",
        "assumed_country",
        "repetition",
        "unknown_items",
        "show_unknown_release",
        "pseudonyms",
        "split",
        "item_methods",
        "user_methods",
    ]
    assert {field.name for field in fields(Domain)} == {*texts, *RANGES}


@pytest.mark.parametrize("setting", RANGES)
def test_values_outside_their_range_are_refused(setting: str) -> None:
    below, least, most, above = RANGES[setting]
    for value in (least, most):
        assert getattr(override(MOVIES, {setting: value}, "domains.movies"), setting) == value
    for value in (below, above, *([float("nan")] if isinstance(least, float) else [])):
        limits = " and ".join(str(limit).removesuffix(".0") for limit in (least, most))
        message = rf"^domains\.movies\.{setting} must be between {limits}, got {value}$"
        with pytest.raises(InputError, match=message):
            override(MOVIES, {setting: value}, "domains.movies")
