"""Rules of eligibility as DuckDB SQL that every reader of the tables can run; a domain names those that it keeps."""

from collections.abc import Mapping

# The age from which a rating allows an item, where its text holds no number or another one.
AGES: Mapping[str, int] = {
    **dict.fromkeys(("", "G", "U", "E", "EVERYONE", "TV-Y", "TV-G"), 0),
    **dict.fromkeys(("PG", "TV-PG"), 8),
    **dict.fromkeys(("T", "TEEN"), 13),
    **dict.fromkeys(("R", "M", "MATURE", "TV-MA"), 17),
    "NC-17": 18,
}
OLDEST_RATING, OLDEST_USER = 21, 120  # years; beyond, a number is a mistake
# A text with one whole number, as PG-13, 16+, PEGI 12; not -3, 3.5 or 1984.
_NUMBER = "^(?:[^0-9.-]|[^0-9.-]-)*([0-9]{{1,2}})[^0-9]*$"
_AGE = f"try_cast(regexp_extract(trim(age_rating), '{_NUMBER}', 1) AS INTEGER)"
MIN_AGE = f"""CASE upper(trim(coalesce(age_rating, '')))
    {" ".join(f"WHEN '{name}' THEN {age}" for name, age in AGES.items())}
    ELSE CASE WHEN {_AGE} <= {OLDEST_RATING} THEN {_AGE} ELSE {{unknown_rating_age}} END END"""
# Whether nobody knows what an age_rating says: `unknown_rating_age` holds then.
RATING_UNKNOWN = f"""upper(trim(coalesce(age_rating, ''))) NOT IN ({", ".join(f"'{name}'" for name in AGES)})
    AND coalesce({_AGE} > {OLDEST_RATING}, TRUE)""".replace("{{", "{").replace("}}", "}")

# On the night {ds}, over `items`: which items may be recommended at all.
ITEM_RULES: Mapping[str, str] = {
    "available": "available",
    "released": """CASE WHEN release_unknown THEN {show_unknown_release}
        ELSE coalesce(released <= CAST('{ds}' AS DATE), TRUE) END""",
    "not_blocked": "NOT list_contains([{blocked}]::VARCHAR[], item_id)",
}

# Over age_rating and regions of an item, age and country of a user (null where unknown): which may be recommended to
# whom.
USER_RULES: Mapping[str, str] = {
    "age": f"{MIN_AGE} <= CASE WHEN age BETWEEN 0 AND {OLDEST_USER} THEN age ELSE {{assumed_age}} END",
    "region": "(regions IS NULL OR list_contains(regions, coalesce(country, {assumed_country})))",
}
