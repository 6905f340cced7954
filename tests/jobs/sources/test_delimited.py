"""Delimited text against Python's csv as the independent definition."""

import csv
import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import InputError
from jobs.sources.delimited import Delimited
from jobs.sources.findings import Findings
from jobs.sources.folder import open_folder

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=5) | st.sampled_from(
    ['"', ',",', "", "\n", '"\n']
)


@settings(derandomize=True, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=8), everywhere=st.booleans())
def test_as_python_reads_it(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], everywhere: bool) -> None:
    place = tmp_path_factory.mktemp("csv")
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if everywhere else csv.QUOTE_MINIMAL)
    writer.writerows([("a", "b", "c"), *rows])
    (place / "f.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    with open_folder(place) as folder:
        (records,) = list(Delimited().records(folder, "f.csv", ("c", "a"), Findings())) or [None]
    lines = [io.StringIO() for _ in rows]
    for line, row in zip(lines, rows, strict=True):
        csv.writer(line, quoting=csv.QUOTE_ALL if everywhere else csv.QUOTE_MINIMAL).writerow(row)
    blank = [re.fullmatch(r"[\t\n\f\r ,]*", line.getvalue()) for line in lines]  # no records
    rows = [row for row, nothing in zip(rows, blank, strict=True) if not nothing]
    if not rows:
        assert records is None
        return
    assert records.broken is None
    assert records.cells["a"].to_pylist() == [row[0] for row in rows]
    assert records.cells["c"].to_pylist() == [row[2] for row in rows]


def records(text: str, form: Delimited, wanted: tuple[str, ...], folder: Any) -> Any:
    with open_folder(folder({"f.csv": text})) as source:
        (result,) = form.records(source, "f.csv", wanted, Findings())
    return result


def test_many_characters_between_fields(folder: Any) -> None:
    result = records("1::Toy: Story::x\n2::a\n", Delimited("::", ("id", "title", "genres")), ("title",), folder)
    assert result.cells["title"].to_pylist() == ["Toy: Story", ""]
    assert result.broken.tolist() == [False, True]
    assert result.line.to_pylist() == [1, 2]


def test_quotes_are_letters_where_the_format_has_none(folder: Any) -> None:
    form = Delimited("\t", quote="")
    assert records('id\tname\n1\t"Weird\n', form, ("name",), folder).cells["name"].to_pylist() == ['"Weird']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name,id\n1,a,2\n", "the column 'id' stands there twice"),
        ("id;name\n", "wrong delimiter"),
        ("name,x\n", "no column 'id'"),
        ("\n", "wrong delimiter|no column"),
    ],
)
def test_wrong_headers(folder: Any, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        records(text, Delimited(), ("id", "name"), folder)


def test_a_header_alone_is_a_file_without_rows(folder: Any) -> None:
    with open_folder(folder({"f.csv": "id,name\n"})) as source:
        assert list(Delimited().records(source, "f.csv", ("id",), Findings())) == []
