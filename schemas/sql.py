"""SQL as DuckDB and Spark both read it."""


def quote(text: str) -> str:
    """Quotes a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
