"""Files of anybody: csv, JSON Lines or Parquet whose columns are those of a landing table, or are mapped to them."""

from collections.abc import Collection
from functools import partial

from jobs.errors import InputError
from jobs.sources import signatures
from jobs.sources.cells import lists, nulls, scalars
from jobs.sources.cells.fields import HOLES, Field, age, day, identity, moment, number, text
from jobs.sources.delimited import Delimited
from jobs.sources.folder import Folder
from jobs.sources.json_lines import JsonLines
from jobs.sources.options import Options
from jobs.sources.parquet import Parquet
from jobs.sources.reading import Reading
from schemas.landing import LANDING, ORIGIN
from schemas.table import Column

TIMES = ("ts", "released")
DERIVED = "release_unknown"  # of what `released` says
SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
    "parquet": (".parquet",),
}


def readings(folder: Folder, options: Options) -> list[Reading]:
    """Files named after a landing table (`interactions.csv`), or with `--table` all files of the format.

    The format `demo` has files of every format. InputError where there is none, or where a file lacks columns.
    """
    formats = list(SUFFIXES) if options.format == "demo" else [options.format]
    result = [
        _reading(folder, file, form, options)
        for file in folder.names
        for form in formats
        if file.lower().endswith(SUFFIXES[form]) or folder.chosen == (file,)
        if options.table or _stem(file) in LANDING
    ]
    if not result:
        inner = [name for name in folder.skipped if name.endswith("/")]
        remedies = "".join(map(signatures.advice, folder.names[:3]))
        if inner:
            remedies += f"{', '.join(inner[:3])}: not looked into; give a folder's own path. "
        raise InputError(
            f"{folder.path}: no {options.format} file named after a table ({', '.join(LANDING)}); it holds: "
            f"{folder.listing}. {remedies}Rename the files, or say which table they are with --table"
        )
    tables = {reading.table for reading in result}
    _check_times(options, tables)
    if options.kind is not None and "interactions" not in tables:
        raise InputError(f"--kind is for interactions, not for {', '.join(sorted(tables))}; leave it out")
    return result


def _stem(file: str) -> str:
    return file.rpartition("/")[2].split(".")[0].lower()  # archives have files in folders


def _reading(folder: Folder, file: str, form: str, options: Options) -> Reading:
    table = LANDING[options.table or _stem(file)]
    types = {column.name: column for column in table.columns if column not in ORIGIN and column.name != DERIVED}
    _check_names(options, table.name, types)
    constants: dict[str, str | bool] = {}
    if options.kind is not None and "kind" in types:
        constants["kind"] = options.kind
    needed = [
        c.name for c in table.columns if c.required and c not in ORIGIN and c.name not in (*constants, "available")
    ]
    sources = {name: options.columns.get(name, name) for name in types if name not in constants}
    must = tuple(sources[name] for name in dict.fromkeys([*needed, *options.columns]) if name in sources)
    reader = _form(form, file, options, must)
    there = reader.columns(folder, file)
    if "kind" in constants and ("kind" in options.columns or "kind" in (there or ())):
        raise InputError(f"--kind {options.kind}: {file} has a column that says the kind of each row; leave --kind out")
    if there is None or {*must} - {sources.get("kind")} <= {*there}:  # else the reader says what is wrong with the file
        _check_kind(file, sources.get("kind"), there, options)
    used = {name: source for name, source in sources.items() if there is None or source in there or source in must}
    if "available" in types and "available" not in used:
        constants["available"] = True
    separator = options.list_separator or ("|" if form == "csv" else "")
    fields = {name: _field(table.name, types[name], source, separator, options) for name, source in used.items()}
    return Reading(file, table.name, reader, fields, constants, markers=nulls.markers(form, options.nulls))


def _check_names(options: Options, table: str, types: Collection[str]) -> None:
    for name in options.columns:
        if name not in types:
            raise InputError(f"--map {name}=…: {table} has no column {name!r}; it has: {', '.join(types)}")


def _check_times(options: Options, tables: Collection[str]) -> None:
    """InputError for a --time-format of a column that none of the tables has."""
    there = {name: [table for table in tables if name in LANDING[table].schema.names] for name in TIMES}
    for name in options.time_formats:
        if not there.get(name):
            times = ", ".join(time for time, having in there.items() if having) or "none"
            raise InputError(f"--time-format {name}=…: no table here has such a column of times; there are: {times}")


def _field(table: str, column: Column, source: str, separator: str, options: Options) -> Field:
    """How a landing column is read from a column of the file."""
    name = column.name
    decimal = options.decimal
    if name == "ts":
        return moment(source, options.time_formats.get(name), options.first_day, required=table == "interactions")
    if name == "released":
        return day(source, options.time_formats.get(name))
    if name.endswith("_id"):
        return identity(source)
    special = {
        "age": age(source),
        "regions": Field(
            partial(lists.regions, separator=separator),
            (source,),
            "lists with elements that are no ISO 3166-1 codes, which are left out",
        ),
        "country": Field(lists.country, (source,), "values that are no ISO 3166-1 codes, left out"),
        "available": Field(scalars.available, (source,), "values that are neither true nor false, taken as false"),
        "ordinal": Field(
            partial(scalars.integer, type=column.type, decimal=decimal),
            (source,),
            "values that are not whole numbers, left out",
        ),
        "value": number(source, decimal),
        "rating": number(source, decimal),
        "sentiment": number(source, decimal),
    }
    if name in special:
        return special[name]
    if name in ("genres", "tags", "links"):
        return Field(partial(lists.parts, separator=separator), (source,), HOLES)
    return text(source)


def _form(form: str, file: str, options: Options, must: tuple[str, ...]) -> Delimited | JsonLines | Parquet:
    if form == "parquet":
        return Parquet()
    if form == "jsonl":
        return JsonLines(required=must)
    delimiter = options.delimiter or ("\t" if ".tsv" in file.lower() else ",")
    return Delimited(delimiter, options.header, options.encoding, options.quote, options.escape)


def _check_kind(file: str, source: str | None, there: Collection[str] | None, options: Options) -> None:
    if source is not None and there is not None and source not in there and "kind" not in options.columns:
        raise InputError(f"{file}: no column says of which kind the interactions are; name the kind with --kind")
