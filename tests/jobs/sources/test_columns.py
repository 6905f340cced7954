"""Files of anybody: the same rows from csv, JSON Lines and Parquet, by the tables' own names or mapped ones."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.sources.columns import readings
from jobs.sources.options import Options

TIME = datetime(2018, 9, 24, 10, 0, tzinfo=UTC)
MAPPED = {"user_id": "who", "item_id": "what", "value": "stars", "ts": "at"}
OWN = ("user_id", "item_id", "kind", "value", "ts", "ordinal", "unparsable")


def mapped(format: str, **other: Any) -> Options:
    return Options(format, **({"table": "interactions", "columns": MAPPED, "kind": "rating"} | other))


def values(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


@pytest.fixture
def parquet(folder: Any) -> Any:
    def write(name: str, columns: dict[str, Any]) -> Any:
        place = folder({})
        pq.write_table(pa.table(columns), place / name)
        return place

    return write


def test_csv_with_mapped_columns(folder: Any, read: Any) -> None:
    place = folder({"x.csv": "who,what,stars,at,more\nü,i,4.5,2018-09-24T10:00:00,?\nu,,x,soon,?\n"})
    rows = read(readings, place, mapped("csv"))["x.csv"]
    assert values(rows, *OWN) == [
        ("ü", "i", "rating", 4.5, TIME, None, []),
        ("u", None, "rating", None, None, None, ["value", "ts"]),
    ]


def test_other_delimiters_and_encodings(folder: Any, read: Any) -> None:
    place = folder({"x.csv": "who;what;stars;at\n\u00fc;i;4;1537783200\n".encode("latin-1")})
    (row,) = read(readings, place, mapped("csv", delimiter=";", encoding="latin-1"))["x.csv"]
    assert row["user_id"] == "ü"


def test_a_file_that_is_named_itself_may_have_any_suffix(folder: Any, read: Any) -> None:
    place = folder({"x.data": "who\twhat\tstars\tat\nu\ti\t4\t1537783200\n"})
    assert len(read(readings, place / "x.data", mapped("csv", delimiter="\t"))["x.data"]) == 1


def test_json_lines_with_mapped_columns(folder: Any, read: Any) -> None:
    lines = [
        json.dumps({"who": "ü", "what": 7, "stars": 4.5, "at": 1537783200}),
        json.dumps({"who": "u", "stars": "x"}),
        '{"who": "u"',
        "[1]",
        '{"who": "\\ud800"}',
    ]
    rows = read(readings, folder({"x.jsonl": "\n".join(lines)}), mapped("jsonl"))["x.jsonl"]
    every = list(MAPPED)
    assert values(rows, *OWN) == [
        ("ü", "7", "rating", 4.5, TIME, None, []),
        ("u", None, "rating", None, None, None, ["value"]),
        *[(None, None, "rating", None, None, None, [*every, "ordinal"])] * 3,
    ]
    assert values(rows, "raw", "line") == [(line, n) for n, line in enumerate(lines, start=1)]


def test_parquet_with_mapped_columns(parquet: Any, read: Any) -> None:
    times = pa.array([TIME, None], pa.timestamp("ns", tz="Europe/Berlin"))
    place = parquet(
        "x.parquet", {"who": ["ü", None], "what": [7, 8], "stars": [4.5, None], "at": times, "more": [{"a": 1}, None]}
    )
    rows = read(readings, place, mapped("parquet"))["x.parquet"]
    assert values(rows, *OWN) == [
        ("ü", "7", "rating", 4.5, TIME, None, []),
        (None, "8", "rating", None, None, None, []),
    ]
    assert values(rows, "line", "raw")[0] == (1, "ü\t7\t4.5\t2018-09-24 12:00:00.000000+0200")


ITEM = {"item_id": "i", "title": 'A "B"', "genres": ["x", "y"], "released": "1995-11-22", "available": False}


def test_items_named_after_their_table(folder: Any, read: Any, parquet: Any) -> None:
    expected = [("i", 'A "B"', ["x", "y"], date(1995, 11, 22), False, [])]
    own = ("item_id", "title", "genres", "released", "available", "unparsable")
    text = 'item_id,title,genres,released,available\ni,"A ""B""",x|y,1995-11-22,false\n'
    assert values(read(readings, folder({"items.csv": text}), Options("csv"))["items.csv"], *own) == expected
    lines = read(readings, folder({"items.jsonl": json.dumps(ITEM)}), Options("jsonl"))["items.jsonl"]
    assert values(lines, *own) == expected
    place = parquet("items.parquet", {name: [value] for name, value in ITEM.items()})
    assert values(read(readings, place, Options("parquet"))["items.parquet"], *own) == expected


def test_items_are_available_unless_said_otherwise(folder: Any, read: Any) -> None:
    place = folder(
        {"items.csv": "item_id\na\n", "items.jsonl": '{"item_id": "b"}\n{"item_id": "c", "available": false}\n'}
    )
    assert values(read(readings, place, Options("csv"))["items.csv"], "item_id", "available") == [("a", True)]
    rows = read(readings, place, Options("jsonl"))["items.jsonl"]
    assert values(rows, "item_id", "available") == [("b", True), ("c", False)]


def test_the_demo_has_files_of_every_format_and_others_beside(folder: Any, read: Any) -> None:
    files = {
        "interactions.csv": "user_id,item_id,kind,value,ts\nu,i,play,2,1537783200\n",
        "items.jsonl": json.dumps(ITEM),
        "users.csv.gz": "user_id,segment,country,age\nu,new,DE,35\n",
        "reviews.jsonl": '{"review_id": "r", "user_id": "u", "text": "good", "rating": 4, "ts": 1537783200}',
        "playlists.jsonl": "{}",
        "README.txt": "",
    }
    result = read(readings, folder(files), Options("demo"))
    assert sorted(result) == ["interactions.csv", "items.jsonl", "reviews.jsonl", "users.csv.gz"]
    assert values(result["users.csv.gz"], "user_id", "segment", "country", "age") == [("u", "new", "DE", 35)]
    assert values(result["reviews.jsonl"], "text", "rating", "ts", "sentiment") == [("good", 4.0, TIME, None)]
    assert all(row["unparsable"] == [] for rows in result.values() for row in rows)


@pytest.mark.parametrize(
    ("file", "text", "options", "message"),
    [
        ("x.csv", "who,what,stars\n", mapped("csv"), "no column 'at'; it has: who,what,stars"),
        ("x.csv", "who;what;stars;at\n", mapped("csv"), "wrong delimiter: .* has ';'"),
        (
            "x.jsonl",
            '{"who": "u", "what": "i", "stars": 1}\n',
            mapped("jsonl"),
            "no column 'at'; it has: who, what, stars",
        ),
        ("x.jsonl", "who,what,stars,at\n", mapped("jsonl"), "no JSON object a line"),
        (
            "x.parquet",
            "who,what,stars,at\n",
            mapped("parquet"),
            "this is text, no Parquet file; import it with `encore import csv`",
        ),
        ("x.csv", "a,b\n", Options("csv"), r"no csv file named after a table .* it holds: x\.csv"),
        ("interactions.csv", "user_id,item_id\nu,i\n", Options("csv"), "name the kind with --kind"),
        ("items.csv", "title\nt\n", Options("csv"), "no column 'item_id'"),
        (
            "x.csv",
            "a,b\n",
            Options("csv", table="items", columns={"item": "a"}),
            "items has no column 'item'; it has: item_id",
        ),
        ("x.csv", "a,b\n", Options("csv", table="items", kind="rating"), "--kind is for interactions"),
    ],
)
def test_wrong_files_and_options(folder: Any, read: Any, file: str, text: str, options: Options, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(readings, folder({file: text}), options)


def test_wrong_parquet(parquet: Any, read: Any, folder: Any) -> None:
    with pytest.raises(InputError, match="no column 'at'; it has: who, what, stars"):
        read(readings, parquet("x.parquet", {"who": ["u"], "what": ["i"], "stars": [1]}), mapped("parquet"))
    place = parquet("x.parquet", {"who": [{"a": 1}], "what": ["i"], "stars": [1], "at": [1]})
    with pytest.raises(InputError, match="the column 'who' has the type struct"):
        read(readings, place, mapped("parquet"))
    whole = (place / "x.parquet").read_bytes()
    with pytest.raises(InputError, match=r"x\.parquet: truncated or damaged Parquet"):
        read(readings, folder({"x.parquet": whole[: len(whole) // 2]}), mapped("parquet"))
    dense = {name: pa.repeat(1, 1_500_000) for name in MAPPED.values()}
    place = parquet("x.parquet", dense)
    with pytest.raises(InputError, match="a bomb"):
        read(readings, place, mapped("parquet"))


def test_a_time_format_is_for_the_tables_that_have_the_column(folder: Any, read: Any) -> None:
    place = folder(
        {"interactions.csv": "user_id,item_id,kind,value,ts\nu,i,play,1,01/02/2024\n", "users.csv": "user_id\nu\n"}
    )
    result = read(readings, place, Options("csv", time_formats={"ts": "month-day-year"}))
    assert result["interactions.csv"][0]["ts"] == datetime(2024, 1, 2, tzinfo=UTC)
    with pytest.raises(InputError, match=r"--time-format released=…: no table here .* there are: ts"):
        read(readings, place, Options("csv", time_formats={"released": "iso"}))
