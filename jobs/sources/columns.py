"""Files of anybody: csv, JSON Lines or Parquet whose columns are those of a landing table, or are mapped to them."""

from collections.abc import Collection

from jobs.errors import InputError
from jobs.sources.cells import LIST, available, by_type
from jobs.sources.delimited import Delimited
from jobs.sources.folder import Folder
from jobs.sources.json_lines import JsonLines
from jobs.sources.parquet import Parquet
from jobs.sources.reading import Field, Options, Reading
from schemas.landing import LANDING, ORIGIN

SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "jsonl": (".jsonl", ".jsonl.gz"),
    "parquet": (".parquet",),
}


def readings(folder: Folder, options: Options) -> list[Reading]:
    """Files named after a landing table (`interactions.csv`), or with `--table` all files of the format.

    The format `demo` has files of every format. InputError where there is none, or where a file lacks columns.
    """
    formats = list(SUFFIXES) if options.format == "demo" else [options.format]
    found = [
        _reading(folder, file, form, options)
        for file in folder.names
        for form in formats
        if file.endswith(SUFFIXES[form]) or folder.chosen == (file,)
        if options.table or _stem(file) in LANDING
    ]
    if not found:
        raise InputError(
            f"{folder.path}: no {options.format} file named after a table ({', '.join(LANDING)}); it holds: "
            f"{folder.listing}. Rename the files, or say which table they are with --table"
        )
    return found


def _stem(file: str) -> str:
    return file.split(".")[0]


def _reading(folder: Folder, file: str, form: str, options: Options) -> Reading:
    table = LANDING[options.table or _stem(file)]
    types = {column.name: column.type for column in table.columns if column not in ORIGIN}
    for name in options.columns:
        if name not in types:
            raise InputError(f"--map {name}=…: {table.name} has no column {name!r}; it has: {', '.join(types)}")
    constants: dict[str, str | bool] = {}
    if options.kind is not None:
        if "kind" not in types:
            raise InputError(f"--kind is for interactions, not for {table.name}; leave it out")
        constants["kind"] = options.kind
    needed = [
        c.name for c in table.columns if c.required and c not in ORIGIN and c.name not in (*constants, "available")
    ]
    sources = {name: options.columns.get(name, name) for name in types if name not in constants}
    must = tuple(sources[name] for name in dict.fromkeys([*needed, *options.columns]) if name in sources)
    reader = _form(form, file, options, must)
    there = reader.columns(folder, file)
    _check_kind(file, sources.get("kind"), there, options)
    used = {name: source for name, source in sources.items() if there is None or source in there or source in must}
    if "available" in types and "available" not in used:
        constants["available"] = True
    separator = "|" if form == "csv" else LIST
    parsers = {name: available if name == "available" else by_type(types[name], separator) for name in used}
    fields = {name: Field(parsers[name], (source,)) for name, source in used.items()}
    return Reading(file, table.name, reader, fields, constants)


def _form(form: str, file: str, options: Options, must: tuple[str, ...]) -> Delimited | JsonLines | Parquet:
    if form == "parquet":
        return Parquet()
    if form == "jsonl":
        return JsonLines(required=must)
    delimiter = options.delimiter or ("\t" if ".tsv" in file else ",")
    return Delimited(delimiter, encoding=options.encoding, quoted=len(delimiter) == 1)


def _check_kind(file: str, source: str | None, there: Collection[str] | None, options: Options) -> None:
    if source is not None and there is not None and source not in there and "kind" not in options.columns:
        raise InputError(f"{file}: no column says of which kind the interactions are; name the kind with --kind")
