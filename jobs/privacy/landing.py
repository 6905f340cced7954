"""The landing folder without some users: rows of theirs, and what a row's text says of them."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs as arrow_fs
from pyarrow import parquet as pq

from jobs.errors import InputError
from jobs.privacy.ids import Ids
from jobs.storage import files
from jobs.storage.deliveries import batch_facts, batches, deliveries, write_facts


def landed_users(landing: str, domain: str) -> Iterator[pa.Array]:
    """The distinct users of every landed file."""
    for _, address in _landed(landing, domain):
        if (column := _column(address, "user_id")) is not None:
            yield column.unique()


def lines_of(landing: str, domain: str, ids: Ids, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """(delivery, line) → whether the row is one of the users', for the wanted rows that have a user."""
    numbers = {number for number, _ in wanted}
    theirs_by_line: dict[tuple[int, int], bool] = {}
    for one in deliveries(landing, domain):
        for address in one.data if one.number in numbers else ():
            if (users := _column(address, "user_id")) is None:
                continue
            theirs = pc.is_in(users, value_set=ids.array).to_pylist()
            lines = (_column(address, "line") or pa.array([], pa.int64())).to_pylist()
            for user, line, gone in zip(users.to_pylist(), lines, theirs, strict=True):
                if user is not None and (one.number, line) in wanted:
                    theirs_by_line[one.number, line] = gone
    return theirs_by_line


def _landed(landing: str, domain: str) -> Iterator[tuple[str, str]]:
    """(import, file) of every Parquet file."""
    for night, name in batches(landing, domain):
        batch = f"{landing}/{domain}/{night}/{name}"
        for address in files.listing(batch, ".parquet", recursive=True):
            yield batch, address


def _column(address: str, name: str) -> pa.Array | None:
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        file = pq.ParquetFile(source)
        if name not in file.schema_arrow.names:
            return None
        column = file.read(columns=[name])[name].combine_chunks()
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def erase(landing: str, domain: str, ids: Ids) -> int:
    """Writes the landed files that have the users anew, each replaced when it is whole; returns the rows that went."""
    clear_aside(landing, domain)
    count = 0
    for night, name in batches(landing, domain):
        batch = f"{landing}/{domain}/{night}/{name}"
        gone = {address: _erase_file(address, ids) for address in files.listing(batch, ".parquet", recursive=True)}
        _settle(batch, gone, ids)
        count += sum(gone.values())
    return count


def _erase_file(address: str, ids: Ids) -> int:
    """Rows of the users go; of rows of nobody whose text names one, the text (a user's tag stays, as the item's)."""
    fs, path = files.filesystem(address)
    with fs.open_input_file(path) as source:
        table = pq.ParquetFile(source).read()
    raw = table["raw"]
    if "user_id" in table.column_names:
        users = table["user_id"].cast(pa.string())
        theirs = pc.is_in(users, value_set=ids.array)
        if users.null_count:
            named = [u is None and ids.tokens(r) for u, r in zip(users.to_pylist(), raw.to_pylist(), strict=True)]
            theirs = pc.or_(theirs, pa.chunked_array([pa.array(named)]))
        gone = pc.sum(theirs).as_py() or 0
        changed = table.filter(pc.invert(theirs)) if gone else None
    else:
        gone = 0
        named = [ids.tokens(text) for text in raw.to_pylist()]
        place = table.schema.get_field_index("raw")
        blank = pc.if_else(pa.array(named), "", raw).cast(table.schema.field(place).type)
        changed = table.set_column(place, table.schema.field(place), blank) if any(named) else None
    if changed is not None:
        replace_parquet(changed, address)
    return gone


def replace_parquet(table: pa.Table, address: str) -> None:
    """Writes a Parquet file in another's place: a reader sees the old one or the new one."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    files.write_bytes(address, sink.getvalue().to_pybytes())


def _settle(batch: str, gone: dict[str, int], ids: Ids) -> None:
    """Brings `batch.json` in line with the files, whenever they were changed: rows, and examples in findings."""
    facts = batch_facts(batch)
    if facts is None:
        return
    new: dict[str, Any] = {**facts, "files": []}
    for entry in facts["files"]:
        there = [f"{batch}/{name}" for name in entry["data"]]
        new["files"].append({**entry, "rows": files.count_rows(there)} if entry["data"] else entry)
    findings = facts.get("findings", {})
    new |= {"findings": {file: [_shorten(text, ids) for text in some] for file, some in findings.items()}}
    if new != {**facts, "findings": findings}:
        write_facts(batch, new)


def _shorten(finding: str, ids: Ids) -> str:
    return finding.partition(", first in line")[0] if ids.tokens(finding) else finding


def clear_aside(landing: str, domain: str) -> None:
    """Removes imports that were killed on their way; InputError where one is running."""
    fs, _ = files.filesystem(landing)
    if not isinstance(fs, arrow_fs.LocalFileSystem):
        return
    for name in files.folders(f"{landing}/.aside"):
        if not name.startswith(f"{domain}-"):
            continue
        _, path = files.filesystem(f"{landing}/.aside/{name}")
        handle = os.open(path, os.O_RDONLY)
        try:
            flock(handle, LOCK_EX | LOCK_NB)
            files.delete_folder(f"{landing}/.aside/{name}")
        except BlockingIOError as error:
            raise InputError(f"{path}: an import is running; wait for it, then call `encore erase` again") from error
        finally:
            with suppress(OSError):
                flock(handle, LOCK_UN)
            os.close(handle)
