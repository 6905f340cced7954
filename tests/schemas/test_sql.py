"""Texts in SQL: whatever stands in them, they are one value."""

import duckdb
import pytest

from schemas.sql import quote


@pytest.mark.parametrize(
    "text", ["", "plain", "it's", "''", "'; DROP TABLE t; --", "\\", "\\'", '"', "$1 ? %s {x}", "a\nb", "\u200f'ü"]
)
def test_a_quoted_text_is_one_value(text: str) -> None:
    with duckdb.connect() as db:
        assert db.execute(f"SELECT {quote(text)}").fetchall() == [(text,)]
