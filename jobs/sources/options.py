"""What the command line may say of files that do not explain themselves, and what a domain expects of them."""

import argparse
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from jobs.errors import InputError
from jobs.sources.cells.times import find_format as time_format
from schemas.landing import LANDING

FIRST_DAY = date(1990, 1, 1)
# Options of each format, as they are named in Options.
OF_COLUMNS = ("table", "columns", "kind", "nulls", "time_formats")
OF_TEXT = ("header", "delimiter", "quote", "escape", "encoding", "decimal", "list_separator")
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "csv": OF_COLUMNS + OF_TEXT,
    "jsonl": (*OF_COLUMNS, "list_separator"),
    "parquet": (*OF_COLUMNS, "list_separator"),
    "demo": ("seed", "size"),
}
FLAGS = {"columns": "map", "header": "columns", "nulls": "null", "time_formats": "time-format"}


@dataclass(frozen=True)
class Options:
    """Options of an import; None and empty: nothing was said.

    `columns` has the file's name for each column of the table, `header` the names of a file without a header line.
    """

    format: str
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    header: tuple[str, ...] = ()
    delimiter: str | None = None
    quote: str = '"'
    escape: str = ""
    encoding: str = "utf-8"
    decimal: str = "."
    list_separator: str | None = None
    nulls: tuple[str, ...] | None = None
    time_formats: Mapping[str, str] = field(default_factory=dict)
    first_day: date = FIRST_DAY


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of csv, jsonl and parquet."""
    own = parser.add_argument_group("csv, jsonl, parquet")
    own.add_argument(
        "--table", choices=list(LANDING), help="what the rows are (default: the table the file is named after)"
    )
    own.add_argument(
        "--map", dest="columns", action="append", type=_pair, metavar="COLUMN=NAME", help="a column's name in the file"
    )
    own.add_argument("--kind", help="the kind of all interactions, where no column says it")
    own.add_argument(
        "--null", dest="nulls", action="append", metavar="TEXT",
        help=r"a text that stands for a missing value, instead of \N, NULL, NaN, None, NA; may be repeated",
    )  # fmt: skip
    own.add_argument(
        "--time-format", dest="time_formats", action="append", type=_time, metavar="[COLUMN=]FORMAT",
        help="how times are written, where the file does not show it: iso, seconds, milliseconds, day-number, "
        "day-month-year, a pattern as %%d.%%m.%%Y, … (default column: ts)",
    )  # fmt: skip
    own.add_argument("--list-separator", help="what stands between the elements of a list (csv: |)")
    own = parser.add_argument_group("csv")
    own.add_argument(
        "--columns", dest="header", type=_names, metavar="NAME,NAME,…", help="the columns of a file without header line"
    )
    own.add_argument("--delimiter", type=_delimiter, help="what stands between fields, `tab` for a tab (default: ,)")
    own.add_argument("--quote", type=_quote, help='what stands around a field (default: "); `none`: quotes are letters')
    own.add_argument("--escape", type=_escape, help=r"what escapes a character, as \ in MySQL's files (default: none)")
    own.add_argument("--encoding", type=_encoding, help="the text's encoding (default: utf-8; utf-16 shows itself)")
    own.add_argument("--decimal", choices=[".", ","], help="what stands before the decimals of numbers (default: .)")


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, by name; InputError for those of another format."""
    names = dict.fromkeys(name for allowed in ALLOWED.values() for name in allowed)
    options = {name: value for name in names if (value := getattr(args, name)) is not None}
    for name in options:
        if name not in ALLOWED.get(args.format, ()):
            option = FLAGS.get(name, name.replace("_", "-"))
            other = "whose columns are known" if args.format not in ALLOWED else "which is read otherwise"
            raise InputError(f"--{option} is not for the format {args.format}, {other}; leave it out")
    columns = [column for column, _ in options.get("columns", ())]
    if twice := next((column for column in columns if columns.count(column) > 1), None):
        raise InputError(f"--map {twice}=…: the column is mapped twice; say once which name it has in the file")
    for name, type in (("columns", dict), ("time_formats", dict), ("nulls", tuple)):
        if name in options:
            options[name] = type(options[name])
    signs = [options.get("delimiter", ","), options.get("quote", '"'), options.get("escape", "")]
    if len(same := [sign for sign in signs if sign]) > len(set(same)):
        raise InputError(f"--delimiter, --quote and --escape must be different characters, got {signs}")
    if "columns" in options and "table" not in options:
        raise InputError("--map needs --table, which says to which columns the names are mapped")
    for form in options.get("time_formats", {}).values():
        time_format(form)
    return options


def local_path(text: str) -> Path:
    """A path of this machine; argparse's error for an empty text and for an address."""
    if not text or re.match("^[a-z0-9]+://", text):
        raise argparse.ArgumentTypeError(f"must be a local file or folder, got {text!r}; copy the files here first")
    return Path(text)


def _pair(text: str) -> tuple[str, str]:
    column, equals, name = text.partition("=")
    if not (column and equals and name):
        raise argparse.ArgumentTypeError(f"must be COLUMN=NAME, as in item_id=movieId, got {text!r}")
    return column, name


def _time(text: str) -> tuple[str, str]:
    column, equals, form = text.partition("=")
    return (column, form) if equals and "%" not in column else ("ts", text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"must be names with commas between them, got {text!r}")
    return names


def _delimiter(text: str) -> str:
    if not text or '"' in text or "\n" in text:
        raise argparse.ArgumentTypeError(f"must be one or more characters without quotes, got {text!r}")
    return "\t" if text in ("tab", "\\t") else text


def _quote(text: str) -> str:
    if text.lower() in ("", "none"):
        return ""
    if len(text) != 1 or text.isspace():
        raise argparse.ArgumentTypeError(f"must be one character, or `none`, got {text!r}")
    return text


def _escape(text: str) -> str:
    if len(text) != 1 or text.isalnum() or text.isspace() or text == '"':
        raise argparse.ArgumentTypeError(f"must be one character, as \\, got {text!r}; doubled quotes need no option")
    return text


def _encoding(text: str) -> str:
    try:
        name = codecs.lookup(text).name
        "a".encode(name)
    except (LookupError, ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"must be a text encoding, as windows-1252, got {text!r}") from error
    return name
