"""Files as systems and people leave them: each ends in right rows, counted findings, or a refusal that helps."""

import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.sources.columns import readings
from jobs.sources.findings import Findings
from jobs.sources.folder import open_folder
from jobs.sources.options import Options
from schemas.eligibility import RATING_UNKNOWN

EVENTS = "user_id,item_id,kind,value,ts\n"
DAY = datetime(2024, 4, 30, tzinfo=UTC)
Rows = list[dict[str, Any]]


@pytest.fixture
def take(folder: Any) -> Callable[..., tuple[Rows, list[str]]]:
    """The rows and the findings of one file."""

    def call(name: str, content: str | bytes, **options: Any) -> tuple[Rows, list[str]]:
        form = "parquet" if ".parquet" in name else "jsonl" if ".jsonl" in name else "csv"
        return taken(folder({name: content}) / name, Options(form, **options))

    return call


def taken(path: Path, options: Options) -> tuple[Rows, list[str]]:
    with open_folder(path) as source:
        (reading,) = readings(source, options)
        findings = Findings()
        blocks = [block for block, _ in reading.rows(source, findings)]
    return pa.Table.from_batches(blocks).to_pylist() if blocks else [], list(findings)


def column(rows: Rows, *names: str) -> list[Any]:
    return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows]


def table(**columns: Any) -> bytes:
    packed = io.BytesIO()
    pq.write_table(pa.table(columns), packed)
    return packed.getvalue()


ROW = "u,i,rating,3,2024-04-30\n"


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("interactions.csv", (EVENTS + ROW).upper(), r"there is no column 'user_id'; it has: USER_ID,ITEM_ID"),
        ("interactions.csv", (EVENTS + ROW).replace(",", ";"), r"wrong delimiter: .* has ';'"),
        ("interactions.csv", (EVENTS + ROW).replace(",", "\t"), r"wrong delimiter: .* has '\\t'"),
        ("interactions.csv", '[{"user_id": "u"}]', "there is no column 'user_id'"),
        ("interactions.csv", "\n\n\n", "there is no column 'user_id'"),
        ("interactions.csv", "user_id,item_id,value,ts\nu,i,3,2024-04-30\n", "of which kind .* --kind"),
        ("interactions.csv.gz", gzip.compress(gzip.compress(b"x")), "packed with gzip twice, not text; unpack it once"),
        ("interactions.jsonl", '{"user_id": "u", "user_id": "v"}\n', "line 1: a key stands there twice"),
        ("interactions.jsonl", '{"user_id": "\\ud800"}\n', "line 1: .* surrogates not allowed"),
    ],
)
def test_a_message_names_the_cause_at_its_root(take: Any, name: str, content: Any, cause: str) -> None:
    with pytest.raises(InputError, match=cause):
        take(name, content)


def test_backslashes_before_quotes_and_delimiters_are_named_as_such(take: Any) -> None:
    own = EVENTS + ROW + '"a \\"b\\"","i","rating","3","2024-04-30"\n' + "a\\,b,i,rating,3,2024-04-30\n" + 'a"b,i\n'
    rows, findings = take("interactions.csv", own)
    assert [bool(row["unparsable"]) for row in rows] == [False, True, True, True]
    assert any(
        "backslash before them, which are rejected (if it escapes them: --escape '\\'): 2, first in line 3" in f
        for f in findings
    )
    assert any(f.startswith("more or fewer fields than the 5 columns: 1") for f in findings)


@pytest.mark.parametrize("content", [f"\ufeff\ufeff{EVENTS}{ROW}".encode(), f"{EVENTS}{ROW}".encode("utf-32")])
def test_marks_of_the_byte_order_are_no_text(take: Any, content: bytes) -> None:
    rows, _ = take("interactions.csv", content)
    assert column(rows, "user_id", "value", "ts") == [("u", 3.0, DAY)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_amid_joined_files_are_no_text(take: Any, encoding: str, end: str) -> None:
    joined = "item_id\na\n\ufeffb\nc\ufeffd\n".replace("\n", end)
    rows, findings = take("items.csv", joined.encode(encoding))
    assert (column(rows, "item_id", "line"), findings) == ([("a", 2), ("b", 3), ("c\ufeffd", 4)], [])
    rows, findings = take(
        "items.jsonl", '{"item_id": "a"}\n\ufeff{"item_id": "b"}\n'.replace("\n", end).encode(encoding)
    )
    assert (column(rows, "item_id"), findings) == (["a", "b"], [])


def test_lines_of_json_that_are_none_are_counted(take: Any) -> None:
    rows, findings = take("items.jsonl", '{"item_id": 1}\n\n{"item_id": 2},\n{"item_id": 3\n')
    assert column(rows, "item_id", "line") == [("1", 1), (None, 3), (None, 4)]
    assert any(
        f.startswith("lines that are no JSON object, or have a key twice, which are rejected: 2, first in line 3")
        for f in findings
    )


# Lines and quotes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", ""), ("utf-8", "\ufeff"), ("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff")]
)
def test_line_ends_marks_and_encodings(take: Any, end: str, mark: str, encoding: str) -> None:
    content = mark + end.join(["item_id,title", "1,é", "2,b", ""])
    rows, findings = take("items.csv", content.encode(encoding))
    assert column(rows, "item_id", "title", "line") == [("1", "é", 2), ("2", "b", 3)]
    assert findings == []


def test_utf_16_without_a_mark_is_named(take: Any) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(InputError, match=f"--encoding {encoding}"):
            take("items.csv", "item_id,title\n1,a\n".encode(encoding))
        rows, _ = take("items.csv", "item_id,title\n1,a\n".encode(encoding), encoding=encoding)
        assert column(rows, "title") == ["a"]


def test_an_encoding_that_needs_a_mark_is_named_where_there_is_none(take: Any) -> None:
    with pytest.raises(InputError, match="does not start with BOM; say --encoding utf-16-le, utf-16-be or another"):
        take("items.csv", "item_id,title\n1,abcde\n", encoding="utf-16")
    with pytest.raises(InputError, match="is not utf-32; name another --encoding"):
        take("items.csv", "item_id,title\n1,abcde\n", encoding="utf-32")


def test_a_text_over_several_lines_is_one_record_with_the_line_where_it_begins(take: Any) -> None:
    content = 'review_id,text,rating\n1,"one\ntwo, ""2""\r\nthree",5\n2,plain,4\n3,"a\n\nb",3\n'
    rows, findings = take("reviews.csv", content)
    assert column(rows, "review_id", "text", "rating", "line", "unparsable") == [
        ("1", 'one\ntwo, "2"\nthree', 5.0, 2, []),
        ("2", "plain", 4.0, 5, []),
        ("3", "a\n\nb", 3.0, 6, []),
    ]
    assert rows[0]["raw"] == '1,"one\ntwo, ""2""\nthree",5'
    assert findings == []


def test_a_quote_that_never_closes_spoils_its_own_line_alone(take: Any) -> None:
    rows, findings = take("items.csv", 'item_id,title\n1,"open\n2,b\n3,c\n4,"x"y\n5,"d"\n')
    assert column(rows, "item_id", "line") == [(None, 2), ("2", 3), ("3", 4), (None, 5), ("5", 6)]
    assert rows[0]["unparsable"]
    assert any("quotes that do not match (if quotes are letters in this file: --quote none): 2" in f for f in findings)


def test_quotes_as_letters_and_other_quotes(take: Any) -> None:
    content = 'item_id\ttitle\n1\t"Weird Al" Yankovic\n2\t"x\n'
    rows, findings = take("items.tsv", content, quote="")
    assert column(rows, "title", "unparsable") == [('"Weird Al" Yankovic', []), ('"x', [])]
    assert findings == []
    rows, _ = take("items.tsv", content)
    assert column(rows, "unparsable") == [rows[0]["unparsable"]] * 2 != [[], []]  # rejected, not guessed
    rows, _ = take("items.csv", "item_id,title\n1,'a, b'\n2,it''s\n", quote="'")
    assert column(rows, "title") == ["a, b", "it''s"]
    rows, _ = take("items.csv", 'item_id,title\n1,The 5" disc\n2,b\n')
    assert column(rows, "title") == ['The 5" disc', "b"]


def test_records_across_blocks(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "item_id,title\n" + "".join(f'{n},"line\n{n}, ""é"""\n' for n in range(200))
    place = folder({"items.csv": content})
    for size in (7, 64, 1000):
        monkeypatch.setattr("jobs.sources.folder.Stream.read", lambda self, size=size: self.plain.read(size))
        rows, findings = taken(place, Options("csv"))
        assert column(rows, "item_id", "title", "line") == [(str(n), f'line\n{n}, "é"', 2 + 2 * n) for n in range(200)]
        assert findings == []


def test_opened_quotes_do_not_cost_quadratic_time(take: Any) -> None:
    lines = 150_000  # each would look at all that follow it
    rows, _ = take("items.csv", "item_id,title\n" + 'x","y\n' * lines)
    assert len(rows) >= lines // 2


# Headers and records


def test_joined_files(take: Any) -> None:
    rows, findings = take(
        "interactions.csv", EVENTS + "u,i,play,1,1714435200\n" + "\ufeff" + EVENTS + "v,i,play,2,1714435200\n\n"
    )
    assert column(rows, "user_id", "line") == [("u", 2), ("v", 4)]
    assert findings[1:] == [
        "blank lines left out: 1, first in line 5",
        "repeated header lines left out: 1, first in line 3: 'user_id,item_id,kind,value,ts'",
    ]
    with pytest.raises(InputError, match="line 3: another header line, with its columns in another order"):
        take("items.csv", "item_id,title\n1,a\ntitle,item_id\nb,2\n")


def test_files_without_a_header_line(take: Any) -> None:
    rows, _ = take("items.csv", "1,a,x\n2,b,y\n", header=("item_id", "title", "more"))
    assert column(rows, "item_id", "title", "line") == [("1", "a", 1), ("2", "b", 2)]
    rows, _ = take("items.csv", "item_id,title\n1,a\n", header=("item_id", "title"))
    assert column(rows, "item_id") == ["1"]  # it has one after all
    with pytest.raises(InputError, match="no header line, name its columns with --columns"):
        take("items.csv", "1,a\n2,b\n")
    with pytest.raises(InputError, match=r"expected 2 columns \(item_id, title\), the first line has 3"):
        take("items.csv", "1,a,x\n", header=("item_id", "title"))
    with pytest.raises(InputError, match="a header line with its columns in another order than --columns gives"):
        take("items.csv", "title,item_id\na,1\n", header=("item_id", "title"))


def test_ragged_rows_are_rejected_and_counted(take: Any) -> None:
    rows, findings = take("items.csv", "item_id,title\n1\n2,b\n3,c,d\n")
    assert column(rows, "item_id", "line") == [(None, 2), ("2", 3), (None, 4)]
    assert findings == ["more or fewer fields than the 2 columns: 2, first in line 2: '1'"]


def test_what_spreadsheets_write(take: Any) -> None:
    rows, _ = take("items.csv", "sep=;\nitem_id;title\n1;a\n", delimiter=";")
    assert column(rows, "item_id", "line") == [("1", 3)]
    content = EVENTS.replace(",", ";") + "u;i;play;1.234,5;30.04.2024\nu;j;play;2,5;01.05.2024\n"
    rows, _ = take("interactions.csv", content, delimiter=";", decimal=",")
    assert column(rows, "value") == [1234.5, 2.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04....[Content_Types].xml", r"a workbook \(xlsx, ods\).*save it as CSV UTF-8"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\xd0\xcf\x11\xe0....", "an old Excel workbook"),
        (b"PAR1....", "a Parquet file.*encore import parquet"),
        (b"BZh9....", "packed with bzip2"),
        (b"\xfd7zXZ\0....", "packed with xz"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"<!DOCTYPE html><html>", "a web page"),
    ],
)
def test_other_files_under_the_name_csv(take: Any, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take("items.csv", content)


def test_gzip_under_the_name_csv_is_unpacked(take: Any) -> None:
    rows, _ = take("items.csv", gzip.compress(b"item_id\n1\n") + gzip.compress(b"2\n"))
    assert column(rows, "item_id") == ["1", "2"]


def test_json_that_is_not_lines(take: Any) -> None:
    with pytest.raises(InputError, match=r"a JSON array, .*jq -c"):
        take("items.jsonl", '[{"item_id": 1}]')
    with pytest.raises(InputError, match=r"one object over several lines"):
        take("items.jsonl", '{\n"item_id": 1\n}\n')


# Types


def test_columns_twice_are_refused_everywhere(take: Any) -> None:
    with pytest.raises(InputError, match="'item_id' stands there twice"):
        take("items.csv", "item_id,item_id\n1,2\n")
    packed = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["1"])] * 2, ["item_id", "item_id"]), packed)
    with pytest.raises(InputError, match="'item_id' stands there twice"):
        take("items.parquet", packed.getvalue())
    rows, _ = take("items.jsonl", '{"item_id": 1}\n{"item_id": 2, "item_id": 3}\n')
    assert column(rows, "item_id") == ["1", None]
    assert rows[1]["unparsable"]


@pytest.mark.parametrize(
    "values",
    [
        [{"name": "Drama"}],
        [[{"id": 18, "name": "Drama"}]],
        [[["a"]]],
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([1], pa.duration("s")),
        pa.array([1], pa.time32("s")),
    ],
)
def test_nested_columns_are_refused_by_name(take: Any, values: Any) -> None:
    with pytest.raises(InputError, match=r"the column 'genres' has the type"):
        take("items.parquet", table(item_id=["1"], genres=values))


def test_objects_in_json(take: Any) -> None:
    with pytest.raises(InputError, match=r"the column 'genres' holds objects"):
        take("items.jsonl", json.dumps({"item_id": 1, "genres": [{"id": 18, "name": "Drama"}]}))
    lines = [{"item_id": 1, "genres": ["a"], "title": "t"}, {"item_id": {"x": 1}, "genres": {"x": 1}, "title": "u"}]
    rows, findings = take("items.jsonl", "\n".join(map(json.dumps, lines)))
    assert column(rows, "item_id", "genres", "unparsable") == [("1", ["a"], []), (None, None, ["item_id"])]
    assert any(f.startswith("genres: lists with elements that are empty or no texts") for f in findings)


def test_what_decides_who_sees_an_item_and_cannot_be_read_shows_it_to_the_fewest(take: Any) -> None:
    items = [
        {"item_id": 1, "available": True, "regions": ["DE"], "age_rating": "6"},
        {"item_id": 2, "available": [[True]], "regions": [["DE"]], "age_rating": {"age": 6}},
    ]
    rows, findings = take("items.jsonl", "\n".join(map(json.dumps, items)))
    names = ("available", "regions", "age_rating", "unparsable")
    assert column(rows, *names) == [(True, ["DE"], "6", []), (False, [], "unreadable", [])]
    assert [finding.split(":")[0] for finding in findings] == ["available", "age_rating", "regions"]
    rows, _ = take("items.parquet", table(item_id=["1"], regions=pa.array([[b"\xff"]]), age_rating=pa.array([b"\xff"])))
    assert column(rows, "regions", "age_rating") == [([], "unreadable")]
    with duckdb.connect() as db:
        assert db.execute(f"SELECT {RATING_UNKNOWN} FROM (SELECT 'unreadable' AS age_rating)").fetchone() == (True,)


def test_ids_are_the_digits_of_the_file_in_every_form(take: Any) -> None:
    ids = ["12345678901234567890", "1e3", "007", "1.50"]
    rows, _ = take("items.csv", "item_id\n" + "\n".join(ids))
    assert column(rows, "item_id") == ids
    rows, _ = take(
        "items.jsonl", "\n".join(f'{{"item_id": {text}}}' for text in ("12345678901234567890", "1e3", '"007"', "7.0"))
    )
    assert column(rows, "item_id") == ["12345678901234567890", "1e3", "007", "7"]
    rows, _ = take("items.parquet", table(item_id=pa.array([2**64 - 1], pa.uint64())))
    assert column(rows, "item_id") == ["18446744073709551615"]
    rows, _ = take("items.parquet", table(item_id=[7.0, 1e300]))
    assert column(rows, "item_id", "unparsable") == [("7", []), (None, ["item_id"])]


@pytest.mark.parametrize("id", [" i", "i\u00a0", "\ti", "1.0", "12.00", "1.23457E+12", "=1"])
def test_ids_that_other_files_hardly_have_so_are_kept_and_shown(take: Any, id: str) -> None:
    rows, findings = take("items.csv", f"item_id,title\n7,x \n{id},1.0\n")
    assert column(rows, "item_id") == ["7", id]
    assert findings == [
        "item_id: ids with a space at an end, .0, = or 1.2E+12, which are kept so (of the first 10,000): 1, "
        f"first in line 3: {id!r}"
    ]
    assert take("items.csv", "item_id\n1.50\na b\n007\nv1.0\n")[1] == []


def test_parquet_types_that_only_store_otherwise(take: Any) -> None:
    rows, _ = take(
        "items.parquet",
        table(
            item_id=pa.array([b"a", b"\xff"]),
            title=pa.array(["x", None], pa.large_string()).dictionary_encode(),
            genres=pa.array([["d"], None], pa.large_list(pa.large_string())),
            released=pa.array([date(2024, 4, 30), None]),
            available=[False, None],
        ),
    )
    names = ("item_id", "title", "genres", "released", "available", "unparsable")
    assert column(rows, *names) == [
        ("a", "x", ["d"], DAY.date(), False, []),
        (None, None, None, None, True, ["item_id"]),
    ]


# Missing, empty, unknown

HOLES: Rows = [
    {"item_id": "missing"},
    {"item_id": "nothing", "regions": None},
    {"item_id": "empty", "regions": []},
    {"item_id": "hole", "regions": ["DE", None]},
    {"item_id": "unknown", "regions": ["Atlantis"]},
    {"item_id": "written", "regions": ["de", "GBR"]},
]
REGIONS = [None, None, [], ["DE"], [], ["DE", "GB"]]


def test_missing_empty_and_holes_stay_three_things_in_every_form(take: Any) -> None:
    lines = "\n".join(map(json.dumps, HOLES))
    packed = table(item_id=[row["item_id"] for row in HOLES], regions=[row.get("regions") for row in HOLES])
    cells = ["", "", "[]", "DE|", "Atlantis", "de|GBR"]
    text = "item_id,regions\n" + "\n".join(f"{row['item_id']},{cell}" for row, cell in zip(HOLES, cells, strict=True))
    for name, content in (("items.jsonl", lines), ("items.parquet", packed), ("items.csv", text)):
        rows, findings = take(name, content)
        assert column(rows, "regions") == REGIONS, name
        assert column(rows, "unparsable") == [[]] * 6
        (finding,) = findings
        assert finding.startswith(
            "regions: lists with elements that are no ISO 3166-1 codes, which are left out: 2, first in line "
        )


def test_list_separators(take: Any) -> None:
    rows, _ = take("items.csv", 'item_id,genres\n1,"a, b"\n2,c\n', list_separator=",")
    assert column(rows, "genres") == [["a", "b"], ["c"]]
    rows, _ = take(
        "items.jsonl", '{"item_id": 1, "genres": "a;b"}\n{"item_id": 2, "genres": ["c;d"]}', list_separator=";"
    )
    assert column(rows, "genres") == [["a", "b"], ["c;d"]]


@pytest.mark.parametrize(
    ("cell", "genres"),
    [
        ("['Action', 'Sci-Fi']", ["Action", "Sci-Fi"]),  # a Python list, as pandas writes it
        ("['Action' 'Sci-Fi']", ["Action", "Sci-Fi"]),  # a NumPy array
        ("{'b', 'a'}", ["a", "b"]),  # a set
        ('["Action", null, 3]', ["Action", "3"]),
        ('{Action,"Sci Fi",NULL,"a\\"b"}', ["Action", "Sci Fi", 'a"b']),  # PostgreSQL
        ("{}", []),
        ("[]", []),
        ("[{'id': 18, 'name': 'Drama'}, 'x']", ["x"]),  # objects are no texts
        ('{"name": "Drama"}', []),
        ("[untitled]", ["[untitled]"]),
        (r'["\ud800", "x"]', ["x"]),  # half a character
        (r"['C:\d']", [r"C:\d"]),  # no escape of Python's
        ("[" * 5000 + "]" * 5000, []),
        ("{{1,2},{3,4}}", []),  # a set of sets, an array of two dimensions
        ("{{a,b},{c,d}}", []),
        ("{{}}", []),
        ("{['a'],['b']}", []),
        ("[..., 'x', 1j, b'y', True, 2.5]", ["x", "true", "2.5"]),
        (f"[0x{'f' * 4000}, 'x']", ["x"]),  # more digits than Python writes
    ],
)
def test_lists_as_programs_print_them(take: Any, cell: str, genres: list[str]) -> None:
    quoted = cell.replace('"', '""')
    rows, _ = take("items.csv", f'item_id,genres,regions\n1,"{quoted}","[\'DE\']"\n')
    if genres or len(cell) < 100:
        assert column(rows, "genres") == [genres]
    assert column(rows, "regions", "unparsable") == [(["DE"], [])]


MARKERS = (r"\N", "NULL", "null", "nan", "NaN", "None", "NA", "N/A", "<NA>", "#N/A", "")


def test_null_markers_are_nobodys_id(take: Any) -> None:
    content = EVENTS + "".join(f"{marker},i,play,1,1714435200\n" for marker in MARKERS) + "Nanna,i,play,1,1714435200\n"
    rows, findings = take("interactions.csv", content)
    assert column(rows, "user_id") == [None] * len(MARKERS) + ["Nanna"]
    assert r"user_id: texts that stand for a missing value: 10, first in line 2: '\\N'" in findings
    lines = "\n".join(json.dumps({"item_id": marker, "title": marker}) for marker in MARKERS)
    rows, _ = take("items.jsonl", lines)
    assert column(rows, "item_id") == [None] * len(MARKERS)
    assert column(rows, "title") == [*MARKERS[:-1], None]  # JSON has a null of its own
    rows, _ = take("items.parquet", table(item_id=list(MARKERS)))
    assert column(rows, "item_id") == [None] * len(MARKERS)


def test_markers_where_they_mean_something(take: Any) -> None:
    rows, _ = take("items.csv", "item_id,title,regions\n1,None,NA\n2,NULL,\\N\n")
    assert column(rows, "title", "regions") == [("None", ["NA"]), (None, None)]
    rows, _ = take("users.csv", "user_id,country\nu,NA\n")
    assert column(rows, "country") == ["NA"]
    rows, _ = take("items.csv", "item_id,title\nNA,-\n2,NULL\n", nulls=("-",))
    assert column(rows, "item_id", "title") == [("NA", None), ("2", "NULL")]


def test_ages_and_countries_outside_of_what_can_be_are_unknown_and_counted(take: Any) -> None:
    rows, findings = take("users.csv", "user_id,age,country\na,-3,DE\nb,1984,XX\nc,2015,\nd,42,gb\n")
    assert column(rows, "age", "country", "unparsable") == [
        (None, "DE", []), (None, None, []), (None, None, []), (42, "GB", [])]  # fmt: skip
    assert findings == [
        "country: values that are no ISO 3166-1 codes, left out: 1, first in line 3: 'XX'",
        "age: values that are not ages from 0 to 120, left out: 3, first in line 2: '-3'",
    ]


def test_facts_that_cannot_be_read_are_dropped_and_counted_and_their_rows_stay(take: Any) -> None:
    content = "item_id,released,available\n1,2024-04-30,yes\n2,Q4 2024,perhaps\n3,нет данных,no\n"
    rows, findings = take("items.csv", content)
    assert column(rows, "released", "available", "unparsable") == [
        (DAY.date(), True, []), (None, False, []), (None, False, [])]  # fmt: skip
    assert column(rows, "release_unknown") == [False, True, True]
    assert "released: values that are not days, left out: 2, first in line 3: 'Q4 2024'" in findings
    rows, _ = take("items.csv", "item_id,released\n1,нет данных\n2,tba\n")
    assert column(rows, "item_id", "released", "release_unknown") == [("1", None, True), ("2", None, True)]
    rows, _ = take("items.csv", "item_id,released\n1,\n2,2024-04-30\n")
    assert column(rows, "released", "release_unknown") == [(None, None), (DAY.date(), False)]
    rows, findings = take("reviews.csv", "review_id,text,rating,ts\n1,good,five,yesterday\n")
    assert column(rows, "text", "rating", "ts", "unparsable") == [("good", None, None, [])]


def test_what_an_event_consists_of_rejects_its_row(take: Any) -> None:
    events = "u,i,play,many,2024-04-30\nu,i,play,1,2024-04-30\nu,i,play,1,soon\n"
    rows, findings = take("interactions.csv", EVENTS + events)
    assert column(rows, "unparsable") == [["value"], [], ["ts"]]
    assert sorted(findings)[1:] == [
        "ts: values that are not times, which reject their rows: 1, first in line 4: 'soon'",
        "value: values that are not numbers, which reject their rows: 1, first in line 2: 'many'",
    ]


@pytest.mark.parametrize(
    ("value", "time", "advice"),
    [
        ("3,5", "30.04.2024", r"'3,5' \(a comma before decimals\? csv: --decimal ,\)"),
        ("1.234,5", "30.04.2024", r"--decimal ,"),
        ("3", "2024-04-30 10:00 CET", r"the zone 'CET' is not read: write UTC or an offset as \+02:00"),
        ("3", "2024-04-30T10:00:00+02:00[Europe/Berlin]", r"the zone '\[Europe/Berlin\]' is not read"),
        ("3", "2024-04-30 10:00:00 UTC+2", r"the zone 'UTC\+2' is not read"),
    ],
)
def test_a_value_that_is_not_read_comes_with_what_to_do(take: Any, value: str, time: str, advice: str) -> None:
    good = "u;i;play;1;30.04.2024\n" if "." in time else "u;i;play;1;2024-04-30\n"
    content = EVENTS.replace(",", ";") + 3 * good + f"u;i;play;{value};{time}\n"
    _, findings = take("interactions.csv", content, delimiter=";")
    assert re.search(advice, "\n".join(findings))
    if value == "3":  # the only times
        with pytest.raises(InputError, match=advice):
            take("interactions.csv", f"{EVENTS}u,i,play,3,{time}\n")


@pytest.mark.parametrize(
    ("first", "second", "flags"),
    [
        ("1.0", "0.0", [True, False]),  # pandas, where a column of flags has holes
        ("1", "0", [True, False]),
        ("TRUE", "False", [True, False]),
        ("2", "0.5", [False, False]),  # unknown: hidden
    ],
)
def test_flags_as_systems_write_them(take: Any, first: str, second: str, flags: list[bool]) -> None:
    rows, _ = take("items.csv", f"item_id,title,available\n1,a,{first}\n2,b,{second}\n")
    assert column(rows, "available") == flags


def test_archives_and_folders_that_are_not_looked_into_are_named(folder: Any, tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    for member, cause in (("in.zip", r"in.zip: unpack it\. Rename"), ("a.txt", "it holds: a.txt. Rename")):
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(member, b"x")
        with pytest.raises(InputError, match=cause):
            taken(packed, Options("csv"))
    place = folder({"notes.txt": "x"})
    (place / "exports").mkdir()
    with pytest.raises(InputError, match=r"exports/: not looked into; give a folder's own path"):
        taken(place, Options("csv"))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("exports\\items.csv", "item_id\n1\n")
    rows, _ = taken(packed, Options("csv"))
    assert column(rows, "item_id", "file") == [("1", "items.csv")]
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/items.csv", "item_id\n1\n")
        archive.writestr("b/users.csv", "user_id\nu\n")
    with open_folder(packed) as source:
        assert {(one.file, one.table) for one in readings(source, Options("csv"))} == {
            ("a/items.csv", "items"), ("b/users.csv", "users")}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("plays.xlsx", "plays.xlsx: save its sheets as CSV UTF-8"),
        ("plays.ods", "plays.ods: save its sheets as CSV UTF-8"),
        ("interactions.csv.zst", "interactions.csv.zst: unpack it"),
        ("interactions.parquet.gz", "interactions.parquet.gz: unpack it"),
        ("app.sqlite", "app.sqlite: export it as csv or Parquet"),
    ],
)
def test_files_that_are_not_read_come_with_what_to_do(folder: Any, name: str, advice: str) -> None:
    place = folder({})
    with zipfile.ZipFile(place / name, "w") as archive:
        archive.writestr("mimetype" if name.endswith("ods") else "[Content_Types].xml", b"x")
    for path in (place, place / name) if name.startswith("plays") else (place,):
        with pytest.raises(InputError, match=re.escape(advice)):
            taken(path, Options("csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"item_id\n1\n", "this is text, no Parquet file; import it with `encore import csv` or `jsonl`"),
        (gzip.compress(b"PAR1"), "packed with gzip, which Parquet need not be; unpack it"),
        (b"ARROW1\0\0", "a Feather file, no Parquet file; convert it to Parquet"),
        (b"ORC\0\1", "an ORC file, no Parquet file; convert it to Parquet"),
        (b"PAR1\0\1\2\3", "truncated or damaged Parquet"),
    ],
)
def test_other_files_under_the_name_parquet(take: Any, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take("items.parquet", content)


def test_a_tar_archive_is_named_as_such(take: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("interactions.csv"))
    for name, content in (
        ("interactions.csv", packed.getvalue()),
        ("interactions.tgz", gzip.compress(packed.getvalue())),
    ):
        with pytest.raises(InputError, match="this is a tar archive, not text; unpack it and import the folder"):
            take(name, content, table="interactions")
