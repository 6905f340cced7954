"""Tables as their readers rely on them: names, meanings, keys, partitions."""

import string
from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa
import pytest

from jobs.cleaning.judging import rules_of
from schemas import inputs
from schemas.domains import placeholders
from schemas.landing import LANDING, ORIGIN
from schemas.names import TABLES as NAMES
from schemas.table import PARTITION, Column, Table, by_name
from schemas.tables import TABLES
from tests.support.domains import MOVIES

EVERY = [*TABLES.values(), *LANDING.values()]


def table_id(table: Table) -> str:
    return f"{table.name}{'' if table.partition else '-landing'}"


every_table = pytest.mark.parametrize("table", EVERY, ids=table_id)
published = pytest.mark.parametrize("table", TABLES.values(), ids=table_id)
landed = pytest.mark.parametrize("table", LANDING.values(), ids=table_id)


def unique(names: Iterable[str]) -> bool:
    names = list(names)
    return len(names) == len(set(names))


def test_tables_and_names_agree() -> None:
    assert tuple(TABLES) == NAMES
    assert all(name == table.name for tables in (TABLES, LANDING) for name, table in tables.items())


def test_runs_are_published_last() -> None:
    assert NAMES[-1] == "runs"


@every_table
def test_everything_has_a_meaning(table: Table) -> None:
    parts = [table, *table.columns, *table.checks, *table.contracts]
    assert all(part.meaning.strip() for part in parts)
    assert all(part.meaning == part.meaning.strip() for part in parts)


@every_table
def test_names_stand_once(table: Table) -> None:
    assert unique(column.name for column in table.columns)
    assert unique(check.name for check in table.checks)
    assert unique(contract.name for contract in table.contracts)
    assert unique(table.key)


@every_table
def test_key_and_partition_are_columns(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert table.key
    assert set(table.key) <= set(names)
    assert set(table.partition) <= set(names)
    assert set(table.required) <= set(names)


@published
def test_a_row_says_whose_and_which_night_it_is(table: Table) -> None:
    assert tuple(column.name for column in table.columns[: len(table.partition)]) == table.partition
    assert table.partition[:2] == PARTITION
    assert {*table.partition} <= {*table.required}


@published
def test_what_has_no_null_in_its_key_is_required(table: Table) -> None:
    may_lack = {"ts", "delivery"}  # null where the source has no times, or before deliveries had numbers
    if table.name == "replaced":  # a log of two tables, each with its own key
        may_lack |= {"line", "review_id", "user_id", "item_id", "kind"}
    assert {*table.key} - may_lack <= {*table.required}


@every_table
def test_the_schema_carries_types_and_meanings(table: Table) -> None:
    schema: Mapping[str, pa.Field] = {field.name: field for field in table.schema}
    assert list(schema) == [column.name for column in table.columns]
    for column in table.columns:
        assert schema[column.name].type == column.type
        assert schema[column.name].metadata == {b"doc": column.meaning.encode()}
        assert schema[column.name].nullable


@landed
def test_landing_has_the_columns_of_its_table_and_the_origin(table: Table) -> None:
    assert table.columns[-len(ORIGIN) :] == ORIGIN
    assert not {*PARTITION} & {column.name for column in table.columns}
    if table.name in TABLES:
        own = TABLES[table.name]
        extra = {*table.columns} - {*own.columns} - {*ORIGIN}
        assert {column.name for column in extra} <= {"item_link"}
        assert table.checks == own.checks


@every_table
def test_checks_use_known_placeholders(table: Table) -> None:
    known = placeholders(MOVIES, "2018-09-24")
    for check in table.checks:
        used = {name for _, name, _, _ in string.Formatter().parse(check.violation) if name}
        assert used <= set(known), check.name


def test_required_lists_the_columns_that_are_never_null() -> None:
    columns = (Column("a", pa.string(), "one", required=True), Column("b", pa.int64(), "two"))
    table = Table("t", "a table", columns, key=("a",))
    assert table.required == ("a",)
    assert table.partition == ("domain", "ds")
    assert by_name(table) == {"t": table}


@pytest.mark.parametrize(("length", "bad"), [(0, True), (1, False), (512, False), (513, True)])
def test_ids_have_1_to_512_bytes(length: int, bad: bool) -> None:
    missing, too_long = (check.violation.format() for check in inputs.id_checks("id"))
    row = duckdb.sql(f"SELECT ({missing}) OR ({too_long}) FROM (SELECT repeat('x', {length}) AS id)").fetchone()
    assert row == (bad,)


INVISIBLE = (
    "",
    " ",
    "\t",
    "\0",
    "\u00a0",
    "\u00ad",
    "\u200b",
    "\u202e",
    "\u2060\u3000",
    "\u3164",
    "\ufeff",
    "\U000e0041",
)


@pytest.mark.parametrize(
    "text", [*INVISIBLE, *(f"{text}é" for text in INVISIBLE), "0", "~", "👩\u200d👧", "מזהה", "\ud7ff"]
)
def test_a_text_without_a_visible_character_is_missing(text: str) -> None:
    row = {"user_id": text, "item_id": "i", "review_id": text, "text": text}
    for table, names in (("users", ["user_id_missing"]), ("reviews", ["review_id_missing", "text_missing"])):
        rules = rules_of(table, placeholders(MOVIES, "2018-09-24"), items=None)
        given = [{name: row.get(name) for name in LANDING[table].schema.names}]
        (bits,) = rules.judge(pa.Table.from_pylist(given, LANDING[table].schema))
        assert [name for name in rules.reasons(int(bits)) if "missing" in name] == (names if text in INVISIBLE else [])
