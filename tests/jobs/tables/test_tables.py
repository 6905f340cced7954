"""`encore tables`: what people and programs get on the terminal, from a really published warehouse."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.catalog import Tables
from schemas.names import TABLES
from schemas.tables import TABLES as STATED
from tests.support.fakes import DS, USERS, fake_night, publish_words

Captured = pytest.CaptureFixture[str]
Say = Callable[..., str]
QUERY = "SELECT user_id, rank, item_id FROM latest.recommendations ORDER BY ALL"
ROWS = [(user, rank, item) for user in sorted(USERS) for rank, item in ((1, "n1"), (2, 'n"2'), (3, "n3"))]


def output(capsys: Captured, *words: str) -> str:
    """What `encore tables …` prints; the exit code must be 0."""
    capsys.readouterr()
    assert main(["tables", *words]) == 0
    return capsys.readouterr().out


@pytest.fixture
def say(shared: Settings, capsys: Captured) -> Say:
    """Runs `encore tables …` on the shared warehouse and returns what it prints."""
    return partial(output, capsys)


def cells(grid: str) -> list[list[str]]:
    """The rows of a printed grid, without its head."""
    return [[cell.strip() for cell in line.split("│")] for line in grid.splitlines() if "│" in line]


def test_ls_counts_every_table(say: Say) -> None:
    counts = {name: (int(rows), int(latest)) for name, rows, latest in cells(say("ls"))}
    assert tuple(counts) == TABLES
    assert counts["recommendations"] == (12, 12)
    assert counts["interactions"] == (8, 8)
    assert counts["runs"] == (1, 1)


def test_ls_tells_all_rows_from_the_last_night(published: Settings, capsys: Captured) -> None:
    fake_night(published, 2, ds="2026-11-21", run="next")
    assert main(publish_words("next", ds="2026-11-21")) == 0
    counts = {name: (int(rows), int(latest)) for name, rows, latest in cells(output(capsys, "ls"))}
    assert counts["recommendations"] == (24, 12)
    assert counts["interactions"] == (16, 16)
    assert counts["runs"] == (2, 1)


def test_show_tells_every_column_with_its_meaning(say: Say) -> None:
    message = say("show", "recommendations")
    assert "What to recommend to each user, best first." in message
    assert "key: domain, ds, user_id, rank" in message
    for column in STATED["recommendations"].columns:
        assert column.name in message


def test_show_metadata_is_an_address_that_other_readers_take(say: Say) -> None:
    address = say("show", "recommendations", "--metadata").rstrip("\n")
    assert address.endswith(".metadata.json")
    assert pl.scan_iceberg(address).select(pl.len()).collect().item() == 12


def test_sql_as_a_table_keeps_every_sign(say: Say) -> None:
    assert cells(say("sql", QUERY)) == [[user, str(rank), item] for user, rank, item in ROWS]
    [[because, missing]] = cells(say("sql", "SELECT DISTINCT because, NULL FROM latest.recommendations"))
    assert (because, missing) == ("because you watched [bold]it", "")


def test_sql_as_csv(say: Say) -> None:
    head, *rows = csv.reader(io.StringIO(say("sql", QUERY, "--format", "csv")))
    assert head == ["user_id", "rank", "item_id"]
    assert [(user, int(rank), item) for user, rank, item in rows] == ROWS


def test_sql_as_json_has_numbers_lists_dates_and_nulls(say: Say) -> None:
    query = """SELECT item_id, genres, released, description, count(*) AS n, sum(rank) AS s, 'nan'::double AS odd
               FROM latest.items JOIN latest.recommendations USING (item_id) WHERE item_id = 'n"2' GROUP BY ALL"""
    assert json.loads(say("sql", query, "--format", "json")) == [
        {
            "item_id": 'n"2',
            "genres": ["a", "b"],
            "released": DS,
            "description": None,
            "n": 4,
            "s": 8,
            "odd": None,
        }
    ]


def test_sql_as_csv_writes_lists_as_json_and_keeps_columns_of_one_name(say: Say) -> None:
    head, row = csv.reader(io.StringIO(say("sql", "SELECT ['a', 'ü'] AS x, 1 AS y, 2 AS y", "--format", "csv")))
    assert len(head) == 3
    assert row == ['["a", "ü"]', "1", "2"]


def test_sql_as_json_refuses_columns_of_one_name(published: Settings, capsys: Captured) -> None:
    assert main(["tables", "sql", "SELECT 1 AS y, 2 AS y", "--format", "json"]) == 2
    assert "several columns of the query are named 'y'" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "table"])
def test_sql_into_a_file(say: Say, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"out.{form}"
    assert say("sql", QUERY, "--format", form, "--output", str(file)) == ""
    if form == "table":
        rows = [(user, int(rank), item) for user, rank, item in cells(file.read_text())]
    else:
        read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}[form]
        rows = read(file).rows()
    assert rows == ROWS


def test_times_are_utc_wherever_the_reader_lives(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    query = "SELECT DISTINCT ts, ts::date AS day FROM latest.interactions"
    assert json.loads(say("sql", query, "--format", "json")) == [{"ts": f"{DS} 12:00:00+00:00", "day": DS}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("SELECT nothing FROM latest.items",), 'Referenced column "nothing" not found'),
        (("SELEC 1",), 'syntax error at or near "SELEC"'),
        (("FROM nowhere",), "Table with name nowhere does not exist"),
        (("SELECT 'a'::int",), "Could not convert string 'a' to INT32"),
        (("",), "sql takes one query"),
        (("SELECT 1; SELECT 2",), "sql takes one query"),
        (("COPY (SELECT 1) TO 'made.csv'",), "sql takes one query"),
        (("EXPLAIN ANALYZE COPY (SELECT 1) TO 'made.csv'",), "sql takes one query"),
        (("CREATE TABLE t AS SELECT 1",), "sql takes one query"),
        (("ATTACH 'made.db'",), "sql takes one query"),
        (("SELECT 1", "--format", "parquet"), "--format parquet needs --output FILE"),
        (("SELECT 1", "--format", "csv", "--output", "no/such/folder/x.csv"), "--output no/such/folder/x.csv"),
        (("SELECT 1", "--format", "parquet", "--output", "no/such/folder/x"), "--output no/such/folder/x"),
    ],
)
def test_wrong_sql_is_told_in_duckdbs_words_and_writes_nothing(
    shared: Settings,
    capsys: Captured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["tables", "sql", *words]) == 2
    errors = capsys.readouterr().err
    assert "error: " in errors
    assert message in errors
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    "source",
    [
        "read_text('{}')",
        "'{}'",
        "read_csv('{}')",
        "glob('{}')",
        "sniff_csv('{}')",
        "read_blob('/etc/passwd')",
        "parquet_metadata('{}')",
        "iceberg_metadata('{}')",
        "sqlite_scan('{}', 'items')",
        "read_parquet('http://127.0.0.1:9/x.parquet')",
        "read_text('{warehouse}/../secret.csv')",
        "read_text('file://{warehouse}/tables/../../secret.csv')",
        "settings",
    ],
)
def test_sql_reads_nothing_but_the_tables(shared: Settings, capsys: Captured, tmp_path: Path, source: str) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("password\nopen sesame\n")
    warehouse = shared.warehouse.removeprefix("file://")
    Path(warehouse, "..", "secret.csv").write_text(file.read_text())
    quoted = warehouse.replace("'", "''")
    query = f"FROM {source.format(file, warehouse=quoted)}"
    assert main(["tables", "sql", query]) == 2
    printed = capsys.readouterr()
    assert "sesame" not in printed.out + printed.err
    assert printed.err.startswith("error: ")


def test_sql_reads_other_files_where_it_is_asked_to(shared: Settings, say: Say, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("item_id\nn1\n")
    query = f"SELECT count(*) AS n FROM latest.recommendations SEMI JOIN '{tmp_path}/new.csv' USING (item_id)"
    assert json.loads(say("sql", query, "--any-file", "--format", "json")) == [{"n": len(USERS)}]


def test_sql_names_the_option_that_lets_it_read_files(shared: Settings, capsys: Captured) -> None:
    assert main(["tables", "sql", "FROM read_text('/etc/passwd')"]) == 2
    assert "with --any-file other files too" in capsys.readouterr().err


def test_history_is_newest_first(published: Settings, capsys: Captured) -> None:
    fake_night(published, 2, run="another")
    assert main(publish_words("another")) == 0
    fake_night(published, 3, domain="music", run="first")
    assert main(publish_words("first", domain="music")) == 0
    assert main(["tables", "rollback", "--domain", "movies", "--ds", DS, "--to", "first"]) == 0
    rows = cells(output(capsys, "history", "--domain", "movies"))
    assert [row[:6] for row in rows] == [
        ["movies", DS, "rollback-3", "rollback to first", "complete", "3"],
        ["movies", DS, "another", "manual", "complete", "2"],
        ["movies", DS, "first", "manual", "complete", "1"],
    ]
    assert rows[0][6].startswith("1 files, 1 rejected, 1 held, 1 replaced, 8 interactions, ")
    assert "12 recommendations" in rows[0][6]
    assert len(cells(output(capsys, "history"))) == 4


@pytest.mark.parametrize("words", [("ls",), ("show", "items"), ("sql", "SELECT 1"), ("history",)])
def test_without_a_warehouse(config: Settings, capsys: Captured, words: tuple[str, ...]) -> None:
    assert main(["tables", *words]) == 2
    assert capsys.readouterr().err == (
        f"error: warehouse {config.warehouse}: nothing published there yet; run a night or set ENCORE_WAREHOUSE\n"
    )


def test_a_warehouse_of_a_newer_format_is_not_touched(published: Settings, capsys: Captured) -> None:
    file = Path(published.warehouse.removeprefix("file://")) / "format.json"
    file.write_text('{"format": 3}')
    for words in (["tables", "ls"], ["report", "--domain", "movies"], publish_words("first")):
        code = main(words)
        message = capsys.readouterr().err.splitlines()[-1]
        assert code == 2, words
        assert message.endswith("format.json: format 3 is newer than 2, which this Encore reads; upgrade Encore")


def test_tables_that_are_missing_read_as_empty(published: Settings, capsys: Captured) -> None:
    """A warehouse of an older Encore, or one whose first night was killed while it made the tables."""
    Tables(published).catalog.drop_table("encore.user_similarity")
    counts = {name: rows for name, rows, _ in cells(output(capsys, "ls"))}
    assert (counts["user_similarity"], counts["items"]) == ("0", "5")
