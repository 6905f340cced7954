r"""Null markers: texts that stand for a missing value, as databases, pandas and R write it (\N, NULL, nan, None, NA).

Which texts are markers depends on what a column holds. An id is never one of them. Text may say None or NA in earnest,
and NA is a country, so there fewer count. A list of regions that says `none` is not taken for no list, which would
be everywhere. Files that have a null of their own (JSON, Parquet) and the known data sets
have no markers in their texts. Empty text is always a missing value.
"""

from collections.abc import Callable
from functools import cache

import pyarrow as pa

_ALWAYS = (r"\N", "NULL", "Null", "null", "<NULL>", "<null>", "(null)", "<NA>", "#N/A", "NaN", "nan", "NAN", "NaT")
_RARELY = ("None", "none", "NONE", "nil", "undefined", "N/A", "n/a", "NA", "na", "-nan")
TEXTS = ("title", "description", "text", "segment", "genres", "tags", "links", "poster", "age_rating")
REGIONS, COUNTRY = "regions", "country"


def of_text_files(column: str) -> pa.Array:
    """The markers of a landing column in delimited text."""
    if column in (*TEXTS, REGIONS):
        return _array(_ALWAYS)
    return _array(_ALWAYS + (_RARELY[:-3] if column == COUNTRY else _RARELY))


def of_known_formats(column: str) -> pa.Array:
    """Those in files with a null of their own and in known data sets: none in texts."""
    return _array(()) if column in TEXTS else of_text_files(column)


def markers(form: str, named: tuple[str, ...] | None) -> Callable[[str], pa.Array]:
    """Those that the user named, for all columns; else those of the form."""
    if named is not None:
        return lambda column: _array(named)
    return of_text_files if form == "csv" else of_known_formats


@cache
def _array(texts: tuple[str, ...]) -> pa.Array:
    return pa.array(texts, pa.string())
