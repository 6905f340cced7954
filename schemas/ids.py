"""Checks of external ids and texts: there, visible, and not too long."""

from schemas.table import Check

ID_BYTES = 512
# Spaces, control and formatting characters, and letters without a shape: a text of these alone says nothing.
_SHAPELESS = r"\x{{34F}}\x{{115F}}\x{{1160}}\x{{2800}}\x{{3164}}\x{{FE00}}-\x{{FE0F}}\x{{FFA0}}"
_INVISIBLE = rf"[\s\p{{{{Z}}}}\p{{{{Cc}}}}\p{{{{Cf}}}}{_SHAPELESS}]*"

INVISIBLE = _INVISIBLE.replace("{{", "{").replace("}}", "}")  # the expression itself, of RE2


def says_nothing(column: str) -> str:
    """Whether a text is absent or has no visible character; most texts show that they have by their first one."""
    unusual = f"({column} < '!' OR {column} > '~')"
    return f"{column} IS NULL OR ({unusual} AND regexp_full_match({column}, '{_INVISIBLE}'))"


def id_checks(column: str) -> tuple[Check, ...]:
    """An external id is there, has a visible character, and is not longer than ID_BYTES bytes of UTF-8."""
    return (
        Check(f"{column}_missing", says_nothing(column), f"`{column}` is absent, empty or invisible"),
        Check(f"{column}_too_long", f"strlen({column}) > {ID_BYTES}", f"`{column}` is over {ID_BYTES} bytes"),
    )
