"""Every format has a page, and the pages' commands parse."""

import re
import shlex
from importlib import import_module

import pytest

from jobs.imports import parser
from jobs.settings import ROOT
from jobs.sources import FORMATS
from jobs.sources.columns import DERIVED
from schemas.landing import LANDING, ORIGIN

PAGES = ROOT / "docs" / "sources"


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_reader_and_a_page(format: str) -> None:
    assert callable(import_module(FORMATS[format][0]).readings)
    text = (PAGES / f"{format}.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    encore import (.+)$", text.replace("\\\n", ""), re.MULTILINE)
    assert commands
    for command in commands:
        parser().parse_args(shlex.split(command))


def test_the_page_lists_the_columns_of_the_landing_tables() -> None:
    text = (PAGES / "csv.md").read_text(encoding="utf-8")
    for table in LANDING.values():
        (row,) = re.findall(rf"^\| `{table.name}` \| (.+) \|$", text, re.MULTILINE)
        listed = {name: bold == "**" for bold, name in re.findall(r"(\*\*)?\b([a-z_]+)\b(?:\*\*)?(?= \(|,|$)", row)}
        columns = {column.name: column.required and column.name != "available" for column in table.columns}
        made = {DERIVED, *(column.name for column in ORIGIN)}
        assert listed == {name: needed for name, needed in columns.items() if name not in made}
