"""Delimited text as databases, spreadsheets and programs write it, against what they mean."""

from typing import Any

import pytest

from jobs.cli import main
from jobs.errors import InputError
from jobs.imports import parser
from jobs.sources.columns import readings
from jobs.sources.findings import Findings
from jobs.sources.folder import open_folder
from jobs.sources.lines import MAX_LINE_BYTES
from jobs.sources.options import Options, given_options

MYSQL = [
    ('a "b"', "i"),
    ("a\nb", "i"),
    ("a\tb", "back\\slash"),
    ("a,b", "\\"),
    (None, "i"),
    ("cr\rlf", "\x1a\b"),
    ("\ufdd0x", "i"),
]


@pytest.fixture
def read(folder: Any) -> Any:
    """(columns asked for, line) of every row, whether it is rejected, and the findings."""

    def call(content: str, *names: str, file: str = "items.csv", **options: Any) -> Any:
        with open_folder(folder({file: content}) / file) as source:
            (reading,) = readings(source, Options("csv", **options))
            findings = Findings()
            rows = [row for block, _ in reading.rows(source, findings) for row in block.to_pylist()]
        return [tuple(row[name] for name in names) for row in rows], rows, list(findings)

    return call


def mysql(cell: str | None, delimiter: str, quote: str) -> str:
    """What SELECT … INTO OUTFILE writes, after MySQL's manual: the escape before itself, delimiter, quote, LF, NUL."""
    if cell is None:
        return r"\N"
    special = {"\\", quote or "\\", delimiter, "\n"}
    return quote + "".join(f"\\{c}" if c in special else c for c in cell) + quote


def postgres(cell: str | None) -> str:
    """What COPY … TO writes, after PostgreSQL's manual."""
    if cell is None:
        return r"\N"
    letters = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\"}
    return "".join(f"\\{letters[c]}" if c in letters else c for c in cell)


@pytest.mark.parametrize(
    ("write", "delimiter", "quote"),
    [
        (lambda cell: mysql(cell, "\t", ""), "\t", ""),
        (lambda cell: mysql(cell, ",", '"'), ",", '"'),
        (lambda cell: mysql(cell, ";", "'"), ";", "'"),
        (postgres, "\t", ""),
    ],
)
@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_escapes_mean_what_the_database_wrote(
    read: Any, write: Any, delimiter: str, quote: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.sources.folder.Stream.read", lambda self, size=0: self.plain.read(block))
    lines = [delimiter.join(map(write, (str(n), *row))) + "\n" for n, row in enumerate(MYSQL)]
    options = {"header": ("item_id", "title", "description"), "delimiter": delimiter, "quote": quote}
    result, rows, _ = read("".join(lines), "title", "description", "unparsable", escape="\\", **options)
    clean = [(title and title.replace("\ufdd0", "\ufffd"), text, []) for title, text in MYSQL]
    assert result == clean
    starts = [1 + "".join(lines[:n]).count("\n") for n in range(len(lines))]
    assert [row["line"] for row in rows] == starts
    assert rows[3]["raw"] == lines[3][:-1]  # as it stands in the file


def test_without_the_option_a_backslash_is_a_letter_and_what_to_say_is_shown(read: Any) -> None:
    result, _, findings = read('item_id,title\n1,C:\\new\n2,"a \\"b\\""\n', "title", "unparsable")
    assert result[0] == ("C:\\new", [])
    assert result[1][1]
    assert any("if it escapes them: --escape '\\')" in finding for finding in findings)


PADDED = [("1", "a, b"), ("2", None), ("3", "c d")]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ('item_id, title\n1, "a, b"\n2, NULL\n3,  c d \n', {}),
        ('"item_id" , "title"\n"1" , "a, b"\n"2" , NULL\n"3" , "c d"\n', {}),
        ('item_id ,title\n1 ,"a, b"\n2 ,NULL\n3 , c d\n', {}),
        (" item_id | title \n---------+-------\n 1       | a, b\n 2       |\n 3       | c d\n(3 rows)\n",
         {"delimiter": "|"}),
        ("| item_id | title |\n|---|:--|\n| 1 | a, b |\n| 2 | NULL |\n| 3 | c d |\n", {"delimiter": "|"}),
        ("+---+----+\n| item_id | title |\n+---+----+\n| 1 | a, b |\n| 2 | NULL |\n| 3 | c d |\n+---+----+\n",
         {"delimiter": "|"}),
    ],
)  # fmt: skip
def test_spaces_around_all_fields_are_no_text(read: Any, content: str, options: Any) -> None:
    result, rows, findings = read(content, "item_id", "title", **options)
    assert result == PADDED
    assert all(not row["unparsable"] for row in rows)
    assert "fields: spaces around fields, as in the header line, which are left away" in findings


def test_spaces_that_the_header_line_does_not_have_are_text(read: Any) -> None:
    result, _, _ = read("item_id,title\n 1, a\n", "item_id", "title")
    assert result == [(" 1", " a")]
    result, _, _ = read("item_id,title\n--,--\n", "item_id", "title")
    assert result == [("--", "--")]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("item_id,title\n1,a,\n2,\"b\",\n3,c,d\n4,e\n", ()),
        ("1,a,\n2,\"b\",\n3,c,d\n4,e\n", ("item_id", "title")),
        ("item_id,title,\n1,a\n2,\"b\"\n3,c,d\n4,e,,\n", ()),
    ],
)  # fmt: skip
def test_a_delimiter_behind_the_last_field(read: Any, content: str, header: tuple[str, ...]) -> None:
    result, _, findings = read(content, "item_id", "title", "unparsable", header=header)
    assert result[:2] == [("1", "a", []), ("2", "b", [])]
    assert all(row[2] for row in result[2:])  # one field more or less is no habit
    assert any(finding.startswith("more or fewer fields than the 2 columns: 2") for finding in findings)


def test_row_names_without_a_header_as_r_writes(read: Any) -> None:
    content = '"item_id" "title"\n"1" "x" "a"\n"2" "y" "b"\n'
    result, _, findings = read(content, "item_id", "unparsable", delimiter=" ")
    assert all(row[1] for row in result)
    assert any("if it begins with a row name, as R writes, name all fields with --columns" in f for f in findings)
    result, _, _ = read(content, "item_id", "title", delimiter=" ", header=("row", "item_id", "title"))
    assert result == [("x", "a"), ("y", "b")]


def test_records_of_several_mib(read: Any) -> None:
    text = "\n".join("x" * 99 for _ in range(30_000))
    content = f'item_id,title\n1,"{text}"\n2,{"y" * 2_000_000}\n3,c\n'
    result, rows, findings = read(content, "title")
    assert result == [(text,), ("y" * 2_000_000,), ("c",)]
    assert ([row["line"] for row in rows], findings) == ([2, 30_002, 30_003], [])
    with pytest.raises(InputError, match=r"line 2: longer than 16,777,216 bytes.*take the record out"):
        read(f"item_id,title\n1,{'x' * MAX_LINE_BYTES}\n", "title")


@pytest.mark.parametrize(
    "content", ["item_id,title\r1,a\r2,b\n", "item_id,title\r1,a\n2,b\r\n", "item_id,title\r1,a\r2,b"]
)
def test_lines_that_end_with_cr_and_a_line_feed_behind_them(read: Any, content: str) -> None:
    result, rows, findings = read(content, "item_id", "title")
    assert (result, findings) == ([("1", "a"), ("2", "b")], [])
    assert [row["line"] for row in rows] == [2, 3]


def test_spaces_in_a_file_without_header_line(read: Any) -> None:
    header = ("item_id", "title")
    result, _, _ = read('1, a\n2, "b, c"\n', "item_id", "title", header=header)
    assert result == [("1", "a"), ("2", "b, c")]
    result, _, _ = read("1, a\n2,b\n", "item_id", "title", header=header)
    assert result == [("1", " a"), ("2", "b")]


def test_one_odd_record_at_the_start_is_no_habit(read: Any) -> None:
    result, _, _ = read("item_id,title\n1,a,\n2,b\n3,c\n", "item_id", "title", "unparsable")
    assert [bool(row[2]) for row in result] == [True, False, False]


def test_lines_without_a_field_are_no_records(read: Any) -> None:
    result, _, findings = read("item_id,title\n   \n1,a\n,\n , \n\t\n2,b\n", "item_id", "title")
    assert result == [("1", "a"), ("2", "b")]
    assert findings == ["blank lines left out: 4, first in line 2: '   '"]


def test_regions_that_say_none_are_nowhere(read: Any) -> None:
    result, _, findings = read("item_id,regions\n1,none\n2,None\n3,NULL\n4,DE\n", "regions")
    assert result == [([],), ([],), (None,), (["DE"],)]
    assert any("no ISO 3166-1 codes, which are left out: 2" in finding for finding in findings)


def test_signs_that_are_the_same_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["import", "csv", "x.csv", "--domain", "movies", "--ds", "2024-05-01"]
    for more in (["--quote", ","], ["--escape", ","], ["--quote", "'", "--escape", "'"]):
        assert main([*call, *more]) == 2
        assert "--delimiter, --quote and --escape must be different characters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--quote", "none"], "quote", ""),
        (["--quote", "'"], "quote", "'"),
        (["--escape", "\\"], "escape", "\\"),
        (["--delimiter", "tab"], "delimiter", "\t"),
        (["--columns", "item_id, title"], "header", ("item_id", "title")),
    ],
)
def test_the_command_line_says_how_a_file_is_written(words: list[str], name: str, value: Any) -> None:
    args = parser().parse_args(["csv", "x.csv", "--domain", "movies", "--ds", "2024-05-01", *words])
    assert given_options(args)[name] == value
